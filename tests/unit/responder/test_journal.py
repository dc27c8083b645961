# SPDX-License-Identifier: Apache-2.0
"""The journal against torn and damaged files, a full disk, and its own growth."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.model.verb import BlockAddress
from innerwarden.responder import journal as module
from innerwarden.responder.journal import Entry, Journal, JournalError
from innerwarden.responder.main import JOURNAL, has_live
from innerwarden.responder.moments import Begin
from tests.unit.responder.support import Time


def entry(time: Time, number: int = 1, **more: object) -> Entry:
    now = Begin.now(time.clock())
    base = Entry(
        number=number,
        request_id=f"r{number}",
        verb=BlockAddress(address="203.0.113.9"),
        ttl_s=600,
        uid=0,
        asked=now,
        since=now,
        state="active",
    )
    return msgspec.structs.replace(base, **more)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "responder" / "journal.jsonl"


def reopened(path: Path, time: Time, journal: Journal) -> Journal:
    journal.close()
    return Journal(path, time.clock())


def test_the_last_line_of_a_request_counts(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    first = entry(time, state="doing")
    journal.write(first)
    journal.write(msgspec.structs.replace(first, state="active", handle="h"))
    journal.write(entry(time, 2))
    journal = reopened(path, time, journal)
    assert [(one.request_id, one.state, one.handle) for one in journal.live()] == [
        ("r1", "active", "h"),
        ("r2", "active", ""),
    ]
    assert journal.next_number() == 3


def test_only_its_owner_may_read_it(path: Path, time: Time) -> None:
    Journal(path, time.clock()).write(entry(time))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_last_line_never_happened(path: Path, time: Time, cut: int) -> None:
    journal = Journal(path, time.clock())
    journal.write(entry(time))
    whole = path.read_bytes()
    journal.write(entry(time, state="undone"))
    path.write_bytes(path.read_bytes()[:-cut])
    journal = reopened(path, time, journal)
    assert [one.state for one in journal.live()] == ["active"]
    assert (path.read_bytes(), journal.damaged_lines) == (whole, 0)
    journal.write(entry(time, 2))
    assert len(reopened(path, time, journal).live()) == 2


def test_a_damaged_line_loses_only_itself_and_a_copy_is_kept(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    for number in (1, 2, 3):
        journal.write(entry(time, number))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * 40 + b"\n"
    path.write_bytes(b"".join(lines))
    journal = reopened(path, time, journal)
    assert ([one.number for one in journal.live()], journal.damaged_lines) == ([1, 3], 1)
    (copy,) = path.parent.glob("journal.jsonl.damaged-*")
    assert copy.read_bytes() == b"".join(lines)
    assert reopened(path, time, journal).damaged_lines == 0


@contextmanager
def room(limit_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond it: write gives EFBIG, after what still fitted."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_it_refuses_and_holds_what_it_held(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    journal.write(entry(time))
    whole = path.read_bytes()
    with room(len(whole) + 50), pytest.raises(JournalError, match="cannot be written"):
        journal.write(entry(time, 2))
    assert (path.read_bytes(), [one.number for one in journal.live()]) == (whole, [1])
    assert journal.problem
    journal.write(entry(time, 3))
    assert journal.problem == ""
    assert [one.number for one in reopened(path, time, journal).live()] == [1, 3]


def test_what_could_not_be_cut_at_once_is_cut_before_the_next_line(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    journal = Journal(path, time.clock())
    journal.write(entry(time))
    whole = path.read_bytes()
    monkeypatch.setattr(os, "ftruncate", fail)
    with room(len(whole) + 50), pytest.raises(JournalError, match="cannot be written"):
        journal.write(entry(time, 2))
    with pytest.raises(JournalError, match="Input/output error"):
        journal.write(entry(time, 3))
    assert len(path.read_bytes()) == len(whole) + 50
    monkeypatch.undo()
    journal.write(entry(time, 4))
    journal = reopened(path, time, journal)
    assert ([one.number for one in journal.live()], journal.damaged_lines) == ([1, 4], 0)


def test_it_opens_on_a_full_disk(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    for state in ("doing", "active", "undoing", "active"):
        journal.write(entry(time, state=state))
    with room(100):
        assert [one.state for one in reopened(path, time, journal).live()] == ["active"]


def test_it_stays_small_and_forgets_what_is_over(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLACK_LINES", 20)
    journal = Journal(path, time.clock())
    journal.write(entry(time, 1))
    for number in range(2, 100):
        journal.write(entry(time, number, state="undone", ended=Begin.now(time.clock())))
        time.pass_s(14400)
    assert len(path.read_bytes().splitlines()) <= 1 + 42 + 21
    assert journal.get("r1") is not None
    assert (journal.get("r2"), journal.get("r99") is not None) == (None, True)
    assert reopened(path, time, journal).get("r1") == entry_of(path, "r1")


def entry_of(path: Path, request_id: str) -> Entry:
    lines = [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]
    return [line for line in lines if line.request_id == request_id][-1]


def test_one_process_holds_it(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    with pytest.raises(JournalError, match="another responder"):
        Journal(path, time.clock())
    reopened(path, time, journal).close()


def test_what_an_interrupted_replacement_left_is_no_obstacle(path: Path, time: Time) -> None:
    journal = Journal(path, time.clock())
    journal.write(entry(time))
    journal.write(entry(time))
    left = path.with_name(f".{path.name}.1234")
    left.write_bytes(b"half")
    assert len(reopened(path, time, journal).live()) == 1
    assert not left.exists()


def test_a_journal_without_anything_live_needs_no_responder(tmp_path: Path, time: Time) -> None:
    assert not has_live(tmp_path)
    assert not (tmp_path / "responder").exists(), "asking makes nothing"
    place = paths.responder(tmp_path)
    place.mkdir(mode=0o700)
    journal = Journal(place / JOURNAL, time.clock())
    journal.write(entry(time, state="undone", ended=Begin.now(time.clock())))
    journal.close()
    assert not has_live(tmp_path)
    journal = Journal(place / JOURNAL, time.clock())
    journal.write(entry(time, 2))
    journal.close()
    assert has_live(tmp_path)
