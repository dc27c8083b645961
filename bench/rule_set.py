# SPDX-License-Identifier: Apache-2.0
"""A thousand rules in the shapes of published ones, events about the same programs, and both in plain Python."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from innerwarden.modules.factory import encode

MANY = 1000
EVENTS = 4000
_PROGRAMS = (
    "curl wget nc socat perl python3 ruby php lua bash sh zsh openssl base64 xxd tar gzip find awk sed "
    "chmod chown systemctl crontab useradd usermod iptables nft tcpdump strace gdb rsync scp ssh git make "
    "gcc dpkg apt ls cat grep"
)
PROGRAMS = _PROGRAMS.split()
_SYLLABLES = "ba co de fi go ha in ka le mi no or pa qu re se ta un ver wo ex ing tion er st"
SYLLABLES = _SYLLABLES.split()
PLACES = (
    "/etc",
    "/usr/lib/systemd/system",
    "/var/spool/cron",
    "/home/u",
    "/tmp",
    "/dev/shm",
    "/opt/app",
    "/root",
)
_WORDS = (
    "install update -D -m 0644 /usr/share/doc/package/changelog.gz "
    "build/CMakeFiles/target.dir/source.cpp.o -O2 -g -Wall --output=/var/tmp/file.txt --verbose -m pip "
    "/home/user/project/src/main.py -rn pattern -la commit --amend "
    "https://deb.debian.org/debian/pool/main/x -c -e /etc/hosts | > 2>&1 && echo done -xzf archive.tar.gz"
)
WORDS = _WORDS.split()
Tree = dict[str, Any]


def distinct() -> list[str]:
    """A word for each rule, of the same make as the words of the stream."""
    pick = random.Random(3)
    found: dict[str, None] = {}
    while len(found) < MANY:
        found["".join(pick.choices(SYLLABLES, k=4))] = None
    return list(found)


def program_of(number: int) -> str:
    return PROGRAMS[number * 7 % len(PROGRAMS)]


def rule(number: int, pick: random.Random) -> Tree:
    """One rule, with words of its own."""
    program = program_of(number)
    word, other = f"--{NAMES[number]}", NAMES[number]
    image = {"Image|endswith": f"/{program}"}
    exclusion = {"ParentImage|endswith": ["/dpkg", "/apt"]}
    shapes: list[tuple[str, Tree, str]] = [
        ("process_creation", {"s": {**image, "CommandLine|contains": [word, f"-x {other}"]}}, "s"),
        ("process_creation", {"s": {**image, "CommandLine|contains|all": [word, "/etc/", other]}}, "s"),
        ("process_creation", {"s": {"CommandLine|contains": word}, "f": exclusion}, "s and not f"),
        ("process_creation", {"s": {"CommandLine": f"* {word}*/tmp/?{other}*"}}, "s"),
        ("process_creation", {"s": {**image, "CommandLine|re": rf"{word}=\d+\s.*\|\s*(ba|z)?sh"}}, "s"),
        (
            "process_creation",
            {"s": {**image, "CommandLine|re": r"\s-[a-z]*e\s.{0,40}/tcp/[0-9]{1,3}\."}},
            "s",
        ),
        ("process_creation", {"s": {"Image": f"/usr/local/{other}/{program}"}}, "s"),
        ("file_event", {"s": {"TargetFilename|startswith": f"{pick.choice(PLACES)}/{other}/"}}, "s"),
        ("file_event", {"s": {"TargetFilename|endswith": f"/{other}.service"}}, "s"),
        ("network_connection", {"s": {**image, "DestinationPort": 2000 + number}}, "s"),
    ]
    category, detection, condition = shapes[number % len(shapes)]
    return {"category": category, "detection": {**detection, "condition": condition}}


NAMES = distinct()


def rules() -> list[Tree]:
    pick = random.Random(9)
    return [rule(number, pick) for number in range(MANY)]


def event(number: int, pick: random.Random) -> Tree:
    """Mostly ordinary; one in a hundred has what some rule looks for."""
    odd, wanted = pick.random() < 0.03, pick.randrange(MANY)
    program = program_of(wanted) if odd else pick.choice(PROGRAMS)
    image = f"/usr/bin/{program}"
    kind = pick.choices(("process.exec", "file.open", "network.connect"), (6, 3, 1))[0]
    fields: Tree = {"exe_path": image, "kind": kind}
    if kind == "process.exec":
        words = [
            program,
            *pick.choices(WORDS, k=pick.randrange(2, 20)),
            "".join(pick.choices(SYLLABLES, k=4)),
        ]
        if odd:
            words += [f"--{NAMES[wanted]}", "-e", f"/{NAMES[wanted]}/10.0.0.1"]
        return {**fields, "command_line": " ".join(words), "argv": words}
    if kind == "file.open":
        place = NAMES[wanted] if odd else "".join(pick.choices(SYLLABLES, k=3))
        return {**fields, "path": f"{pick.choice(PLACES)}/{place}/{place}.service"}
    return {**fields, "dst_port": 2000 + wanted if odd else 443, "dst_ip": "192.0.2.1"}


def record(fields: Tree, pid: int) -> bytes:
    given = {key: value for key, value in fields.items() if key not in ("kind", "command_line")}
    if fields["kind"] != "process.exec":
        del given["exe_path"]  # from the process table: see stream()
    if fields["kind"] == "file.open":
        given["open_flags"] = ["write"]
    return encode(fields["kind"], pid=pid, **given)


def stream() -> tuple[bytes, list[Tree], int]:
    """(records, the same as fields for Python, how many). Each process is started before it acts."""
    pick = random.Random(7)
    events = [event(number, pick) for number in range(EVENTS)]
    # A few pids, so that the process table stays small and the rules are what is measured.
    pids = {program: 1000 + at for at, program in enumerate(PROGRAMS)}
    data, all_fields = [], []
    for program, pid in pids.items():
        start = {
            "kind": "process.exec",
            "exe_path": f"/usr/bin/{program}",
            "command_line": program,
            "argv": [program],
        }
        data.append(record(start, pid))
        all_fields.append(start)
    for fields in events:
        data.append(record(fields, pids[fields["exe_path"].rsplit("/", 1)[-1]]))
        all_fields.append(fields)
    return b"".join(data), all_fields, len(data)


Test = Callable[[Tree], bool]
FIELDS = {
    "Image": "exe_path",
    "CommandLine": "command_line",
    "ParentImage": "parent",
    "TargetFilename": "path",
}
KINDS = {
    "process_creation": "process.exec",
    "file_event": "file.open",
    "network_connection": "network.connect",
}


def plain_test(key: str, values: Any) -> Test:
    """One field as one would write it in Python: lower case once, `in` and `startswith`."""
    name, *modifiers = key.split("|")
    listed = values if isinstance(values, list) else [values]
    if name == "DestinationPort":
        return lambda event: event.get("dst_port") in listed
    field = FIELDS[name]
    if "re" in modifiers:
        search = re.compile(listed[0]).search
        return lambda event: search(event.get("raw_" + field, "")) is not None
    lowered = [value.lower() for value in listed]
    if "*" in lowered[0]:
        glob = re.compile(re.escape(lowered[0]).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL).fullmatch
        return lambda event: glob(event.get(field, "")) is not None
    if "contains" in modifiers:
        every = all if "all" in modifiers else any
        return lambda event: field in event and every(value in event[field] for value in lowered)
    if "startswith" in modifiers:
        return lambda event: event.get(field, "").startswith(lowered[0])
    if "endswith" in modifiers:
        ends = tuple(lowered)
        return lambda event: event.get(field, "").endswith(ends)
    return lambda event: event.get(field) == lowered[0]


def plain(trees: Sequence[Tree]) -> Callable[[Sequence[Tree]], int]:
    by_kind: dict[str, list[tuple[list[Test], list[Test]]]] = {}
    for tree in trees:
        detection = tree["detection"]
        wanted = [plain_test(key, value) for key, value in detection["s"].items()]
        unwanted = [plain_test(key, value) for key, value in detection.get("f", {}).items()]
        by_kind.setdefault(KINDS[tree["category"]], []).append((wanted, unwanted))

    def run(events: Sequence[Tree]) -> int:
        matches = 0
        for event in events:
            view = {key: value.lower() if isinstance(value, str) else value for key, value in event.items()}
            view["raw_command_line"] = event.get("command_line", "")
            for wanted, unwanted in by_kind.get(event["kind"], ()):
                if all(test(view) for test in wanted) and not (
                    unwanted and all(test(view) for test in unwanted)
                ):
                    matches += 1
        return matches

    return run
