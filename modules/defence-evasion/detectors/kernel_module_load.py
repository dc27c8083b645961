# SPDX-License-Identifier: Apache-2.0
"""A kernel module was loaded, other than by the kernel's own device handling or a package."""

from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity

spec = DetectorSpec(
    id="kernel_module_load",
    title="Kernel module loaded",
    severity=Severity.MEDIUM,
    kinds=("kernel.module_load",),
    cooldown_s=300,
    attack=("T1547.006", "T1014"),
    summary="{exe_path} ({user_name}) loaded the kernel module {name}.",
    checks=(
        "See what it is and who signed it: modinfo {name}; dmesg | tail",
        "See whether it can be unloaded and whether it hides: lsmod | grep {name}",
    ),
    entities=("process:pid",),
    blind_spots=(
        "Code that reaches the kernel without a module (bpf_program_load sees one way)",
        "A module file below /lib/modules that was replaced",
    ),
    false_positives=(
        "An administrator who loads a driver; virtualisation and VPN software that loads its own",
    ),
    tags=("attack.persistence", "attack.privilege-escalation", "attack.defense-evasion"),
    maturity="test",
)

prefilter = None

LOADED = 3
#: Programs that load modules because hardware or a file system asks for them.
EXPECTED = (
    "/usr/bin/udevadm",
    "/usr/lib/systemd/systemd-udevd",
    "/lib/systemd/systemd-udevd",
    "/usr/lib/systemd/systemd-modules-load",
    "/lib/systemd/systemd-modules-load",
)
PACKAGE_MANAGERS = ("/usr/bin/dpkg", "/usr/bin/rpm")
MODULE_DIRS = ("/lib/modules/", "/usr/lib/modules/")
KERNEL_THREAD = 4


class KernelModuleLoad(Detector):
    """A call with a file outside the module directories speaks at once; any other load when it is done."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self.told = EventCount(window_s=60)

    def process(self, event: Event) -> Finding | None:
        key = (event.details.pid, event.details.start_ns)
        path = event.field("path")
        if event.field("load_stage") != LOADED:
            if path is None or str(path).startswith(MODULE_DIRS):
                return None
            self.told.add(key, event.ts_ns)
            return Finding(
                severity=Severity.HIGH,
                title="Kernel module loaded from outside the module directories",
                values={"name": f"file {path}"},
            )
        if self.told.count(key, event.ts_ns) or self._expected(event):
            return None
        return Finding()

    @staticmethod
    def _expected(event: Event) -> bool:
        if (event.details.flags or 0) & KERNEL_THREAD:
            return True
        chain = [event.process, *event.process.ancestors] if event.process else []
        if any(process.exe in EXPECTED or process.exe in PACKAGE_MANAGERS for process in chain):
            return True
        # modprobe that the kernel itself started: its parent is a kernel thread, which has no executable.
        return len(chain) > 1 and chain[1].exe is None and chain[1].uid == 0 and not chain[1].argv
