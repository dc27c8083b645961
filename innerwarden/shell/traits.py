# SPDX-License-Identifier: Apache-2.0
"""What a text amounts to: the one classification that every detector of shell commands shares.

A trait is what the command does, not whether it may; an administrator does most of them now and then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from innerwarden.shell.facts import Analysis, Command, Pipeline
from innerwarden.shell.files import (
    absolute,
    addresses,
    below,
    downloaded,
    operands,
    ran,
    raw_address,
    written,
)
from innerwarden.shell.tools import tools
from innerwarden.shell.wrappers import reads_standard_input, script_of


class Trait(msgspec.Struct, frozen=True):
    """`name` is one of NAMES; `detail` the command or file that shows it."""

    name: str
    detail: str


#: Trait -> what it says to a person.
NAMES: dict[str, str] = {
    "remote_script_execution": "runs what it fetched from the network",
    "encoded_script": "runs text that it decoded first",
    "hidden_command": "spells a command so that its name does not stand there",
    "network_shell": "joins a shell to the network",
    "tmp_execution": "runs a file from a place that anyone can write",
    "raw_address": "fetches from an address without a name",
    "identity_change": "changes accounts",
    "privilege_policy_change": "changes who may become root",
    "suid_manipulation": "gives a file its owner's rights",
    "security_control_change": "switches off a protection",
    "service_disruption": "stops a service",
    "ssh_key_injection": "adds a key that may log in",
    "cron_persistence": "changes scheduled jobs",
    "start_file_change": "changes what runs at a start or a login",
    "destructive_command": "destroys data",
    "log_tampering": "removes traces",
    "unreadable": "is made so that reading it takes long",
}


def traits_of(analysis: Analysis, cwd: str | None = None) -> tuple[Trait, ...]:
    """The traits of a text, each (name, detail) once, in the order in which they stand there."""
    found: dict[Trait, None] = {}
    fetched: set[str] = set()
    place = cwd
    for pipeline in analysis.pipelines:
        found.update(dict.fromkeys(_of_pipeline(pipeline)))
        for command in pipeline.commands():
            for classify in _CLASSIFIERS:
                found.update(dict.fromkeys(classify(command, place)))
            running = ran(command, place)
            if running is not None and running in fetched:
                found[Trait("remote_script_execution", running)] = None
            fetched.update(downloaded(command, place))
            if command.name == "cd" and operands(command):
                place = absolute(operands(command)[0], place)
    if analysis.decoded and not any(trait.name == "encoded_script" for trait in found):
        found[Trait("encoded_script", analysis.decoded[0][:160])] = None
    if analysis.problems.get("slow"):
        found[Trait("unreadable", "")] = None
    return tuple(found)


def shown(command: Command, limit: int = 160) -> str:
    return " ".join((command.path, *command.arguments))[:limit]


def _of_pipeline(pipeline: Pipeline) -> Iterator[Trait]:
    """A shell that is fed by the stages before it, or by substitutions in its words."""
    programs = tools().programs
    fetches = decodes = False
    for stage in pipeline.stages:
        for command in stage:
            runs_input = reads_standard_input(command.name, command.arguments) or _reads_lines(command)
            if runs_input and fetches:
                yield Trait("remote_script_execution", shown(command))
            if runs_input and decodes:
                yield Trait("encoded_script", shown(command))
            if _runs_words(command):
                names = {one.name for source in command.sources for one in source.commands()}
                if names & programs.downloaders:
                    yield Trait("remote_script_execution", shown(command))
                if any(_decodes(one) for source in command.sources for one in source.commands()):
                    yield Trait("encoded_script", shown(command))
            inner = [command, *(one for source in command.sources for one in source.commands())]
            fetches = fetches or any(one.name in programs.downloaders or _listens(one) for one in inner)
            decodes = decodes or any(_decodes(one) for one in inner)
    every = [command.name for command in pipeline.commands()]
    if any(name in programs.shells for name in every) and any(
        name in ("nc", "ncat", "netcat", "telnet") for name in every
    ):
        yield Trait("network_shell", " | ".join(every)[:160])


def _reads_lines(command: Command) -> bool:
    return command.wrappers[-1:] == ("xargs",) and script_of(command.name, command.arguments) is not None


def _runs_words(command: Command) -> bool:
    """Whether words of the command are code: eval, source, sh -c, sh <(...)."""
    programs = tools().programs
    return command.name in programs.evaluators | programs.shells | programs.interpreters


def _listens(command: Command) -> bool:
    return command.name in ("nc", "ncat", "netcat", "socat") or (
        command.name == "openssl" and "s_client" in command.arguments
    )


def _decodes(command: Command) -> bool:  # noqa: PLR0911 - one case per program
    words = command.arguments
    match command.name:
        case "base64" | "base32" | "basenc":
            return any(re.fullmatch(r"--d[a-z]*|-[a-zA-Z]*[dD][a-z]*", word) for word in words)
        case "openssl":
            return "-d" in words and (words[:1] == ("enc",) or "-base64" in words or words[:1] == ("base64",))
        case "xxd":
            return any(word[:1] == "-" and "r" in word for word in words)
        case "rev" | "uudecode":
            return True
        case "printf" | "echo":
            return bool(re.search(r"(\\x[0-9a-fA-F]{2}|\\[0-7]{3}){3}", " ".join(words)))
        case "tr":
            return (
                len(words) == 2
                and bool(re.search(r"[a-z]-[a-z]", words[1]))
                and words[1] not in ("a-z", "A-Z")
            )
    return False


def _hidden(command: Command, cwd: str | None) -> Iterator[Trait]:
    if command.hidden:
        yield Trait("hidden_command", shown(command))


def _network(command: Command, cwd: str | None) -> Iterator[Trait]:
    if any(one.target.startswith(("/dev/tcp/", "/dev/udp/")) for one in command.redirections):
        yield Trait("network_shell", shown(command))
    if command.name in ("nc", "ncat", "netcat", "nc.traditional") and (
        any(
            word in ("-e", "-c", "--exec", "--sh-exec") or re.fullmatch(r"-[a-z]*[ec]", word)
            for word in command.arguments
        )
    ):
        yield Trait("network_shell", shown(command))
    if command.name == "socat" and any(
        word.upper().startswith(("EXEC:", "SYSTEM:")) for word in command.arguments
    ):
        yield Trait("network_shell", shown(command))
    if command.name in tools().programs.downloaders:
        yield from (Trait("raw_address", one[:160]) for one in addresses(command) if raw_address(one))


def _temporary(command: Command, cwd: str | None) -> Iterator[Trait]:
    running = ran(command, cwd)
    if running is not None and below(running, tools().paths.temporary):
        yield Trait("tmp_execution", running)


def _accounts(command: Command, cwd: str | None) -> Iterator[Trait]:
    programs = tools().programs
    if command.name == "visudo" and "-c" not in command.arguments:
        yield Trait("privilege_policy_change", shown(command))
    elif command.name in programs.account_tools:
        words = {part for word in command.arguments for part in word.replace("=", ",").split(",")}
        powerful = (
            words & programs.powerful_groups if command.name not in ("passwd", "chsh", "chfn") else set()
        )
        yield Trait("privilege_policy_change" if powerful else "identity_change", shown(command))


def _rights(command: Command, cwd: str | None) -> Iterator[Trait]:
    if command.name == "setcap" or (
        command.name == "chmod"
        and any(
            re.fullmatch(r"[ugoa]*[+=][rwxXt]*s[rwxXst]*|0?[2467][0-7]{3}", word)
            for word in command.arguments
        )
    ):
        yield Trait("suid_manipulation", shown(command))


def _protections(command: Command, cwd: str | None) -> Iterator[Trait]:
    words = command.arguments
    match command.name:
        case "setenforce":
            off = words[:1] in (("0",), ("Permissive",), ("permissive",))
        case "auditctl":
            off = "-D" in words or "-e0" in words or "-e 0" in " ".join(words)
        case "ufw":
            off = "disable" in words or "reset" in words
        case "iptables" | "ip6tables":
            off = "-F" in words or "--flush" in words
        case "nft":
            off = words[:2] == ("flush", "ruleset")
        case "aa-teardown" | "aa-disable" | "aa-complain":
            off = True
        case _:
            off = False
    if off:
        yield Trait("security_control_change", shown(command))
    stopped = _stopped(command)
    if stopped:
        protective = {name.removesuffix(".service") for name in stopped} & tools().services.protective
        yield Trait("security_control_change" if protective else "service_disruption", shown(command))


def _stopped(command: Command) -> list[str]:
    """Services that a command stops."""
    names = operands(command)
    if command.name == "systemctl" and names and names[0] in ("stop", "disable", "mask", "kill"):
        return names[1:]
    if command.name == "service" and len(names) > 1 and names[1] == "stop":
        return names[:1]
    return []


def _files(command: Command, cwd: str | None) -> Iterator[Trait]:
    paths = tools().paths
    for path in written(command, cwd):
        if path.endswith(paths.keys):
            yield Trait("ssh_key_injection", path)
        elif below(path, paths.privilege_files):
            yield Trait("privilege_policy_change", path)
        elif below(path, paths.cron):
            yield Trait("cron_persistence", path)
        elif below(path, paths.start_files) or _at_home(path, paths.home_start_files):
            yield Trait("start_file_change", path)
        elif re.match(r"/dev/(sd|hd|vd|xvd|nvme|mmcblk|mapper/|dm-|md\d|disk/)", path):
            yield Trait("destructive_command", path)
    if command.name == "crontab" and not {"-l", "-V"} & set(command.arguments):
        yield Trait("cron_persistence", shown(command))


def _at_home(path: str, names: tuple[str, ...]) -> bool:
    return any(name in path if name.endswith("/") else path.endswith(name) for name in names)


def _destruction(command: Command, cwd: str | None) -> Iterator[Trait]:
    words = command.arguments
    names = [absolute(word, cwd) for word in operands(command)]
    recursive = any(re.fullmatch(r"-[a-zA-Z]*[rR][a-zA-Z]*|--recursive", word) for word in words)
    if command.name == "rm" and recursive and any(name in tools().paths.vital for name in names):
        yield Trait("destructive_command", shown(command))
    if command.name.startswith("mkfs") or (
        command.name in tools().programs.disk_erasers and any(name.startswith("/dev/") for name in names)
    ):
        yield Trait("destructive_command", shown(command))


def _traces(command: Command, cwd: str | None) -> Iterator[Trait]:
    paths = tools().paths
    names = [absolute(word, cwd) for word in operands(command)]
    emptied = [absolute(one.target, cwd) for one in command.redirections if one.operator in (">", ">|", "&>")]
    if command.name in tools().programs.erasers or command.name == "sed":
        emptied += names
    if command.name in ("cp", "ln", "mv") and names[:1] == ["/dev/null"]:
        emptied += names[1:]
    logs = [
        path for path in emptied if below(path, paths.logs) and not re.search(r"\.(gz|xz|bz2|zst|\d+)$", path)
    ]
    words = command.arguments
    match command.name:
        case "journalctl":
            gone = any(word.startswith("--vacuum") for word in words)
        case "history":
            gone = any(word[:1] == "-" and "c" in word for word in words)
        case "unset" | "export" | "declare" | "typeset" | "readonly":
            gone = any(re.fullmatch(r"HISTFILE(=(/dev/null)?)?|HIST(FILE)?SIZE=0", word) for word in words)
        case _:
            gone = bool(logs) or any(path.endswith("_history") for path in emptied)
    if gone:
        yield Trait("log_tampering", shown(command))


_CLASSIFIERS: tuple[Callable[[Command, str | None], Iterator[Trait]], ...] = (
    _hidden,
    _network,
    _temporary,
    _accounts,
    _rights,
    _protections,
    _files,
    _destruction,
    _traces,
)
