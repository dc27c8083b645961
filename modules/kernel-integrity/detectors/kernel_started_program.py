# SPDX-License-Identifier: Apache-2.0
"""A program that the kernel started by itself, as root and outside every container."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="kernel_started_program",
    title="Program started by the kernel itself",
    severity=Severity.HIGH,
    kinds=("process.exec",),
    group_key=("exe_path",),
    cooldown_s=600,
    attack=("T1611", "T1546"),
    summary="The kernel itself started {exe_path} as {user_name}: {command_line}.",
    checks=(
        "See what names this program: cat /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe",
        "See whether a control group names it: grep -rs . /sys/fs/cgroup/*/release_agent",
        "Keep it and see who brought it: sha256sum {exe_path}; dpkg -S {exe_path}",
    ),
    entities=("path:exe_path", "process:pid"),
    blind_spots=("A helper of the list whose file was replaced",),
    false_positives=("Helpers of file systems, networks and crash reporters that are not in the list",),
    tags=("attack.privilege-escalation", "attack.persistence"),
    maturity="test",
)

prefilter = """
no_program_above:
  parent_exe_path: null
condition: no_program_above
"""

#: The kernel's first thread, from which its helpers descend; see call_usermodehelper() in kernel/umh.c.
KTHREADD = 2
#: What a kernel starts on a healthy machine: module loader, key helper, core dumps, control group agent.
EXPECTED = (
    "/usr/bin/kmod",
    "/bin/kmod",
    "/usr/sbin/modprobe",
    "/sbin/modprobe",
    "/usr/sbin/request-key",
    "/sbin/request-key",
    "/usr/sbin/bridge-stp",
    "/sbin/bridge-stp",
    "/usr/lib/systemd/systemd-coredump",
    "/lib/systemd/systemd-coredump",
    "/usr/lib/systemd/systemd-cgroups-agent",
    "/lib/systemd/systemd-cgroups-agent",
    "/usr/bin/systemctl",
    "/usr/lib/systemd/systemd",
    "/sbin/init",
    "/usr/sbin/drbdadm",
)
#: Helpers that are scripts, by their own path.
EXPECTED_SCRIPTS = ("/usr/share/apport/apport", "/sbin/bridge-stp", "/usr/sbin/bridge-stp")


class KernelStartedProgram(Detector):
    """A helper is the child of kthreadd, or of one of its workers when the kernel waits for it."""

    def process(self, event: Event) -> Finding | None:
        if event.field("exe_path") in EXPECTED or event.field("filename") in EXPECTED_SCRIPTS:
            return None
        if event.field("ppid") == KTHREADD:
            return Finding()
        ancestors = event.process.ancestors if event.process else ()
        if not ancestors:
            return None
        parent = ancestors[0]
        if parent.exe is None and not parent.argv and parent.uid == 0 and parent.ppid == KTHREADD:
            return Finding()
        return None
