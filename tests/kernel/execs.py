# SPDX-License-Identifier: Apache-2.0
"""Every exec as the engine hands it on: read from the kernel's rings, argument chunks joined, decoded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Record, Ring, Rule

from innerwarden.model._wire import Flag, Kind
from tests.kernel.reader import Decoded, decode


@dataclass
class Exec:
    """One exec: the record that a rule's hit carries, decoded by the engine and, as a witness, by the test."""

    record: Record
    witness: Decoded

    @property
    def raw_argv(self) -> bytes:
        """The delivered bytes, terminators included."""
        return self.witness.argv or b""

    @property
    def incomplete(self) -> bool:
        return bool(self.witness.flags & Flag.ARGV_INCOMPLETE)


class ExecCollector:
    """The engine on a started source's rings with one rule: every exec is a hit."""

    def __init__(self, rings: list[tuple[int, int, str]]) -> None:
        self.engine = Engine()
        anything = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
        rule = Rule("exec", [int(Kind.PROCESS_EXEC)], [anything], [(0, -1, -2)])
        self.engine.configure([rule], [], [])
        self.rings = [Ring(fd, size, name) for fd, size, name in rings]

    def __enter__(self) -> ExecCollector:
        self.drain()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ring in self.rings:
            ring.close()

    def step(self, *, bulk: bool = True, timeout_ms: int = 0) -> list[Exec]:
        """What is there now; without `bulk` the ring of the opens is left to fill."""
        hits = self.engine.drain(self.rings if bulk else self.rings[:1], timeout_ms)
        return [Exec(Record(hit.record), decode(hit.record, "prio")) for hit in hits]

    def drain(self, within_s: float = 5.0) -> list[Exec]:
        """All that happened before this call."""
        found = self.step()
        deadline = time.monotonic() + within_s
        while any(ring.pending() for ring in self.rings) and time.monotonic() < deadline:
            found += self.step()
        return found

    def of(self, pid: int) -> list[Exec]:
        return [one for one in self.drain() if one.witness.pid == pid]

    def records(self) -> dict[str, int]:
        """Kind -> records that the engine got."""
        found: dict[str, Any] = self.engine.stats()["records"]
        return dict(found)
