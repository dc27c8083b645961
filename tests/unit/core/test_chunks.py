# SPDX-License-Identifier: Apache-2.0
"""A long argv comes in chunks before its exec record; rules and hits see it whole."""

from __future__ import annotations

from innerwarden_core import FIELDS, OPERATORS, Engine, Hit, Predicate, Record, Rule

from innerwarden.model._wire import ARGV_CHUNK, ARGV_MAX, Flag, Kind
from tests.factory import encode


def engine() -> Engine:
    out = Engine()
    test = Predicate(FIELDS["command_line"], OPERATORS["endswith"], [b"needle"])
    out.configure([Rule("found", [Kind.PROCESS_EXEC], [test], [(0, -1, -2)])], [], [])
    return out


def argv_of(size: int) -> bytes:
    """`size` bytes of distinct arguments, the last one `needle`."""
    out = b"prog\0"
    number = 0
    while len(out) < size:
        out += b"%09d\0" % number
        number += 1
    return out[: size - 7] + b"needle\0"


def records(argv: bytes, *, pid: int = 7, old_tid: int | None = None) -> list[bytes]:
    """Chunks, then the exec record, as the kernel program sends them."""
    out = [
        encode(
            "process.exec_argv",
            pid=pid,
            argv_offset=at,
            argv_len=len(argv),
            argv=argv[at : min(at + ARGV_CHUNK, ARGV_MAX)],
        )
        for at in range(ARGV_CHUNK, min(len(argv), ARGV_MAX), ARGV_CHUNK)
    ]
    first = argv[:ARGV_CHUNK]
    return [
        *out,
        encode(
            "process.exec",
            pid=pid,
            exe_path="/bin/prog",
            argv=first,
            argv_len=len(argv),
            old_tid=old_tid or pid,
        ),
    ]


def expect(hit: Hit, argv: bytes) -> None:
    assert Record(hit.record).argv() == [a.decode() for a in argv.split(b"\0")[:-1]]


def test_the_whole_argv_is_matched_and_reported() -> None:
    for size in (ARGV_CHUNK + 100, 3 * ARGV_CHUNK, 5 * ARGV_CHUNK + 1, ARGV_MAX):
        argv = argv_of(size)
        (hit,) = engine().feed(b"".join(records(argv)))
        expect(hit, argv)
        assert Record(hit.record).get("exe_path") == "/bin/prog"
        assert not int(Record(hit.record).get("flags") or 0) & Flag.ARGV_INCOMPLETE


def test_two_execs_at_once_do_not_mix() -> None:
    one, other = argv_of(40_000), argv_of(50_000).replace(b"000", b"abc")
    first, second = records(one, pid=7), records(other, pid=8)
    mixed = [r for pair in zip(first[:-1], second[:-1], strict=False) for r in pair]
    mixed += [r for r in first[:-1] + second[:-1] if r not in mixed] + [first[-1], second[-1]]
    hits = engine().feed(b"".join(mixed))
    expect(hits[0], one)
    expect(hits[1], other)


def test_a_lost_chunk_ends_the_argv_and_sets_the_flag() -> None:
    argv = argv_of(4 * ARGV_CHUNK)
    chunks = records(argv)
    del chunks[1]
    core = Engine()
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    core.configure([Rule("exec", [Kind.PROCESS_EXEC], [always], [(0, -1, -2)])], [], [])
    (hit,) = core.feed(b"".join(chunks))
    record = Record(hit.record)
    assert len(str(record.get("argv")).encode()) == 2 * ARGV_CHUNK
    assert int(record.get("flags") or 0) & Flag.ARGV_INCOMPLETE


def test_chunks_of_an_exec_that_never_came_are_not_given_to_the_next() -> None:
    core = engine()
    core.feed(b"".join(records(argv_of(60_000))[:-1]))
    argv = argv_of(40_000).replace(b"000", b"xyz")
    (hit,) = core.feed(b"".join(records(argv)))
    expect(hit, argv)
    assert core.stats()["argv_chunks"]["orphaned"] == 1
    short = encode("process.exec", pid=9, exe_path="/bin/x", argv=["needle"])
    assert Record(core.feed(short)[0].record).argv() == ["needle"]


def test_chunks_named_by_the_thread_that_called_exec_are_found() -> None:
    argv = argv_of(40_000)
    parts = [
        encode(
            "process.exec_argv",
            pid=7,
            tid=99,
            argv_offset=at,
            argv_len=len(argv),
            argv=argv[at : at + ARGV_CHUNK],
        )
        for at in range(ARGV_CHUNK, len(argv), ARGV_CHUNK)
    ]
    (hit,) = engine().feed(b"".join([*parts, records(argv, old_tid=99)[-1]]))
    expect(hit, argv)


def test_waiting_argv_is_bounded() -> None:
    core = engine()
    for pid in range(2, 200):
        core.feed(records(argv_of(ARGV_CHUNK + 50), pid=pid)[0])
    assert core.stats()["argv_chunks"]["evicted"] == 198 - 32


def test_a_joined_record_can_be_fed_again() -> None:
    argv = argv_of(ARGV_MAX)
    (hit,) = engine().feed(b"".join(records(argv)))
    (again,) = engine().feed(hit.record)
    expect(again, argv)
