# SPDX-License-Identifier: Apache-2.0
"""Makes the captures: `sudo python -m tests.replay.captures.make [NAME ...]`; `--expect` writes expected.json alone.

Each act is recorded as `innerwarden record` does it. Kept is what the act's own processes did; what would tell of the
machine it was made on (the processes that were there before, host, kernel, control groups) is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from innerwarden.config import Config
from innerwarden.model._wire import LAYOUT, RECORD_OF, Kind
from innerwarden.model.finding import Finding
from innerwarden.sensor.recorder import Recorder, create
from innerwarden.sensor.recording import End, Entry, Reader, Writer
from innerwarden.sensor.replay_recording import replay_recording
from tests.replay.captures.acts import ACTS, Act

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
SUFFIX = ".iwr"
#: Members that say where it was recorded.
PRIVATE = ("cgroup_path",)


def path_of(name: str) -> Path:
    return HERE / f"{name}{SUFFIX}"


def summary(finding: Finding) -> dict[str, Any]:
    """What must stay as it is: all that a person reads first."""
    process = finding.fields.process
    return {
        "detector": finding.detector,
        "severity": str(finding.severity),
        "ts": finding.ts,
        "title": finding.fields.title,
        "summary": finding.fields.summary,
        "attack": list(finding.fields.attack),
        "exe": process.exe if process else None,
    }


def findings_of(name: str) -> list[dict[str, Any]]:
    """Through the shipped detectors as they are now."""
    return [summary(finding) for finding in replay_recording(path_of(name), Config(host="capture")).findings]


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.replay.captures.make", description=__doc__)
    parser.add_argument("names", nargs="*", help="of these acts only")
    parser.add_argument("--expect", action="store_true", help="record nothing, write what replay says now")
    args = parser.parse_args()
    if not args.expect:
        for name in args.names or ACTS:
            size = make(name, ACTS[name])
            print(f"{name}: {size} bytes")
    found = {name: findings_of(name) for name in ACTS}
    EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
    for name, rows in found.items():
        print(name, [row["detector"] for row in rows])


def make(name: str, act: Act) -> int:
    with tempfile.TemporaryDirectory() as directory:
        whole = Path(directory) / "whole"
        recorder = Recorder(Config(host="capture"), create(whole))
        try:
            recorder.start()
            stop = threading.Event()
            root: list[int] = []
            thread = threading.Thread(target=lambda: _perform(act, root, stop))
            thread.start()
            recorder.run(stop, 60, 64 << 20)
            thread.join()
        finally:
            recorder.close()
        return reduce(whole, path_of(name), root[0])


def _perform(act: Act, root: list[int], stop: threading.Event) -> None:
    try:
        time.sleep(0.5)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            script = act.script.format(port=listener.getsockname()[1])
            shell = subprocess.Popen(
                ["/bin/bash", "-c", script],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            root.append(shell.pid)
            if act.answer is not None:
                _answer(listener, act.answer)
            shell.wait(timeout=30)
        time.sleep(0.5)
    finally:
        stop.set()


def _answer(listener: socket.socket, answer: bytes) -> None:
    listener.settimeout(20)
    peer, _ = listener.accept()
    with peer:
        peer.settimeout(10)
        peer.sendall(answer)
        while peer.recv(4096):
            pass


def reduce(whole: Path, target: Path, root: int) -> int:
    """Write the act's own records to `target`; the size in bytes."""
    reader = Reader(whole)
    header = msgspec.structs.replace(reader.header, kernel="", machine="")
    family = {root}
    count = 0
    target.unlink(missing_ok=True)
    with create(target) as file:
        writer = Writer(file, header)
        for kind, data in reader.entries():
            if kind is not Entry.BATCH:
                continue
            kept = [record for record in _split(data) if _is_of(record, family)]
            count += len(kept)
            if kept:
                writer.add(Entry.BATCH, b"".join(map(_scrubbed, kept)))
        writer.add(Entry.END, msgspec.msgpack.encode(End(count, 0.0)))
        writer.flush()
    reader.close()
    os.chmod(target, 0o644)  # noqa: PTH101 - it is a file of the repository
    return target.stat().st_size


def _split(records: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(records):
        (size,) = struct.unpack_from("<I", records, at)
        yield records[at : at + size]
        at += size


def _member(record: bytes, name: str) -> tuple[int, str]:
    (kind,) = struct.unpack_from("<H", record, 4)
    return next((offset, shape) for member, offset, shape in LAYOUT[RECORD_OF[Kind(kind)]] if member == name)


def _is_of(record: bytes, family: set[int]) -> bool:
    """Did a process of the act do it? Those born of one belong to it from then on."""
    (kind,) = struct.unpack_from("<H", record, 4)
    (pid,) = struct.unpack_from("<I", record, _member(record, "pid")[0])
    if pid not in family:
        return False
    if kind == Kind.PROCESS_FORK:
        family.update(struct.unpack_from("<I", record, _member(record, "child_pid")[0]))
    return True


def _scrubbed(record: bytes) -> bytes:
    out = bytearray(record)
    (kind,) = struct.unpack_from("<H", record, 4)
    for member, offset, shape in LAYOUT[RECORD_OF[Kind(kind)]]:
        if member in PRIVATE and shape == "str":
            at, length = struct.unpack_from("<II", out, offset)
            out[at : at + length] = bytes(length)
            struct.pack_into("<II", out, offset, 0, 0)
    return bytes(out)


if __name__ == "__main__":
    main()
