# SPDX-License-Identifier: Apache-2.0
"""A process became root in a way that the system's own mechanisms do not explain."""

import platform

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="unexplained_root",
    title="A process became root without any mechanism that grants it",
    severity=Severity.CRITICAL,
    kinds=("credential.change",),
    cooldown_s=3600,
    attack=("T1068",),
    summary="{exe_path} (pid {pid}) went from user id {old_uid} to root without a set-user-id program and "
    "without the capability to do so (system call {syscall_nr}).",
    checks=(
        "Treat the machine as taken over: cut its network before anything else",
        "Keep the program: cp /proc/{pid}/exe /root/evidence-{pid}",
        "Compare the kernel with its fixed version: uname -r; apt-cache policy linux-image-$(uname -r)",
    ),
    entities=("path:exe_path", "process:pid"),
    blind_spots=(
        "A process whose former identity is not known, because the table of identities holds fewer processes",
        "An exploit that makes a privileged process act for it, and never changes its own credentials",
        "An exploit that gives itself CAP_SETUID first and only then changes its user id",
    ),
    false_positives=(
        "A set-user-id program outside the system's directories that drops and takes back its rights",
    ),
    tags=("attack.privilege-escalation",),
    maturity="test",
)

prefilter = """
root:
  euid: 0
was_root:
  old_uid: 0
not_known:
  old_uid: 4294967295
had_root:
  old_euid: 0
condition: root and not was_root and not had_root and not not_known
"""

CAP_SETUID = 1 << 7
NOT_A_SYSCALL = 4294967295
#: From asm/unistd.h: calls that may set a user id, and those that start a program.
SET_ID = {"x86_64": {105, 113, 117, 122}, "aarch64": {145, 146, 147, 151}}
EXECUTE = {"x86_64": {59, 322}, "aarch64": {221, 281}}
#: Directories that only root writes, where set-user-id programs legally take back what they dropped.
SYSTEM = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/bin/", "/sbin/")


class UnexplainedRoot(Detector):
    def process(self, event: Event) -> Finding | None:
        syscall = event.field("syscall_nr")
        machine = platform.machine()
        if syscall in EXECUTE.get(machine, ()):
            return None  # a set-user-id file; new_suid_execution looks at which one
        if syscall in SET_ID.get(machine, ()):
            capabilities = event.field("old_cap_effective")
            if isinstance(capabilities, int) and capabilities & CAP_SETUID:
                return None
            exe = event.process.exe if event.process else None
            if exe is not None and exe.startswith(SYSTEM):
                return None
        return Finding(values={"syscall_nr": "none"} if syscall == NOT_A_SYSCALL else {})
