# SPDX-License-Identifier: Apache-2.0
"""Row 9: what an event costs with a thousand Sigma rules instead of ten, beside the same rules in plain Python.

Rules have the shapes of published ones for Linux: program and part of the command line, all of several parts,
wildcards, regular expressions, exclusions, written files by directory or ending, connections by program and port. They
are about the programs of the stream, and their words are of the same syllables as its words, so that parts of them are
everywhere. About one event in a hundred matches; both sides must match equally often, or the row is broken.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from innerwarden_core import Engine
from innerwarden_core.regex import Regex

from bench.measure import Result, interleaved, median, on_cpu, spread
from innerwarden.modules.factory import encode
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.program import RuleSource
from innerwarden.rules.regex_form import engine_pattern
from innerwarden.rules.regex_tree import Flags

MANY, FEW = 1000, 10
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


def engine(trees: Sequence[Tree]) -> Engine:
    """The rules as a person would load them: text, compiler, engine."""
    import yaml

    sources = []
    for number, tree in enumerate(trees):
        document = {
            "title": f"rule {number}",
            "logsource": {"product": "linux", "category": tree["category"]},
            "detection": tree["detection"],
            "level": "low",
            "innerwarden": {"cooldown_s": 0},
        }
        text = yaml.safe_dump(document, sort_keys=False)
        sources.append(RuleSource(name=f"{number}.yml", stem=f"r{number}", text=text))
    compiled = compile_sources(sources)
    if compiled.problems:
        raise AssertionError(compiled.problems[0])
    made = Engine(max_hits=65536)
    made.configure([one.native() for one in compiled.rules], [], [])
    return made


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


def patterns() -> dict[str, float]:
    """ns a pattern that is run on a command line: RE2 as the engine has it, and Python's own, which is not linear."""
    found = [tree["detection"]["s"].get("CommandLine|re") for tree in rules()]
    wanted = [pattern for pattern in found if pattern][:20]
    lines = [fields["command_line"].encode() for fields in stream()[1] if "command_line" in fields][:200]
    sides = {
        "re2": [Regex(engine_pattern(pattern, Flags())[0]).search for pattern in wanted],
        "python_re": [re.compile(pattern.encode()).search for pattern in wanted],
    }
    out = {}
    for name, searches in sides.items():
        for _ in range(2):  # the first builds the automata
            began = time.perf_counter_ns()
            matched = sum(bool(search(line)) for search in searches for line in lines)
            out[f"{name}_ns"] = (time.perf_counter_ns() - began) / len(searches) / len(lines)
        out[f"{name}_matches"] = matched
    if out["re2_matches"] != out["python_re_matches"]:
        raise AssertionError(f"RE2 and Python's re differ: {out}")
    return out


def run(quick: bool) -> dict[str, object]:
    trees = rules()
    data, events, count = stream()
    engines = {"none": engine([]), "few": engine(trees[:FEW]), "many": engine(trees)}
    python = plain(trees)
    fires = python(events)
    found = len(engines["many"].feed(data))
    if found != fires or not fires:
        raise AssertionError(f"native matched {found} times, plain Python {fires}")

    def ours(name: str) -> Callable[[], float]:
        def once() -> float:
            with on_cpu(1):
                began = time.perf_counter_ns()
                engines[name].feed(data)
                return (time.perf_counter_ns() - began) / count

        return once

    def theirs() -> float:
        part = events[: 400 if quick else 2000]
        with on_cpu(1):
            began = time.perf_counter_ns()
            python(part)
            return (time.perf_counter_ns() - began) / len(part)

    variants = {name: ours(name) for name in engines} | {"python": theirs}
    for warm in variants.values():
        warm()
    times = interleaved(11 if quick else 41, variants)
    middle = {name: median(values) for name, values in times.items()}
    ratio = middle["many"] / middle["few"]
    matching = patterns()
    return Result(
        row=9,
        what=f"{MANY} Sigma rules instead of {FEW}, per event",
        value=middle["many"],
        unit="ns an event",
        peer=f"plain Python {middle['python'] / 1000:.0f} us: {middle['python'] / middle['many']:.0f} x",
        ratio=ratio,
        goal="<= 2 x",
        gate="<= 3 x",
        passed=ratio <= 3,
        spread=spread(times["many"]),
        note=f"a pattern that is run {matching['re2_ns']:.0f} ns (Python's re {matching['python_re_ns']:.0f}); "
        f"{middle['none']:.0f} ns without rules, {middle['few']:.0f} with {FEW}; "
        f"{fires} of {count} events match on both sides",
        details={f"{name}_ns": value for name, value in middle.items()} | matching,
    ).as_dict()
