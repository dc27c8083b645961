# SPDX-License-Identifier: Apache-2.0
"""Other text that whoever attacks chooses, or that comes from elsewhere: shell commands, regular expressions of rules,
lists of bad addresses, names, captured events."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

from innerwarden_core import Engine, Intel, Record, registered_domain

from innerwarden.model._wire import SIZES
from tests.fuzz.target import ROOT, Judge, Target, case_files, must

SHELL_WORDS = (
    b"$(", b"`", b"${", b"$((", b"))", b"<<EOF\n", b"<(", b"|", b"&&", b";", b"\\", b"'", b'"', b"{a,b}",
    b"{1..9}", b"{1..99999999}", b"base64 -d", b"xxd -r -p", b"printf '%s' ", b"echo -e ", b"tr a-z b-za",
    b"sed s/a/b/g", b"rev", b"gzip -d", b"python3 -c ", b"sh -c ", b"eval ", b"env -S ", b"\\x41", b"$'\\u00",
    b"/dev/tcp/1.2.3.4/5", b"2>&1", b"IFS=", b"${x:0:1}", b"\0", b"\xff", b"openssl enc -d -base64",
)  # fmt: skip
LIST_WORDS = (
    b"0.0.0.0 ", b"127.0.0.1 ", b"/8", b"/32", b"/128", b"::ffff:", b"2001:db8::/32", b"xn--", b"#", b"!",
    b"\r", b"t13d1516h2_8daaf6152771_b186095e22b6", b"d41d8cd98f00b204e9800998ecf8427e", b"*.", b".", b"||",
    b"^",
)  # fmt: skip


def _shell() -> Judge:
    """Nothing raises, and nothing of it takes long; what is found can be asked about."""
    from innerwarden.shell import analyse_argv, analyse_line, analyse_script, downloaded, ran, traits_of

    def judge(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        words = text.split("\0")
        for analysis in (
            analyse_script(text),
            analyse_line(text),
            analyse_argv(words),
            analyse_argv(words, "/bin/sh"),
        ):
            traits_of(analysis)
            for command in islice(analysis.commands(), 50):
                list(downloaded(command, "/tmp"))
                ran(command, "/tmp")

    return judge


def _shell_seeds() -> Iterator[bytes]:
    from innerwarden.modules.cases import read_cases

    seen: set[str] = set()
    for path in case_files():
        for case in read_cases(path):
            for row in case.event:
                argv = row.get("argv")
                if isinstance(argv, list) and argv and argv[0] not in seen:
                    seen.add(argv[0])
                    yield "\0".join(argv).encode()[:2000]
                    if len(argv) > 2:
                        yield argv[2].encode()[:2000]
    for path in islice(sorted((ROOT / "tests/benign/parts").glob("*.sh")), 8):
        yield path.read_bytes()[:2000]


def _lists() -> Judge:
    def judge(data: bytes) -> None:
        first, _, second = data.partition(b"\0")
        intel = Intel([("one", first), ("two", second)], max_entries=1000)
        refused = sum(intel.refused.values())
        must(len(intel.problems) == min(refused, 100), f"{refused} refused, {len(intel.problems)} told")
        lines = len(first.split(b"\n")) + len(second.split(b"\n"))
        must(refused <= lines, f"{refused} of {lines} lines refused")
        for name, line, _ in intel.problems:
            must(name in ("one", "two") and 1 <= line <= lines, f"line {line} of {name}")
        text = first[:200].decode("utf-8", "replace")
        intel.name(text)
        intel.fingerprint(text)
        registered_domain(text)
        try:
            intel.address(text)
        except OSError:  # declared: no address
            return

    return judge


def _lists_seeds() -> Iterator[bytes]:
    yield b"198.51.100.7\n203.0.113.0/24\n2001:db8::/32\nbad.example\n# a comment\n"
    yield b"0.0.0.0 bad.example\n127.0.0.1 other.example # text\n! x\n\0t13d1516h2_8daaf6152771_b186095e22b6\n"
    yield b"d41d8cd98f00b204e9800998ecf8427e\nco.uk\n10.0.0.0/8\n1.2.3.4/7\n"


def _events() -> Judge:
    """Captured events become records that the decoder takes, or are counted as refused."""
    from innerwarden.sensor.replay_events import records_of

    engine = Engine(process_entries=64, process_bytes=1 << 16, window_keys=64)

    def judge(data: bytes) -> None:
        half = len(data) // 2
        is_json = data.lstrip()[:1] == b"{"
        for records, count, refused in records_of(iter([data[:half], data[half:]])):
            must(count >= 0 and refused >= 0, "a negative number")
            if is_json:
                at = 0
                while at < len(records):
                    (size,) = struct.unpack_from("<I", records, at)
                    must(size >= SIZES["iw_header"], f"a record of {size} bytes")
                    Record(records[at : at + size])
                    at += size
            engine.feed(records)

    return judge


def _events_seeds() -> Iterator[bytes]:
    from tests.fuzz.targets.records import sample

    engine = Engine(process_entries=64, process_bytes=1 << 16, window_keys=64)
    engine.stream(True)
    for kind in (
        "process.exec",
        "network.connect",
        "ssh.login_failed",
        "web.request",
        "network.dns",
        "file.open",
    ):
        try:
            record = sample(kind)
        except Exception:
            continue
        engine.feed(record)
        yield engine.take_stream()
        yield record


def _regex() -> Judge:
    """A pattern of a rule becomes a native rule or is refused; a text is searched in time."""
    from innerwarden.errors import InnerWardenError
    from innerwarden.modules.factory import encode
    from innerwarden.rules.compiler import compile_sources
    from innerwarden.rules.program import RuleSource

    def judge(data: bytes) -> None:
        pattern, _, text = data.partition(b"\0")
        quoted = "'" + pattern.decode("utf-8", "replace").replace("'", "''").replace("\n", " ") + "'"
        rule = RULE.format(quoted)
        compiled = compile_sources([RuleSource(name="one.yml", stem="one", text=rule, module="fuzz")])
        must(bool(compiled.problems) != bool(compiled.rules), f"neither taken nor refused: {compiled}")
        engine = Engine(process_entries=16, process_bytes=1 << 14, window_keys=16)
        engine.configure([one.native() for one in compiled.rules], [], [])
        try:
            engine.feed(
                encode("process.exec", exe_path="/bin/x", argv=["x", text[:8000].decode("utf-8", "replace")])
            )
        except InnerWardenError:
            return

    return judge


RULE = """title: t
id: 5d8fd9da-6916-45ef-8d4d-3fa9d19d1a64
logsource: {{product: linux, category: process_creation}}
detection:
  s:
    CommandLine|re: {}
  condition: s
level: low
"""
REGEX_WORDS = (
    b"(?i)", b"(?=", b"(?<!", b"\\b", b"\\d+", b"(a+)+$", b"[[:alpha:]]", b"\\p{L}", b"{1,1000}", b".*", b"|",
    b"^", b"\\x{10ffff}", b"(?P<n>", b"\\1", b"[^", b"\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
)  # fmt: skip


def _regex_seeds() -> Iterator[bytes]:
    yield b"(?i)curl\\s+.*https?://[0-9.]+\0curl http://1.2.3.4"
    yield b"^(a+)+$\0" + b"a" * 200 + b"!"
    yield b"[^a-z]{2,20}|\\bnc\\b.*-e\0nc -e"


def targets() -> Iterator[Target]:
    yield Target(
        name="shell", make=_shell, seeds=_shell_seeds, packages=("innerwarden.shell",), words=SHELL_WORDS,
        max_bytes=8192, cpu_s=2.0,
    )  # fmt: skip
    yield Target(
        name="threat-list", make=_lists, seeds=_lists_seeds, native=True, words=LIST_WORDS, max_bytes=4096
    )
    yield Target(
        name="captured-events", make=_events, seeds=_events_seeds, packages=("innerwarden.sensor.replay_events",),
        max_bytes=8192,
    )  # fmt: skip
    yield Target(
        name="regex",
        make=_regex,
        seeds=_regex_seeds,
        native=True,
        words=REGEX_WORDS,
        max_bytes=2048,
        cpu_s=2.0,
    )
