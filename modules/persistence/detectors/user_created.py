# SPDX-License-Identifier: Apache-2.0
"""An account was created or given more groups, and not by the installation of a package."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="user_created",
    title="Account created or given more rights",
    severity=Severity.MEDIUM,
    kinds=("process.exec",),
    cooldown_s=120,
    attack=("T1136.001", "T1098"),
    summary="An account was created or changed by {user_name}: {command_line}.",
    checks=(
        "See the newest accounts and their groups: tail /etc/passwd; getent group sudo wheel",
        "Ask {user_name} whether they did this",
    ),
    entities=("process:pid",),
    blind_spots=(
        "Accounts written into the files directly (password_file_change sees that)",
        "Accounts of a directory service",
        "A process below a package manager",
    ),
    false_positives=("An administrator or a configuration management tool that sets up an account",),
    tags=("attack.persistence",),
    maturity="test",
)

prefilter = """
tool:
  exe_path|endswith:
    - /useradd
    - /newusers
change:
  exe_path|endswith: [/usermod, /gpasswd]
  command_line|contains: [' -aG', ' -G', ' -a ', ' -u 0', ' -o', ' --groups', ' --append', ' --add', ' --uid']
condition: tool or change
"""

PACKAGE_MANAGERS = {"/usr/bin/dpkg", "/usr/bin/rpm", "/usr/bin/apt-get", "/usr/bin/pacman", "/usr/sbin/apk"}


class UserCreated(Detector):
    def process(self, event: Event) -> Finding | None:
        ancestors = event.process.ancestors if event.process else ()
        if any(ancestor.exe in PACKAGE_MANAGERS for ancestor in ancestors):
            return None
        arguments = event.details.argv
        if "0" in arguments and {"-o", "--non-unique"} & set(arguments):
            return Finding(severity=Severity.HIGH, title="Second account with root's user id created")
        return Finding()
