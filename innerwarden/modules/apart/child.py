# SPDX-License-Identifier: Apache-2.0
"""The worker: gives up every right, then runs one module's Python detectors on the events that it is sent.

`python -m innerwarden.modules.apart.child DESCRIPTOR`. What it needs itself is imported
before the rights go.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from datetime import UTC, datetime

import msgspec

from innerwarden import sdk
from innerwarden.errors import RuleError
from innerwarden.libbpf import confine
from innerwarden.model.details import DETAILS
from innerwarden.modules.apart.protocol import (
    ANSWER_MAX_BYTES,
    HEAD_BYTES,
    Answer,
    Answers,
    Described,
    Load,
    Make,
    Ready,
    Received,
    ToWorker,
    frame,
)
from innerwarden.modules.python import PythonModule, load_text

READ_BYTES = 1 << 18
ERROR_CHARACTERS = 300
#: A finding larger than this is an error of its detector.
FINDING_MAX_BYTES = 1 << 16
#: Answers that wait before they are sent even though more events are there.
BATCH_BYTES = ANSWER_MAX_BYTES // 4
BATCH_S = 0.1


class Worker:
    def __init__(self, connection: socket.socket, confinement: dict[str, str]) -> None:
        self._connection = connection
        self._confinement = confinement
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._details = {kind: msgspec.msgpack.Decoder(shape) for kind, shape in DETAILS.items()}
        self._modules: dict[str, PythonModule] = {}
        self._detectors: dict[str, sdk.Detector] = {}
        self._broken: dict[str, str] = {}

    def run(self) -> None:
        """Until the other side closes."""
        waiting = bytearray()
        while data := self._connection.recv(READ_BYTES):
            waiting += data
            at, rows, size, began_s = 0, [], 0, time.monotonic()
            while len(waiting) - at >= HEAD_BYTES:
                length = int.from_bytes(waiting[at : at + HEAD_BYTES], "little")
                if len(waiting) - at - HEAD_BYTES < length:
                    break
                body = memoryview(waiting)[at + HEAD_BYTES : at + HEAD_BYTES + length]
                message = self._decoder.decode(body)
                answer = self._take(message)
                del message
                body.release()
                at += HEAD_BYTES + length
                if answer is not None:
                    rows.append(answer)
                    size += 64 if answer.finding is None else FINDING_MAX_BYTES
                if size >= BATCH_BYTES or time.monotonic() - began_s > BATCH_S:
                    self._connection.sendall(frame(Answers(tuple(rows))))
                    rows, size, began_s = [], 0, time.monotonic()
            del waiting[:at]
            if rows:
                self._connection.sendall(frame(Answers(tuple(rows))))

    def _take(self, message: ToWorker) -> Answer | None:
        if isinstance(message, Load):
            self._load(message)
        elif isinstance(message, Make):
            self._make(message)
        else:
            return self._judge(message)
        return None

    def _load(self, message: Load) -> None:
        described = []
        for file in message.files:
            try:
                found = load_text(file.path, file.stem, file.text, message.module)
            except RuleError as error:
                described.append(Described(file.stem, problem=str(error)))
                continue
            self._modules[file.stem] = found
            described.append(Described(file.stem, found.spec, found.prefilter))
        self._connection.sendall(frame(Ready(self._confinement, tuple(described))))

    def _make(self, message: Make) -> None:
        self._detectors, self._broken = {}, {}
        for name, parameters in message.parameters.items():
            try:
                self._detectors[name] = self._modules[name].detector(parameters)
            except Exception as error:
                self._broken[name] = f"cannot be made: {type(error).__name__}: {error}"[:ERROR_CHARACTERS]

    def _judge(self, sent: Received) -> Answer:
        if sent.detector in self._broken:
            return Answer(sent.number, error=self._broken[sent.detector])
        try:
            finding = self._detectors[sent.detector].process(self._event(sent))
            if finding is None:
                return Answer(sent.number)
            if not isinstance(finding, sdk.Finding):
                return Answer(sent.number, error=f"returned {type(finding).__name__}, not a Finding or None")
            if len(msgspec.msgpack.encode(finding)) > FINDING_MAX_BYTES:
                return Answer(sent.number, error="returned a finding of more than 64 KiB")
            return Answer(sent.number, finding)
        except Exception as error:
            return Answer(sent.number, error=f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS])

    def _event(self, sent: Received) -> sdk.Event:
        ns = sent.ts_ns
        return sdk.Event(
            ts=datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns // 1000 % 1_000_000),
            ts_ns=ns,
            host=sent.host,
            source=sent.source,
            kind=sent.kind,
            severity=sent.severity,
            summary=sent.kind,
            details=self._details[sent.kind].decode(sent.details),
            entities=sent.entities,
            process=sent.process,
        )


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    directories = dict.fromkeys(place for place in sys.path if place)
    confinement = confine.confine([*directories, sys.base_prefix + "/lib", "/lib", "/lib64", "/usr/lib"])
    Worker(connection, confinement).run()
    os._exit(0)


if __name__ == "__main__":
    main()
