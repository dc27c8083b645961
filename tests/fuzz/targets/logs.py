# SPDX-License-Identifier: Apache-2.0
"""Every parser of log text: those of the registry, of the recipes that modules bring, of the journal. A parser that is
added to the registry is fuzzed from then on."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import msgspec
from innerwarden_core import AuthParser, Engine, Record

from innerwarden.logs.reader import Reader
from innerwarden.logs.recipe import Recipe
from innerwarden.modules.log_sources import DOCUMENTS, PARSERS, parser_of, readers_of
from innerwarden.modules.recipes import Origin, read_recipe
from innerwarden.sensor.collectors.journal_entry import decode_entry
from tests.fuzz.target import ROOT, Judge, Target, case_files, cut_up, must

NOW_S = 1_795_252_800
#: Beyond it a text of the line's own length is cut, see pack.py; JSON may spell a character in six.
RECORD_ROOM = 96 << 10
WORDS = (b'"', b"\\", b"\x1d", b"\0", b"\xff", b"\r", b"[", b"{", b"}", b"=", b": ", b"from ", b"-1", b"1e999",
         b"1" * 5000, b"0000000000", b"\\ud800", b"99999999999999999999", b"0001-01-01T00:00:00Z",
         b"9999-12-31T23:59:59+23:59", b"null", b"true", b"[[[[[[[[",
         b"::ffff:1.2.3.4", b"fe80::1%eth0")  # fmt: skip


@cache
def recipes() -> tuple[Recipe, ...]:
    """Of the shipped modules."""
    paths = sorted((ROOT / "modules").glob("*/collectors/*.toml"))
    return tuple(read_recipe(path, Origin(path.parts[-3], shipped=True)) for path in paths)


def _small() -> Engine:
    return Engine(process_entries=16, process_bytes=1 << 14, window_keys=16)


def _native(source: str) -> Judge:
    """Whole lines are taken, each is counted, and what comes of them are records."""
    engine = _small()

    def judge(data: bytes) -> None:
        parser, before = parser_of(source, NOW_S), engine.stats()
        _, consumed = engine.feed_lines(data, parser)
        must(consumed == data.rfind(b"\n") + 1, f"{consumed} of {len(data)} bytes taken")
        stats = parser.stats()
        rest = sum(stats[name] for name in ("matched", "ignored", "malformed", "too_long"))
        must(stats["lines"] == data.count(b"\n") == rest, f"{data.count(10)} lines are counted as {stats}")
        told = engine.stats()
        must(told["malformed"] == before["malformed"], "a parser made a malformed record")
        made = sum(told["records"].values()) - sum(before["records"].values())
        must(made == stats["matched"], "records and matched lines differ")
        for line in data.split(b"\n"):
            record = parser.parse(line)
            if record is not None:
                _check(record)

    return judge


def _check(record: bytes) -> None:
    """A record that the decoder takes, and that can be told."""
    msgspec.json.encode(Record(record).to_dict())
    must(len(record) <= RECORD_ROOM, f"a record of {len(record)} bytes")


def _reader(source: str, make: Callable[[], Reader]) -> Judge:
    """Nothing raises, each line is counted once, and what comes of them are records."""
    engine = _small()

    def judge(data: bytes) -> None:
        reader = make()
        records = [*reader.read(data), *reader.idle(), *reader.finish()]
        stats = reader.stats
        must(0 <= stats.malformed <= stats.lines + 1, f"{stats}")
        must(not records or stats.matched > 0, f"{len(records)} records of no line: {stats}")
        for record in records:
            _check(record)
        before = engine.stats()["malformed"]
        engine.feed(b"".join(records))
        must(engine.stats()["malformed"] == before, "a reader made a malformed record")
        if source not in DOCUMENTS:
            lines = data.split(b"\n")
            least, most = sum(bool(line.strip()) for line in lines), sum(map(bool, lines))
            must(least <= stats.lines <= most, f"{least} lines, counted {stats.lines}")

    return judge


def _journal() -> Judge:
    def judge(data: bytes) -> None:
        entry = decode_entry(data)
        if entry is None:
            return
        parser = AuthParser(now_s=NOW_S)
        record = parser.parse_message(entry.ts_ns, entry.host, entry.program, entry.pid, entry.message)
        if record is not None:
            _check(record)

    return judge


def _journal_seeds() -> Iterator[bytes]:
    base = {"__REALTIME_TIMESTAMP": "1750000000000000", "__CURSOR": "s=1", "SYSLOG_IDENTIFIER": "sshd"}
    yield msgspec.json.encode({**base, "MESSAGE": "Failed password for root from 192.0.2.1 port 22 ssh2"})
    yield msgspec.json.encode(
        {**base, "MESSAGE": [70, 97, 105, 108, 255], "_PID": "77", "_HOSTNAME": ["a", "b"]}
    )
    yield msgspec.json.encode(
        {**base, "SYSLOG_IDENTIFIER": "kernel", "_TRANSPORT": "kernel", "MESSAGE": "[UFW BLOCK]"}
    )


@cache
def _case_lines() -> dict[str, tuple[str, ...]]:
    """Source -> lines of the cases that the shipped modules bring."""
    from innerwarden.modules.cases import read_cases

    found: dict[str, list[str]] = {}
    for path in case_files():
        for case in read_cases(path):
            found.setdefault(case.source, []).extend(case.lines[:8])
    return {source: tuple(dict.fromkeys(lines)) for source, lines in found.items()}


def _seeds(source: str) -> Iterator[bytes]:
    lines = _case_lines().get(source, ())
    for line in lines[:: max(1, len(lines) // 200)]:
        yield line.encode() + b"\n"
    for n in range(0, len(lines), max(6, len(lines) // 20)):
        yield "".join(f"{line}\n" for line in lines[n : n + 6]).encode()
    yield from _own_lines(source)


def _own_lines(source: str) -> Iterator[bytes]:
    """What the unit tests of the native parsers and of recipes read."""
    from tests.unit.core import authlog_lines, authlog_services

    if source in ("auth_log", "kernel_log", "service_log"):
        for module in (authlog_lines, authlog_services):
            for value in vars(module).values():
                texts = value if isinstance(value, list | tuple) else ()
                for text in texts:
                    first = text[0] if isinstance(text, tuple) else text
                    if isinstance(first, str | bytes):
                        yield (first.encode() if isinstance(first, str) else first) + b"\n"
                        yield (
                            b"Nov  2 10:00:00 web sshd[5]: "
                            + (first.encode() if isinstance(first, str) else first)
                            + b"\n"
                        )
    for path in sorted((ROOT / "tests/replay").rglob(f"*{source}*")):
        if path.is_file() and path.suffix in (".log", ".gz", ".json"):
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            yield from cut_up(data)


def corpus_seeds(directory: Path, source: str) -> Iterator[bytes]:
    """Lines of a third-party corpus, by files that carry the source's name."""
    for path in sorted(directory.rglob("*")):
        if (
            path.is_file()
            and source.split("_", maxsplit=1)[0] in path.name
            and path.stat().st_size < 64 << 20
        ):
            yield from cut_up(path.read_bytes())


def targets() -> Iterator[Target]:
    for source in PARSERS:
        yield Target(
            name=f"log-{source}",
            make=partial(_native, source),
            seeds=partial(_seeds, source),
            native=True,
            words=WORDS,
            max_bytes=8192,
        )
    for source, make in readers_of(recipes()).items():
        yield Target(
            name=f"log-{source}",
            make=partial(_reader, source, make),
            seeds=partial(_seeds, source),
            packages=("innerwarden.logs", "innerwarden.model.pack"),
            words=WORDS,
            max_bytes=8192,
        )
    yield Target(
        name="log-journald",
        make=_journal,
        seeds=_journal_seeds,
        packages=("innerwarden.sensor.collectors.journal_entry",),
        words=WORDS,
        max_bytes=8192,
    )
