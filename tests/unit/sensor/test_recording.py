# SPDX-License-Identifier: Apache-2.0
"""Recordings: whole up to the last whole block, whatever ends them; older layouts widened or refused by name."""

from __future__ import annotations

import ast
import io
import os
import random
import stat
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import Record

from innerwarden import __version__
from innerwarden.config import Config
from innerwarden.errors import UnavailableError, UsageError
from innerwarden.model._wire import LAYOUT, SIZES
from innerwarden.model.wire import UNSET
from innerwarden.sensor import recording, replay
from innerwarden.sensor.recorder import create
from innerwarden.sensor.recording import FORMAT, End, Entry, Header, Losses, Reader, SeedProcess, Writer
from innerwarden.sensor.recording_layout import digest, grown_since, layout, widened
from innerwarden.sensor.replay_recording import replay_recording
from tests.factory import BOOT_BASE_NS, REAL_BASE_NS, encode

CONFIG = Config(host="elsewhere")


def header(**changes: object) -> Header:
    whole = Header(
        format=FORMAT,
        version=__version__,
        host="web",
        kernel="6.1",
        machine="x86_64",
        began_ns=REAL_BASE_NS,
        boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS,
        layout=layout(),
    )
    return msgspec.structs.replace(whole, **changes)


SEED = SeedProcess(1, 10, 0, 0, 0, 0, b"systemd", b"/lib/systemd/systemd", b"init\0", b"/", b"", 5)


def doubtful(number: int) -> bytes:
    """An exec that suspicious_exec_origin tells of, each its own process."""
    return encode(
        "process.exec",
        pid=500 + number,
        ppid=1,
        parent_start_ns=10,
        exe_path=f"/tmp/x{number}",
        argv=[f"/tmp/x{number}"],
    )


def recorded(path: Path, *batches: bytes, end: bool = True, head: Header | None = None) -> Path:
    with path.open("wb") as file:
        writer = Writer(file, head or header())
        writer.add(Entry.SEED, msgspec.msgpack.encode([SEED]))
        for batch in batches:
            writer.add(Entry.BATCH, batch)
            writer.flush()
        if end:
            writer.add(Entry.END, msgspec.msgpack.encode(End(len(batches), 1.0)))
            writer.flush()
    return path


def records(path: Path) -> tuple[list[bytes], str]:
    reader = Reader(path)
    found = [data for kind, data in reader.entries() if kind is Entry.BATCH]
    reader.close()
    return found, reader.cut


def test_what_was_recorded_is_judged_by_its_own_clock_and_host(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", doubtful(1), doubtful(2))
    first, second = replay_recording(path, CONFIG), replay_recording(path, CONFIG)
    assert [f.detector for f in first.findings] == ["suspicious_exec_origin"] * 2
    assert msgspec.json.encode(first.findings) == msgspec.json.encode(second.findings)
    one = first.findings[0]
    assert one.fields.host == "web" and one.ts.startswith("20")
    assert [p.pid for p in one.fields.process.ancestors] == [1], "the process table that there was before"
    assert (first.records, first.malformed, first.cut) == (2, 0, "")


def test_a_seed_holds_all_that_the_process_table_takes() -> None:
    """What the engine learns from /proc and a recording leaves out would be told live and not in replay."""
    tree = ast.parse(Path("core/innerwarden_core/__init__.pyi").read_text())
    (takes,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "seed_process")
    assert [argument.arg for argument in takes.args.args[1:]] == list(SeedProcess.__struct_fields__)


def test_replay_knows_a_recording_by_its_content(tmp_path: Path) -> None:
    path = recorded(tmp_path / "auth.log", doubtful(1))
    seen: list[tuple[int, int]] = []
    result = replay.run([path], "auth_log", CONFIG, lambda done, total: seen.append((done, total)))
    assert len(result.findings) == 1 and result.cut == ""
    assert seen[-1] == (path.stat().st_size,) * 2
    with pytest.raises(UsageError, match="by itself"):
        replay.run([path, path], "auth_log", CONFIG)


def test_a_file_cut_anywhere_gives_what_came_before(tmp_path: Path) -> None:
    """A kill, a full disk or a copy that broke off may end it at any byte."""
    whole = recorded(tmp_path / "whole", doubtful(1), doubtful(2), doubtful(3)).read_bytes()
    first = len(recorded(tmp_path / "empty", end=False).read_bytes())
    counts = []
    for size in range(first, len(whole)):
        path = tmp_path / "cut"
        path.write_bytes(whole[:size])
        found, cut = records(path)
        assert cut and found == [doubtful(1), doubtful(2), doubtful(3)][: len(found)]
        counts.append(len(found))
    assert counts == sorted(counts) and set(counts) == {0, 1, 2, 3}
    assert records(tmp_path / "whole") == ([doubtful(1), doubtful(2), doubtful(3)], "")


def test_damage_is_found_and_ends_the_reading(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "whole", doubtful(1), doubtful(2)).read_bytes()
    first = len(recorded(tmp_path / "empty", end=False).read_bytes())
    draw = random.Random(5)
    for _ in range(300):
        at = draw.randrange(first, len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << draw.randrange(8)
        path = tmp_path / "damaged"
        path.write_bytes(damaged)
        found, cut = records(path)
        assert cut and found == [doubtful(1), doubtful(2)][: len(found)]


def test_noise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    draw = random.Random(7)
    for size in (0, 1, 8, 40, 4000):
        for head in (b"", recording.MAGIC):
            path.write_bytes(head + draw.randbytes(size))
            with pytest.raises(UnavailableError, match="is no recording"):
                Reader(path)
    with pytest.raises(UnavailableError, match="No such file"):
        Reader(tmp_path / "absent")


def test_a_block_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = recorded(tmp_path / "bomb", end=False)
    stored = zlib.compress(bytes(40 << 20))
    with path.open("ab") as file:
        file.write(struct.pack("<4sIIII", b"IWBK", 1, len(stored), 4096, zlib.crc32(stored)) + stored)
    found, cut = records(path)
    assert found == [] and "block 1 has not the size" in cut


def test_an_entry_that_makes_no_sense_ends_the_reading(tmp_path: Path) -> None:
    for kind in (Entry.SEED, Entry.LOSSES):
        path = tmp_path / kind.name
        with path.open("wb") as file:
            writer = Writer(file, header())
            writer.add(Entry.BATCH, doubtful(1))
            writer.add(kind, b"\xc1")
            writer.add(Entry.BATCH, doubtful(2))
            writer.flush()
        result = replay_recording(path, CONFIG)
        assert len(result.findings) == 1 and kind.name in result.cut


def test_losses_are_told_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with path.open("wb") as file:
        writer = Writer(file, header())
        told = Losses(REAL_BASE_NS, {"kernel.file.open": 7})
        writer.add(Entry.LOSSES, msgspec.msgpack.encode(told))
        writer.add(Entry.BATCH, doubtful(1))
        writer.flush()
    (finding,) = replay_recording(path, CONFIG).findings
    assert "7 records were lost at kernel.file.open" in str(finding.fields)


def test_large_batches_are_cut_between_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BATCH_MAX_BYTES", 1000)
    monkeypatch.setattr(recording, "FLUSH_BYTES", 3000)
    every = [doubtful(number) for number in range(40)]
    found, cut = records(recorded(tmp_path / "r", b"".join(every)))
    assert cut == "" and b"".join(found) == b"".join(every)
    assert len(found) > 10 and max(map(len, found)) <= 1000


def narrowed(record: bytes, name: str, size: int) -> bytes:
    """The record as a version had it whose struct ended at `size`."""
    less = SIZES[name] - size
    out = bytearray(record[:size] + record[SIZES[name] :])
    for _, offset, shape in LAYOUT[name]:
        if shape == "str" and offset < size:
            at, length = struct.unpack_from("<II", out, offset)
            if length:
                struct.pack_into("<I", out, offset, at - less)
    struct.pack_into("<I", out, 0, len(out))
    return bytes(out)


def test_records_of_an_older_version_are_widened(tmp_path: Path) -> None:
    record = encode("auth.failed", src_ip="192.0.2.7", user="kim", message="text", program="sshd")
    older = SIZES["iw_log"] - 8
    head = header(layout=layout() | {"iw_log": (older, digest("iw_log", older))})
    found, cut = records(recorded(tmp_path / "old", narrowed(record, "iw_log", older) * 2, head=head))
    assert cut == "" and found == [record * 2]
    view = Record(found[0][: len(record)])
    assert (view.get("user"), view.get("message"), view.get("service")) == ("kim", "text", None)


def test_members_that_were_added_are_absent_not_zero(tmp_path: Path) -> None:
    """`login_uid` 0 is root; a record that did not have it must not say so."""
    record = encode("process.exec", pid=5, exe_path="/bin/true", argv=["true"])
    for member, offset, _ in LAYOUT["iw_process_exec"]:
        if member == "login_uid":
            size = offset // 8 * 8
    grown = grown_since(tmp_path, "0", {"iw_process_exec": (size, digest("iw_process_exec", size))})
    old = record[:size] + record[SIZES["iw_process_exec"] :]
    (wide, rest) = widened(struct.pack("<I", len(old)) + old[4:], grown)
    assert rest == b"" and Record(wide).get("login_uid") == UNSET["login_uid"]


def test_records_that_are_not_the_beginning_of_todays_are_refused(tmp_path: Path) -> None:
    for changed in ((SIZES["iw_log"], "0" * 12), (SIZES["iw_log"] + 8, digest("iw_log", SIZES["iw_log"]))):
        head = header(version="9.9", layout=layout() | {"iw_log": changed})
        path = recorded(tmp_path / f"r{changed[0]}", head=head)
        with pytest.raises(UnavailableError, match=r"version 9\.9.*iw_log") as refused:
            Reader(path)
        assert "innerwarden record" in str(refused.value)
    path = recorded(tmp_path / "format", head=header(format=FORMAT + 1))
    with pytest.raises(UnavailableError, match="format 2"):
        Reader(path)


def test_the_file_is_new_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "r"
    os.umask(os.umask(0o022))
    create(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UnavailableError, match="there already"):
        create(path)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError):
        create(link)
    with pytest.raises(UnavailableError, match="No such file"):
        create(tmp_path / "no" / "r")


class Full(io.RawIOBase):
    """Takes a few bytes at a time, then none."""

    def __init__(self, room: int) -> None:
        self.room, self.data = room, bytearray()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = min(len(data), self.room, 7)
        self.room -= taken
        self.data += bytes(data[:taken])
        return taken


def test_short_writes_and_a_full_disk(tmp_path: Path) -> None:
    file = Full(1 << 20)
    writer = Writer(file, header())  # type: ignore[arg-type]
    writer.add(Entry.BATCH, doubtful(1))
    writer.flush()
    (tmp_path / "r").write_bytes(file.data)
    assert records(tmp_path / "r")[0] == [doubtful(1)] and writer.bytes_written == len(file.data)
    file.room = 20
    writer.add(Entry.BATCH, doubtful(2))
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    (tmp_path / "r").write_bytes(file.data)
    assert records(tmp_path / "r")[0] == [doubtful(1)] and writer.bytes_written == len(file.data) - 20
