# SPDX-License-Identifier: Apache-2.0
"""Frames between the sensor and a worker: u32 length in little endian, then one message in MessagePack."""

from __future__ import annotations

import msgspec

from innerwarden.model.details import Header
from innerwarden.model.detector import DetectorSpec, Finding
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Process
from innerwarden.model.severity import Severity

HEAD_BYTES = 4
#: A worker that announces more is ended. What goes to it may be longer: an event holds a whole command line.
ANSWER_MAX_BYTES = 1 << 20
EVENT_MAX_BYTES = 4 << 20


class File(msgspec.Struct, frozen=True, array_like=True):
    """One detector file; the worker never opens it itself."""

    path: str
    stem: str
    text: str


class Load(msgspec.Struct, frozen=True, array_like=True, tag="load"):
    """Run the files; answered by Ready."""

    module: str
    files: tuple[File, ...]


class Make(msgspec.Struct, frozen=True, array_like=True, tag="make"):
    """New detectors with these parameters, without any state."""

    parameters: dict[str, dict[str, int]]


class Sent(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """An event for one detector; `details` is one of innerwarden.model.details by `kind`."""

    number: int
    detector: str
    ts_ns: int
    host: str
    source: str
    kind: str
    severity: Severity
    details: Header
    entities: tuple[EntityRef, ...]
    process: Process | None


class Received(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """`Sent` as the worker reads it: what the details are, `kind` says."""

    number: int
    detector: str
    ts_ns: int
    host: str
    source: str
    kind: str
    severity: Severity
    details: msgspec.Raw
    entities: tuple[EntityRef, ...]
    process: Process | None


class Described(msgspec.Struct, frozen=True, array_like=True):
    """What one file holds, or the `problem` with it as `file:line: text`."""

    stem: str
    spec: DetectorSpec | None = None
    prefilter: str | None = None
    problem: str = ""


class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """`confinement`: what was taken from the worker, in words (see libbpf.confine)."""

    confinement: dict[str, str]
    detectors: tuple[Described, ...]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    number: int
    finding: Finding | None = None
    error: str = ""


class Answers(msgspec.Struct, frozen=True, array_like=True, tag="answers"):
    rows: tuple[Answer, ...]


ToWorker = Load | Make | Received
FromWorker = Ready | Answers


def frame(message: msgspec.Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEAD_BYTES, "little") + body
