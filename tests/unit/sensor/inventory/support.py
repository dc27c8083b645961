# SPDX-License-Identifier: Apache-2.0
"""One look of a collector, through the wire format and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from innerwarden_core import Record

from innerwarden.model._wire import Change
from innerwarden.model.wire import DOTTED
from innerwarden.sensor.inventory.collector import Collector

TS_NS = 1_750_000_000_000_000_000


def decode(record: bytes) -> dict[str, Any]:
    """Fields by name, with `kind` in words."""
    decoded = Record(record)
    return {**decoded.to_dict(), "kind": DOTTED[decoded.kind]}


def steps(collector: Collector) -> Iterator[dict[str, Any] | None]:
    for fact in collector.look():
        yield None if fact is None else decode(fact.record(TS_NS))


def looked(collector: Collector) -> list[dict[str, Any]]:
    """What one complete look reports."""
    return [fact for fact in steps(collector) if fact is not None]


def changes(found: list[dict[str, Any]]) -> dict[str, Change]:
    """Path, else name -> change."""
    return {fact.get("path") or fact["name"]: Change(fact["change"]) for fact in found}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
