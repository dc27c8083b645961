# SPDX-License-Identifier: Apache-2.0
"""A collector of log files that a native parser understands: several files, one parser, no code of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from innerwarden_core import Engine, Hit

from innerwarden.logs.reader import Stats
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import Clocked, Context, P, decode_cursor
from innerwarden.sensor.collectors.tail_set import Cursors, TailSet

#: See auth_log.WARM_BYTES; over all files together.
WARM_BYTES = 4 << 20


class LogFiles(Generic[P]):
    """Whole lines go to the native parser; Python sees only the chunks."""

    def __init__(self, name: str, patterns: Sequence[str], clock: Clocked[P], context: Context) -> None:
        self.id = name
        cursors = decode_cursor(context.cursor, Cursors)
        self.files = TailSet(patterns, cursors, monotonic=context.monotonic)
        self._clock = clock
        self._warm: dict[str, int] = {}

    def warm_up(self, engine: Engine) -> None:
        """Bring windows and cooldowns to where a killed sensor left them (see auth_log)."""
        parser = self._clock.refresh()
        for chunk in self.files.before(WARM_BYTES):
            engine.feed_lines(chunk, parser)
        self._warm = parser.stats()

    def poll(self, engine: Engine) -> list[Hit]:
        hits: list[Hit] = []
        parser = self._clock.refresh()
        for chunk in self.files.chunks():
            found, _consumed = engine.feed_lines(chunk, parser)
            hits += found
        return hits

    def health(self) -> CollectorHealth | None:
        parsed = {name: count - self._warm.get(name, 0) for name, count in self._clock.parser.stats().items()}
        stats = Stats(parsed["lines"], parsed["matched"], parsed["malformed"], parsed["too_long"])
        return files_health(self.id, self.files, stats)

    def cursor(self) -> Cursors | None:
        return self.files.cursor()

    def close(self) -> None:
        self.files.close()


def files_health(name: str, files: TailSet, stats: Stats) -> CollectorHealth | None:
    """What is to be said of a source of files; None where this machine has no place for them."""
    if not files.here:
        return None
    absent = files.absent()
    state = "absent" if absent else "working" if stats.lines else "unconfirmed"
    reasons = [absent or ("" if stats.lines else "no line since the start")]
    if gaps := files.stat("gaps"):
        reasons.append(f"{gaps} rotated file(s) gone before they were read")
    if files.left_out:
        reasons.append(f"{files.left_out} more file(s) are not read")
    return CollectorHealth(
        id=name,
        state=state,
        reason="; ".join(filter(None, reasons)),
        lines=stats.lines,
        matched=stats.matched,
        malformed=stats.malformed,
        lost=stats.lost + files.stat("too_long"),
    )
