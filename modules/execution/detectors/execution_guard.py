# SPDX-License-Identifier: Apache-2.0
"""A command line, script or chain of commands whose parts together mean an intrusion, by points."""

from collections import OrderedDict
from pathlib import PurePosixPath

from innerwarden.sdk import (
    NAMES,
    Analysis,
    Detector,
    DetectorSpec,
    Event,
    Evidence,
    Finding,
    Severity,
    Trait,
    analyse_argv,
    analyse_script,
    descends_from,
    downloaded,
    ran,
    require_shell,
    script_beginning,
    session_of,
    tools,
    traits_of,
)

spec = DetectorSpec(
    id="execution_guard",
    title="Command line that looks like an intrusion",
    severity=Severity.MEDIUM,
    kinds=("process.exec",),
    cooldown_s=300,
    attack=("T1059.004",),
    parameters={"medium_points": 50, "high_points": 70, "critical_points": 100, "window_s": 300},
    summary="{user_name} ran something that {detail}: {command_line}",
    checks=(
        "Read the whole command and what it fetched or decoded, without running it",
        "See what it started: the process tree of this incident",
    ),
    entities=("process:pid",),
    blind_spots=(
        "Text that only the running shell knows: variables of the environment, random or computed names",
        "Scripts outside /tmp, /var/tmp, /dev/shm and /run/shm, and what follows their first 8 KiB",
        "A file that is fetched by an interpreter, or unpacked from an archive, before it is run",
        "A script that a package manager started",
    ),
    false_positives=("Installers that are documented as `curl ... | sh`, run on purpose",),
    tags=("attack.execution", "attack.defense-evasion", "attack.command-and-control"),
    maturity="test",
)

# Shells with a text that holds one of these words or spellings; scripts in shared places; downloads; chmod; and
# programs started by a path that no package uses.
prefilter = r"""
shell:
  Image|endswith: [/sh, /bash, /dash, /zsh, /ksh, /ash, /busybox]
text:
  CommandLine|contains: [' -c', ' -lc', ' -ec', ' -ic', ' -xc']
word:
  CommandLine|contains:
    - curl
    - wget
    - base64
    - base32
    - xxd
    - openssl
    - /dev/tcp/
    - /dev/udp/
    - 'eval '
    - socat
    - ncat
    - 'nc '
    - $IFS
    - ${IFS
    - $@
    - $'\
    - authorized_keys
    - /etc/sudoers
    - /etc/cron
    - HISTFILE
    - HISTSIZE
    - /var/log/
    - ld.so.preload
    - <<<
spelling:
  CommandLine|re:
    - '\|\s*(\S*/)?(sudo\s+)?(ba|da|z|k|a)?sh\b'
    - '\w["\x27\\]+\w'
    - '(-\w*c |[;&|(]\s*)(\$|`)'
    - '(^|[\s;&|(])/\S*[?*]'
    - '(^|[\s;&|])\{[^\s{}]+,'
shared_script:
  - arg1|startswith: [/tmp/, /var/tmp/, /dev/shm/, /run/shm/]
  - CurrentDirectory|startswith: [/tmp, /var/tmp, /dev/shm, /run/shm]
tool:
  Image|endswith: [/curl, /wget, /aria2c, /chmod]
own_path:
  filename|startswith: [./, /tmp/, /var/tmp/, /dev/shm/, /run/shm/, /home/, /root/, /srv/, /var/]
condition: (shell and ((text and (word or spelling)) or shared_script)) or tool or own_path
"""

#: One trait alone is worth a look at most; two of the first four are an intrusion. The scale has no other source.
POINTS = {
    "remote_script_execution": 50,
    "encoded_script": 50,
    "hidden_command": 50,
    "network_shell": 60,
    "unreadable": 30,
    "privilege_policy_change": 25,
    "suid_manipulation": 25,
    "security_control_change": 25,
    "ssh_key_injection": 25,
    "destructive_command": 25,
    "log_tampering": 25,
    "cron_persistence": 20,
    "start_file_change": 20,
    "raw_address": 20,
    "tmp_execution": 20,
}
TECHNIQUES = {
    "remote_script_execution": "T1105",
    "encoded_script": "T1140",
    "hidden_command": "T1027.010",
    "unreadable": "T1027.010",
    "log_tampering": "T1070",
    "ssh_key_injection": "T1098.004",
    "cron_persistence": "T1053.003",
    "security_control_change": "T1562.001",
}
PACKAGE_MANAGERS = frozenset(
    {"/usr/bin/dpkg", "/usr/bin/rpm", "/usr/sbin/apk", "/sbin/apk", "/usr/bin/pacman"}
)
#: A shell on the network, with what says only where it stands and whither it goes.
CONNECTION = {"network_shell", "tmp_execution", "raw_address"}
MAX_FETCHED = 4096


class ExecutionGuard(Detector):
    """Points of a command line's traits, and of the chain download, chmod, execution of one file in one session."""

    def __init__(self, parameters):
        super().__init__(parameters)
        require_shell()
        self.fetched = Fetched(self.parameters["window_s"])

    def process(self, event: Event) -> Finding | None:
        name = (event.details.exe_path or "").rpartition("/")[2]
        is_shell = name in tools().programs.shells or name == "busybox"
        if not event.details.argv or descends_from(event, PACKAGE_MANAGERS):
            return None
        session = session_of(event)
        if name in ("chmod", *tools().programs.downloaders):
            self.fetched.learn(session, event, name)
            return None
        found = dict.fromkeys(text_traits(event) if is_shell else ())
        for path in self.fetched.run_by(session, event, is_shell):
            found[Trait("remote_script_execution", path)] = None
        return self.judged(event, session, list(found))

    def judged(self, event: Event, session: tuple[str, ...], traits: list[Trait]) -> Finding | None:
        names = sorted({trait.name for trait in traits} & POINTS.keys(), key=lambda name: -POINTS[name])
        points = sum(POINTS[name] for name in names)
        if points < self.parameters["medium_points"]:
            return None
        severity = Severity.MEDIUM
        if points >= self.parameters["critical_points"]:
            severity = Severity.CRITICAL
        elif points >= self.parameters["high_points"]:
            severity = Severity.HIGH
        if "network_shell" in names and set(names) <= CONNECTION:
            severity = Severity.LOW  # when it comes to a connection, reverse_shell tells of it
        return Finding(
            severity=severity,
            group=(*session, *names),
            attack=tuple(dict.fromkeys(TECHNIQUES[name] for name in names if name in TECHNIQUES)),
            evidence=tuple(
                Evidence(
                    kind="trait", text=f"{NAMES[trait.name]} ({POINTS[trait.name]} points): {trait.detail}"
                )
                for trait in traits[:16]
                if trait.name in POINTS
            ),
            values={"detail": " and ".join(NAMES[name] for name in names)},
        )


class Fetched:
    """Files that a session downloaded lately, and whether they were made executable since."""

    def __init__(self, window_s: int) -> None:
        self.window_ns = window_s * 1_000_000_000
        self.files: OrderedDict[tuple[tuple[str, ...], str], int] = OrderedDict()

    def learn(self, session: tuple[str, ...], event: Event, name: str) -> None:
        """A download adds its files. chmod of one renews it: the chain may take its time at either step."""
        if name == "chmod" and not self.files:
            return
        cwd = event.details.cwd
        for command in analyse_argv(event.details.argv, event.details.exe_path).commands():
            if name == "chmod":
                paths = [path for path in named(command.arguments, cwd) if (session, path) in self.files]
            else:
                paths = list(downloaded(command, cwd))
            for path in paths:
                self.files[session, path] = event.ts_ns
                self.files.move_to_end((session, path))
        while len(self.files) > MAX_FETCHED:
            self.files.popitem(last=False)

    def run_by(self, session: tuple[str, ...], event: Event, is_shell: bool) -> list[str]:
        """The fetched files that this execution runs: its own file, or the script given to a shell."""
        if not self.files:
            return []
        details = event.details
        paths = {details.exe_path, *named((details.filename or "",), details.cwd)}
        if is_shell:
            paths |= {
                ran(command, details.cwd)
                for command in analyse_argv(details.argv, details.exe_path).commands()
            }
        return [
            path
            for path in sorted(filter(None, paths))
            if self.files.get((session, path), -self.window_ns) > event.ts_ns - self.window_ns
        ]


def text_traits(event: Event) -> tuple[Trait, ...]:
    """Traits of a shell's text, or of a script in a shared place."""
    cwd, places = event.details.cwd, tools().paths.temporary
    analysis = analyse_argv(event.details.argv, event.details.exe_path)
    script = script_path(analysis, cwd)
    text = script_beginning(event.details.pid, script, places) if script is not None else None
    return traits_of(analysis, cwd) + (traits_of(analyse_script(text), cwd) if text else ())


def named(words: tuple[str, ...], cwd: str | None) -> list[str]:
    """Words as absolute paths."""
    return [str(PurePosixPath(cwd or "/", word)) for word in words if word and not word.startswith("-")]


def script_path(analysis: Analysis, cwd: str | None) -> str | None:
    """The script that a shell was given as a file."""
    command = next(analysis.commands(), None)
    return ran(command, cwd) if command is not None and command.arguments else None
