# SPDX-License-Identifier: Apache-2.0
"""The tailer against real files: every line once, whatever happens to the file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from innerwarden.sensor.collectors import tail as module
from innerwarden.sensor.collectors.tail import LINGER_S, Cursor, Tail


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "auth.log"


def add(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def read(tail: Tail) -> list[bytes]:
    """Lines of one poll, with their newlines."""
    text = b"".join(tail.chunks())
    assert not text or text.endswith(b"\n")
    return [line + b"\n" for line in text.split(b"\n")[:-1]]


def restart(tail: Tail, path: Path, clock: Clock | None = None) -> Tail:
    """What a new process would do: the cursor goes through JSON."""
    cursor = msgspec.json.decode(msgspec.json.encode(tail.cursor()), type=Cursor)
    tail.close()
    return Tail(path, cursor, monotonic=clock or Clock())


def test_first_start_begins_at_the_end(log: Path) -> None:
    add(log, "old 1\nold 2\n")
    tail = Tail(log)
    assert read(tail) == []
    add(log, "new\n")
    assert read(tail) == [b"new\n"]


def test_first_start_in_the_middle_of_a_line_reads_that_line(log: Path) -> None:
    add(log, "old\nhal")
    tail = Tail(log)
    add(log, "f\n")
    assert read(tail) == [b"half\n"]


def test_replay_begins_at_the_start(log: Path) -> None:
    add(log, "a\nb\n")
    assert read(Tail(log, from_start=True)) == [b"a\n", b"b\n"]


def test_a_file_that_appears_later_is_read_from_its_start(log: Path) -> None:
    tail = Tail(log)
    assert read(tail) == [] and "does not exist" in tail.absent and tail.cursor() is None
    add(log, "first\n")
    assert read(tail) == [b"first\n"] and tail.absent == ""


def test_a_partial_line_waits_for_its_newline(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "one\ntw")
    assert read(tail) == [b"one\n"]
    assert read(tail) == []
    add(log, "o\nthree\n")
    assert read(tail) == [b"two\n", b"three\n"]


def test_invalid_bytes_and_nul_pass_unchanged(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, b"\xff\xfe\x00\r\x1b[0m\n")
    assert read(tail) == [b"\xff\xfe\x00\r\x1b[0m\n"]


def test_rename_and_create_drains_the_old_file_first(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n")
    log.rename(log.with_name("auth.log.1"))
    add(log.with_name("auth.log.1"), "2\n")
    add(log, "3\n")
    assert read(tail) == [b"1\n", b"2\n", b"3\n"]
    assert tail.stats.rotations == 1


def test_a_daemon_that_writes_on_to_the_renamed_file_is_heard(log: Path) -> None:
    clock = Clock()
    log.touch()
    tail = Tail(log, monotonic=clock)
    old = log.with_name("auth.log.1")
    log.rename(old)
    log.touch()
    assert read(tail) == []
    add(old, "late\n")
    add(log, "new\n")
    assert read(tail) == [b"late\n", b"new\n"]


def test_a_renamed_file_ends_with_its_unfinished_line(log: Path) -> None:
    clock = Clock()
    log.touch()
    tail = Tail(log, monotonic=clock)
    add(log, "whole\nunfinished")
    log.rename(log.with_name("auth.log.1"))
    log.touch()
    assert read(tail) == [b"whole\n"]
    clock.now += LINGER_S + 1
    assert read(tail) == [b"unfinished\n"]
    add(log, "on\n")
    assert read(tail) == [b"on\n"]


def test_removed_and_created_again(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n")
    log.unlink()
    assert read(tail) == [b"1\n"]
    add(log, "2\n")
    assert read(tail) == [b"2\n"]


def test_truncation_starts_over(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "a long first line\n")
    assert len(read(tail)) == 1
    os.truncate(log, 0)
    add(log, "short\n")
    assert read(tail) == [b"short\n"] and tail.stats.truncations == 1


def test_a_file_emptied_and_renamed_between_two_looks_is_read_from_its_start(log: Path) -> None:
    tail = Tail(log)
    add(log, "one\n" * 50)
    assert len(read(tail)) == 50
    os.truncate(log, 0)
    add(log, "two\n")
    log.rename(log.with_name("auth.log.1"))
    add(log, "three\n")
    assert read(tail) == [b"two\n", b"three\n"]


def test_copytruncate_grown_past_the_old_place_loses_nothing(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n2\n")
    assert read(tail) == [b"1\n", b"2\n"]
    add(log, "3 written before the copy, read by nobody\n")
    shutil.copy(log, log.with_name("auth.log.1"))
    os.truncate(log, 0)
    add(log, "4 " + "x" * 200 + "\n")
    got = read(tail)
    assert [line[:1] for line in got] == [b"3", b"4"] and tail.stats.truncations == 1


@pytest.mark.parametrize("common", [200, 2000])
def test_a_copy_that_is_cut_is_noticed_where_all_lines_end_alike(log: Path, common: int) -> None:
    """Many lines differ in their time only, and the next file has as many of them as the last one had."""
    log.touch()
    tail = Tail(log)
    end = "x" * common
    add(log, f"1 {end}\n2 {end}\n")
    assert len(read(tail)) == 2
    shutil.copy(log, log.with_name("auth.log.1"))
    os.truncate(log, 0)
    add(log, "".join(f"{number} {end}\n" for number in range(3, 9)))
    assert [line[:1] for line in read(tail)] == [b"3", b"4", b"5", b"6", b"7", b"8"]


def test_other_text_under_the_same_inode_and_size_is_noticed(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "aaaa\n")
    assert read(tail) == [b"aaaa\n"]
    os.truncate(log, 0)
    add(log, "bbbb\ncccc\n")
    assert read(tail) == [b"bbbb\n", b"cccc\n"]


def test_a_replaced_link_is_followed(tmp_path: Path, log: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.touch()
    log.symlink_to(first)
    tail = Tail(log)
    add(first, "1\n")
    add(second, "2\n")
    swap = tmp_path / "swap"
    swap.symlink_to(second)
    swap.rename(log)
    assert read(tail) == [b"1\n", b"2\n"]


def test_a_link_to_a_pipe_is_refused_and_does_not_block(tmp_path: Path, log: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    log.symlink_to(tmp_path / "fifo")
    tail = Tail(log)
    assert read(tail) == [] and "not a regular file" in tail.absent


def test_a_100_mib_line_is_skipped_and_counted_once(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "before\nx")
    os.truncate(log, 100 << 20)
    add(log, "\nafter\n")
    lines: list[bytes] = []
    for _ in range(40):
        lines += read(tail)
    assert lines == [b"before\n", b"after\n"] and tail.stats.too_long == 1


def test_a_poll_is_bounded(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_BYTES", 1 << 20)
    log.touch()
    tail = Tail(log)
    add(log, b"0123456789abcde\n" * (3 << 16))
    sizes = [sum(map(len, tail.chunks())) for _ in range(4)]
    assert sizes == [1 << 20, 1 << 20, 1 << 20, 0]


@pytest.mark.parametrize("cut", ["in the middle", "at a line's end"])
def test_restart_goes_on_at_the_byte(log: Path, cut: str) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n2\nha" if cut == "in the middle" else "1\n2\n")
    assert read(tail) == [b"1\n", b"2\n"]
    tail = restart(tail, log)
    add(log, "lf\n" if cut == "in the middle" else "half\n")
    assert read(tail) == [b"half\n"]


def test_restart_inside_a_long_line_goes_on_skipping(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, b"x" * (1 << 20))
    assert read(tail) == []
    tail = restart(tail, log)
    add(log, "rest\nnext\n")
    assert read(tail) == [b"next\n"]


def test_restart_after_a_rotation_reads_the_rest_of_the_old_file(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n")
    assert read(tail) == [b"1\n"]
    add(log, "2\n")
    log.rename(log.with_name("auth.log.1"))
    add(log, "3\n")
    tail = restart(tail, log)
    assert read(tail) == [b"2\n", b"3\n"]


def test_restart_after_two_rotations_reads_the_file_between(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n")
    assert read(tail) == [b"1\n"]
    add(log, "2\n")
    log.rename(log.with_name("auth.log.2"))
    add(log.with_name("auth.log.1"), "3\n")
    os.utime(log.with_name("auth.log.2"), ns=(1, 1))
    add(log, "4\n")
    tail = restart(tail, log)
    assert read(tail) == [b"2\n", b"3\n", b"4\n"]


def test_restart_while_the_old_file_lingers_repeats_nothing(log: Path) -> None:
    clock = Clock()
    log.touch()
    tail = Tail(log, monotonic=clock)
    old = log.with_name("auth.log.1")
    add(log, "1\n")
    log.rename(old)
    add(log, "2\n")
    assert read(tail) == [b"1\n", b"2\n"]
    tail = restart(tail, log, clock)
    add(old, "late\n")
    add(log, "3\n")
    assert read(tail) == [b"late\n", b"3\n"]


def test_a_cursor_whose_file_is_gone_counts_a_gap(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    add(log, "1\n")
    read(tail)
    log.unlink()
    add(log, "2\n")
    tail = restart(tail, log)
    assert read(tail) == [b"2\n"] and tail.stats.gaps == 1


def test_a_cursor_of_another_path_is_not_used(tmp_path: Path, log: Path) -> None:
    other = tmp_path / "other.log"
    add(other, "1\n2\n")
    tail = Tail(other, from_start=True)
    read(tail)
    add(log, "x\n")
    tail = restart(tail, log)
    assert read(tail) == []


def test_closing_releases_every_descriptor(log: Path) -> None:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    log.touch()
    tail = Tail(log)
    for number in range(8):
        add(log, f"{number}\n")
        log.rename(log.with_name(f"auth.log.{number}"))
        log.touch()
        read(tail)
    tail.close()
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before
