# SPDX-License-Identifier: Apache-2.0
"""A recording: a kernel stream in one file, as it came, with what replay needs to judge it as it was judged then.

Layout: MAGIC, then blocks. Block: tag, number from 0, bytes stored, bytes unpacked, CRC-32 of the stored bytes
(little-endian u32 behind the 4-byte tag), then the bytes, packed by zlib. Unpacked, a block holds entries: kind
(u32), bytes (u32), the bytes. The first block holds the header alone. A file that ends anywhere is readable up to
its last whole block; one that was closed ends in an END entry.

Records are append-only (see iw_event.h), so what an older version recorded is widened to today's layout while it is
read; anything else is refused by name.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

from innerwarden.errors import UnavailableError
from innerwarden.sensor.recording_layout import AGAIN, HEADER_BYTES, Digests, grown_since, widened

MAGIC = b"IWREC\r\n\x01"
FORMAT = 1
_BLOCK = struct.Struct("<4sIIII")
_TAG = b"IWBK"
_ENTRY = struct.Struct("<II")
#: Bytes of a block unpacked; a batch of records is split below that.
BLOCK_MAX_BYTES = 32 << 20
BATCH_MAX_BYTES = 16 << 20
#: How much may wait before it is written as a block.
FLUSH_BYTES = 1 << 20


class Entry(IntEnum):
    HEADER = 0
    SEED = 1  # processes that were there before: msgpack of Seeds
    BATCH = 2  # contiguous records that one drain delivered
    LOSSES = 3  # msgpack of Losses
    END = 4  # msgpack of End


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """`boot_to_realtime_ns`: to add to a record's time; `layout`: struct -> (bytes, digest of its members)."""

    format: int
    version: str
    host: str
    kernel: str
    machine: str
    began_ns: int
    boot_to_realtime_ns: int
    layout: Digests


class SeedProcess(msgspec.Struct, frozen=True, array_like=True):
    """Arguments of `Engine.seed_process`, in its order."""

    pid: int
    start_ns: int
    ppid: int
    parent_start_ns: int
    uid: int
    login_uid: int
    comm: bytes
    exe_path: bytes | None
    argv: bytes
    cwd: bytes | None
    cgroup_path: bytes
    argv_len: int
    exe_inode: int = 0
    exe_dev: int = 0


class Losses(msgspec.Struct, frozen=True):
    """Running totals by place at that time (realtime ns)."""

    now_ns: int
    totals: dict[str, int]


class End(msgspec.Struct, frozen=True):
    records: int
    seconds: float


def is_recording(path: Path) -> bool:
    """By its first bytes; False for what cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _entry(kind: Entry, data: bytes) -> bytes:
    return _ENTRY.pack(kind, len(data)) + data


class Writer:
    """Writes blocks to a file of its own, one write each. Raises OSError; what was written stays readable."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._number = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.bytes_written = 0
        self._put(MAGIC)
        self._block(_entry(Entry.HEADER, msgspec.msgpack.encode(header)))

    def add(self, kind: Entry, data: bytes) -> None:
        """`data` of a BATCH: contiguous records, each 8-aligned, header first."""
        for part in _parts(data) if kind is Entry.BATCH else (data,):
            if self._waiting_bytes + len(part) > FLUSH_BYTES:
                self.flush()
            self._waiting.append(_entry(kind, part))
            self._waiting_bytes += len(part) + _ENTRY.size

    def flush(self) -> None:
        """Write what waits as one block."""
        if self._waiting:
            waiting, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
            self._block(waiting)

    def _block(self, data: bytes) -> None:
        stored = zlib.compress(data, 3)
        self._put(_BLOCK.pack(_TAG, self._number, len(stored), len(data), zlib.crc32(stored)) + stored)
        self._number += 1

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._file.flush()
        self.bytes_written += len(data)


def _parts(records: bytes) -> Iterator[bytes]:
    """Batches below BATCH_MAX_BYTES, cut between records."""
    begin = at = 0
    while at + 4 <= len(records):
        (size,) = struct.unpack_from("<I", records, at)
        if size < HEADER_BYTES or at + size > len(records):
            break
        if at + size - begin > BATCH_MAX_BYTES:
            yield records[begin:at]
            begin = at
        at += size
    if records[begin:]:
        yield records[begin:]


class Reader:
    """Reads a recording. After `entries` has ended, `cut` says why it ended early; empty when it did not."""

    def __init__(self, path: Path) -> None:
        """Raises UnavailableError for what is no recording, or one that this version cannot read."""
        self.path = path
        self.cut = ""
        self.bytes_read = 0
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UnavailableError(
                f"cannot read {path}: {error.strerror}", "Give a readable recording"
            ) from error
        self.header = self._header()
        self._grown = grown_since(path, self.header.version, self.header.layout)

    def close(self) -> None:
        self._file.close()

    def _header(self) -> Header:
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it does not begin as one")
            self.bytes_read = len(MAGIC)
            block = self._next(0)
            kind, data = next(_entries(block or b""), (None, b""))
            if kind != Entry.HEADER:
                raise ValueError(self.cut or "it has no header")
            header = msgspec.msgpack.decode(data, type=Header)
        except (ValueError, OSError, msgspec.MsgspecError) as error:
            self._file.close()
            raise UnavailableError(f"{self.path} is no recording: {error}", AGAIN) from error
        if header.format != FORMAT:
            self._file.close()
            raise UnavailableError(
                f"{self.path} has format {header.format}, this version reads {FORMAT}", AGAIN
            )
        return header

    def entries(self) -> Iterator[tuple[Entry, bytes]]:
        """Entries in their order; records have today's layout. Ends at the first thing that is not whole."""
        ended = False
        number = 1
        while (block := self._next(number)) is not None:
            for kind, data in _entries(block):
                ended = kind == Entry.END
                if kind in (Entry.SEED, Entry.LOSSES, Entry.END):
                    yield Entry(kind), data
                elif kind == Entry.BATCH:
                    yield Entry.BATCH, self._widened(data)
            number += 1
        if not ended and not self.cut:
            self.cut = f"it ends after block {number - 1} without having been closed"

    def _next(self, number: int) -> bytes | None:
        """The next block unpacked, None at the end or where nothing whole follows."""
        head = self._file.read(_BLOCK.size)
        if not head:
            return None
        try:
            return self._block(head, number)
        except (ValueError, zlib.error) as error:
            self.cut = f"block {number} {error}; what follows is left out"
            return None

    def _block(self, head: bytes, number: int) -> bytes:
        """Raises ValueError or zlib.error for what is not whole."""
        if len(head) < _BLOCK.size:
            raise ValueError("is cut off")
        tag, found, stored_size, size, checksum = _BLOCK.unpack(head)
        if tag != _TAG or found != number or size > BLOCK_MAX_BYTES or stored_size > BLOCK_MAX_BYTES:
            raise ValueError("does not begin as one")
        stored = self._file.read(stored_size)
        if len(stored) < stored_size:
            raise ValueError("is cut off")
        if zlib.crc32(stored) != checksum:
            raise ValueError("is damaged")
        data = zlib.decompressobj().decompress(stored, size + 1)
        if len(data) != size:
            raise ValueError("has not the size that it says")
        self.bytes_read += _BLOCK.size + stored_size
        return data

    def _widened(self, records: bytes) -> bytes:
        return records if not self._grown else b"".join(widened(records, self._grown))


def _entries(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ENTRY.size <= len(block):
        kind, size = _ENTRY.unpack_from(block, at)
        at += _ENTRY.size
        if at + size > len(block):
            return
        yield kind, block[at : at + size]
        at += size
