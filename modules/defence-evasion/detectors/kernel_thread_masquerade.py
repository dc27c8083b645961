# SPDX-License-Identifier: Apache-2.0
"""A program that shows itself as a kernel thread."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="kernel_thread_masquerade",
    title="Program pretends to be a kernel thread",
    severity=Severity.HIGH,
    kinds=("process.exec",),
    group_key=("exe_path",),
    cooldown_s=3600,
    attack=("T1036.004",),
    summary="{exe_path} (pid {pid}) was started as `{command_line}`, a name that only kernel threads bear.",
    checks=(
        "Keep the program: cp /proc/{pid}/exe /root/evidence-{pid}",
        "See what it is connected to: ss -tnp | grep {pid}",
    ),
    entities=("path:exe_path", "process:pid"),
    blind_spots=("A name that is changed after the start (prctl, or writing over argv)",),
    false_positives=("A test or a joke; no known software starts itself in brackets",),
    tags=("attack.defense-evasion",),
    maturity="test",
)

prefilter = """
brackets:
  command_line|startswith: '['
condition: brackets
"""


class KernelThreadMasquerade(Detector):
    """Kernel threads have no program file; whatever is executed under such a name hides."""

    def process(self, event: Event) -> Finding | None:
        arguments = event.details.argv
        shown = arguments[0] if arguments else ""
        # The test program is started as `[`, alone, by every shell that has it not built in.
        return Finding() if shown.rstrip().endswith("]") else None
