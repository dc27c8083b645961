# SPDX-License-Identifier: Apache-2.0
"""Records as the ring gives them: one decoded alone, several through an engine, through a ring, through the shipped
detectors, and a recording of them."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
from innerwarden_core import FIELDS, Engine, Intel, MemoryRing, Record, Ring

from innerwarden.config import Config, ThreatListsConfig
from innerwarden.errors import InnerWardenError
from innerwarden.model._wire import KINDS, LAYOUT, RECORD_MAX, RECORD_OF, SIZES
from innerwarden.modules.factory import encode
from tests.fuzz.framing import framed, pieces_of
from tests.fuzz.target import ROOT, Judge, Target, must

MEMBERS = sorted({field for layout in LAYOUT.values() for field, _, _ in layout} & FIELDS.keys())
MALFORMED = "malformed record"
#: The mode's bits.
AS_IT_IS, NO_STREAM, DISCARD, CORRUPT = 1, 2, 4, 8


def sample(kind: str) -> bytes:
    """A record of the kind with something in every member."""
    fields: dict[str, Any] = {}
    for field, _, shape in LAYOUT[RECORD_OF[KINDS[kind]]]:
        if field in ("size", "kind", "flags", "ts_ns") or field.startswith("reserved"):
            continue
        if shape == "str":
            fields[field] = ["/usr/bin/nc", "-e", "/bin/sh"] if field == "argv" else f"/tmp/{field}"
        elif shape == "comm":
            fields[field] = "nc"
        elif shape == "ip":
            fields[field] = "198.51.100.7"
    return encode(kind, **fields)


def _samples() -> list[bytes]:
    out = []
    for kind in KINDS:
        try:
            out.append(sample(kind))
        except InnerWardenError:
            out.append(encode(kind))
    return out


def _sized(piece: bytes) -> bytes:
    """With a size that is right, so that the rest of it is looked at."""
    data = bytearray(piece[: RECORD_MAX - 8] + bytes(-len(piece) % 8))
    if len(data) >= 4:
        struct.pack_into("<I", data, 0, len(data))
    return bytes(data)


def _records(mode: int, pieces: list[bytes]) -> list[bytes]:
    return pieces if mode & AS_IT_IS else [_sized(piece) for piece in pieces]


def _told(engine: Engine) -> int:
    stats = engine.stats()
    return sum(stats["records"].values()) + sum(stats["malformed"].values())


def _decode() -> Judge:
    def judge(data: bytes) -> None:
        mode, pieces = pieces_of(data)
        for record in _records(mode, pieces[:4]):
            try:
                decoded = Record(record)
            except ValueError as error:
                must(MALFORMED in str(error), f"refused with {error}")
                continue
            tree = decoded.to_dict()
            must(all(isinstance(word, str) for word in decoded.argv()), "argv is not text")
            for field in MEMBERS:
                decoded.get(field)
            msgspec.json.encode(tree)

    return judge


def _small() -> Engine:
    engine = Engine(process_entries=64, process_bytes=1 << 16, window_keys=64)
    engine.use_intel(Intel([("one", b"198.51.100.7\nexample.com\n")]))
    engine.stream(True)
    engine.capture(True)
    return engine


def _engine() -> Judge:
    engine, other = _small(), _small()

    def judge(data: bytes) -> None:
        mode, pieces = pieces_of(data)
        records = _records(mode, pieces)
        before = _told(engine)
        engine.feed(b"".join(records))
        told = _told(engine) - before
        must(bool(told) == bool(b"".join(records)), f"{len(records)} records, {told} counted")
        if not mode & AS_IT_IS:
            whole = [len(record) >= SIZES["iw_header"] for record in records]
            least = (
                whole.index(False) if False in whole else len(whole)
            )  # behind a shorter one nothing is found
            must(told >= least, f"{least} records, only {told} counted")
        for line in engine.take_stream().splitlines():
            msgspec.json.decode(line)
        _again(engine.take_captured(), other)

    return judge


def _again(captured: bytes, engine: Engine) -> None:
    """What an engine kept of its input is taken by another one as it is."""
    before = engine.stats()["malformed"]
    engine.feed(captured)
    engine.take_captured()
    engine.take_stream()
    must(engine.stats()["malformed"] == before, "what was captured is malformed")
    at = 0
    while at < len(captured):
        (size,) = struct.unpack_from("<I", captured, at)
        record = captured[at : at + size]
        engine.derive(record, ("command_line", "exe_name", "dns_domain", "tls_ja4"))
        engine.windows_of(record)
        at += size


def _ring() -> Judge:
    engine = Engine(process_entries=64, process_bytes=1 << 16, window_keys=64)

    def judge(data: bytes) -> None:
        mode, pieces = pieces_of(data)
        before = _told(engine)
        with closing(MemoryRing(1 << 16)) as memory, closing(Ring(memory.fd, 1 << 16)) as ring:
            written = 0
            for record in _records(mode, pieces):
                if len(record) > 60000 or not record:
                    continue
                if mode & DISCARD and record[0] & 1:
                    memory.write_discarded(len(record))
                else:
                    written += memory.write(record)
            if mode & CORRUPT and len(data) >= 9:
                memory.corrupt(int.from_bytes(data[-8:], "little"))
            engine.drain([ring], 0)
            engine.drain([ring], 0)
            if not mode & CORRUPT:
                must(ring.consumed == written, f"{written} written, {ring.consumed} consumed")
                must(_told(engine) - before >= written, f"{written} written, fewer counted")

    return judge


class _Detectors:
    """Every shipped detector over one engine. What they keep of earlier inputs is bounded, and stays."""

    def __init__(self) -> None:
        from innerwarden.sensor.judging import Judge as Judging

        config = Config(threat_lists=ThreatListsConfig(enabled=False))
        self._judge = Judging(config, host_name="h", boot_to_realtime_ns=1_700_000_000 * 10**9)

    def __call__(self, data: bytes) -> None:
        mode, pieces = pieces_of(data)
        engine = self._judge.engine
        before = _told(engine)
        records = b"".join(_records(mode, pieces))
        hits = engine.feed(records)
        must(_told(engine) > before or not records, "records were neither taken nor counted")
        for hit in hits:
            Record(hit.record)
        for finding in self._judge.findings(hits):
            line = msgspec.json.encode(finding)
            must(b"\n" not in line, "a finding of two lines")


def _recording() -> Judge:
    from innerwarden.sensor.recording import Reader

    engine = Engine(process_entries=64, process_bytes=1 << 16, window_keys=64)
    directory = tempfile.TemporaryDirectory()
    path = Path(directory.name) / "one.iwr"

    def judge(data: bytes) -> None:
        path.write_bytes(_closed(data))
        with suppress(InnerWardenError), closing(Reader(path)) as reader:
            for _, entry in reader.entries():
                engine.feed(entry)

    judge.keep = directory  # type: ignore[attr-defined]
    return judge


def _closed(data: bytes) -> bytes:
    """Blocks with a checksum that is right: pieces are magic and blocks as they are unpacked."""
    mode, pieces = pieces_of(data)
    if mode & AS_IT_IS or not pieces:
        return data[1:]
    out = pieces[0]
    for number, piece in enumerate(pieces[1:]):
        packed = zlib.compress(piece, 1)
        out += struct.pack("<4sIIII", b"IWBK", number, len(packed), len(piece), zlib.crc32(packed)) + packed
    return out


def _seeds() -> Iterator[bytes]:
    samples = _samples()
    for record in samples:
        yield framed(0, [record])
    for n in range(0, len(samples), 8):
        yield framed(0, samples[n : n + 8])
    yield framed(AS_IT_IS, samples[:3])
    yield framed(AS_IT_IS, [samples[0][:-8], samples[1]])


def _ring_seeds() -> Iterator[bytes]:
    samples = _samples()
    yield framed(DISCARD, samples[:6])
    yield framed(CORRUPT, samples[:4])
    yield framed(AS_IT_IS, samples[:6])


def _story_seeds() -> Iterator[bytes]:
    """Cases of shipped detectors, of which the whole is a few records."""
    from innerwarden.modules.cases import read_cases, records_of, split
    from tests.fuzz.target import case_files

    for path in case_files():
        for case in read_cases(path)[:1]:
            records = split(records_of(case)) if case.event else []
            if 0 < len(records) <= 24:
                yield framed(0, records)


def _recording_seeds() -> Iterator[bytes]:
    for path in sorted((ROOT / "tests/replay/captures").glob("*.iwr")):
        data = path.read_bytes()
        blocks, at = [data[:8]], 8
        while at + 20 <= len(data) and len(blocks) < 4:
            _, _, stored, _, _ = struct.unpack_from("<4sIIII", data, at)
            blocks.append(zlib.decompress(data[at + 20 : at + 20 + stored])[:6000])
            at += 20 + stored
        yield framed(0, blocks)
        yield b"\1" + data[:8000]


def targets() -> Iterator[Target]:
    words = tuple(struct.pack("<H", int(kind)) for kind in KINDS.values())
    yield Target(name="record", make=_decode, seeds=_seeds, native=True, max_bytes=4096, words=words)
    yield Target(name="engine", make=_engine, seeds=_seeds, native=True, max_bytes=16384, words=words)
    yield Target(name="ring", make=_ring, seeds=_ring_seeds, native=True, max_bytes=16384, words=words)
    yield Target(
        name="detectors", make=_Detectors, seeds=_story_seeds, native=True, max_bytes=16384, words=words
    )
    yield Target(
        name="recording",
        make=_recording,
        seeds=_recording_seeds,
        packages=("innerwarden.sensor.recording", "innerwarden.sensor.recording_layout"),
        max_bytes=32768,
        growth_bytes=192 << 20,
    )
