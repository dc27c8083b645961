# SPDX-License-Identifier: Apache-2.0
"""A container runtime: its event stream, and how each container was set up, by children of our own.

The stream is a child that follows; `ps` and `inspect` are children that end. A container is inspected once: when it is
made or started, and at the start of the sensor when it runs already.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from pathlib import Path

import msgspec
from innerwarden_core import Engine, Hit

from innerwarden.clock import realtime_ns
from innerwarden.logs.containers import ContainerReader, Happened, ids
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import Context, decode_cursor
from innerwarden.sensor.collectors.child import Child

#: Containers of one `inspect`; the others wait.
INSPECT_MAX = 32
WAITING_MAX = 1024
#: Inspected containers that are remembered over a restart.
KNOWN_MAX = 1024
#: An `inspect` that says more is none of ours.
INSPECT_BYTES = 8 << 20
SET_UP = frozenset({"create", "start"})


class Cursor(msgspec.Struct, frozen=True):
    """`last_ns`: of the newest event; `known`: ids of containers that were inspected."""

    last_ns: int
    known: tuple[str, ...] = ()


class Runtime(msgspec.Struct, frozen=True):
    """`places`: one of them is there where the runtime is in use."""

    name: str
    source_id: int
    places: tuple[Path, ...]


class RuntimeEvents:
    """`program` and `places` may be others than the runtime's own, for tests."""

    def __init__(self, runtime: Runtime, context: Context, *, program: str | None = None) -> None:
        self.id = runtime.name
        self._runtime = runtime
        self._program = program or runtime.name
        self._environment = {"HOME": os.environ.get("HOME", "/root")}
        self._monotonic = context.monotonic
        self.reader = ContainerReader(runtime.name, runtime.source_id, inspect_at=realtime_ns)
        self.stream = Child(self._program, environment=self._environment, monotonic=context.monotonic)
        self._asked: Child | None = None
        self._asks_for_ids = False
        self._answer = bytearray()
        saved = decode_cursor(context.cursor, Cursor)
        self._known: OrderedDict[str, None] = OrderedDict.fromkeys(saved.known if saved else ())
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self.left_out = 0
        """Containers that were never inspected, because too many waited."""
        self.reader.last_ns = saved.last_ns if saved else 0

    def warm_up(self, engine: Engine) -> None:
        """Nothing: the stream goes on at its last event."""

    def poll(self, engine: Engine) -> list[Hit]:
        if self.stream.is_due():
            self._start()
        records: list[bytes] = []
        for line in self.stream.lines():
            found, events = self.reader.take(line)
            records += found
            self._note(events)
        records += self._inspect()
        return engine.feed(b"".join(records)) if records else []

    def _start(self) -> None:
        if obstacle := self._obstacle():
            self.stream.postpone(obstacle)
            return
        words = ["events", "--format={{json .}}"]
        if self._runtime.name == "podman":
            words.append("--stream=true")
        if self.reader.last_ns:
            seconds, nanoseconds = divmod(self.reader.last_ns, 1_000_000_000)
            words.append(f"--since={seconds}.{nanoseconds:09d}")
        if self.stream.start(words) and self._asked is None:
            self._ask(["ps", "--quiet", "--no-trunc"], for_ids=True)

    def _obstacle(self) -> str:
        if shutil.which(self._program) is None:
            return f"{self._program} is not installed"
        if not any(place.exists() for place in self._runtime.places):
            return f"{self._program} is installed and not in use: there is no {self._runtime.places[0]}"
        return ""

    def _note(self, events: list[Happened]) -> None:
        for event in events:
            if event.action in SET_UP:
                self._want(event.container_ref)
            elif event.action == "destroy":
                self._known.pop(event.container_ref, None)
                self._waiting.pop(event.container_ref, None)

    def _want(self, container: str) -> None:
        if container in self._known:
            return
        if len(self._waiting) >= WAITING_MAX:
            self.left_out += 1
            return
        self._waiting[container] = None

    def _ask(self, words: list[str], *, for_ids: bool) -> None:
        child = Child(
            self._program,
            again=False,
            line_bytes=INSPECT_BYTES,
            environment=self._environment,
            monotonic=self._monotonic,
        )
        if child.start(words):
            self._asked, self._asks_for_ids = child, for_ids

    def _inspect(self) -> list[bytes]:
        """Ask about those that wait, one `inspect` at a time; what it answered."""
        records: list[bytes] = []
        if self._asked is not None:
            for line in self._asked.lines():
                if self._asks_for_ids:
                    for container in ids(line):
                        self._want(container)
                elif len(self._answer) + len(line) <= INSPECT_BYTES:
                    self._answer += line
            if self._asked.over:
                if self._answer:
                    records += self.reader.take(bytes(self._answer))[0]
                self._asked, self._answer = None, bytearray()
        if self._asked is None and self._waiting:
            batch = [
                self._waiting.popitem(last=False)[0] for _ in range(min(INSPECT_MAX, len(self._waiting)))
            ]
            self._known |= OrderedDict.fromkeys(batch)
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
            self._ask(["container", "inspect", *batch], for_ids=False)
        return records

    def health(self) -> CollectorHealth | None:
        """None where the runtime is not installed, or installed and not in use."""
        if not self.stream.runs and self._obstacle():
            return None
        stats = self.reader.stats
        if not self.stream.runs:
            state, reason = "absent", self.stream.absent or "not started yet"
        elif stats.matched:
            state, reason = "working", ""
        else:
            state, reason = "unconfirmed", "following the events; none yet"
        if self.left_out:
            reason = "; ".join(filter(None, [reason, f"{self.left_out} container(s) were not inspected"]))
        return CollectorHealth(
            id=self.id,
            state=state,
            reason=reason,
            lines=stats.lines,
            matched=stats.matched,
            malformed=stats.malformed,
            lost=self.stream.too_long + self.left_out,
        )

    def cursor(self) -> Cursor | None:
        if not self.reader.last_ns and not self._known:
            return None
        return Cursor(self.reader.last_ns, tuple(self._known))

    def close(self) -> None:
        self.stream.close()
        if self._asked is not None:
            self._asked.close()
