# SPDX-License-Identifier: Apache-2.0
"""A collector of log files that a reader in Python understands: for sources whose rate allows it."""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden_core import Engine, Hit

from innerwarden.logs.reader import Reader, Stats
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import Context, decode_cursor
from innerwarden.sensor.collectors.log_files import WARM_BYTES, files_health
from innerwarden.sensor.collectors.tail_set import Cursors, TailSet


class ReaderFiles:
    """Whole lines go to the reader, its records to the engine."""

    def __init__(self, name: str, patterns: Sequence[str], reader: Reader, context: Context) -> None:
        self.id = name
        self.reader = reader
        cursors = decode_cursor(context.cursor, Cursors)
        self.files = TailSet(patterns, cursors, monotonic=context.monotonic)

    def warm_up(self, engine: Engine) -> None:
        """See auth_log. What the last lines began is not finished: its other lines are still to come."""
        for chunk in self.files.before(WARM_BYTES):
            engine.feed(b"".join(self.reader.read(chunk)))
        self.reader.stats = Stats()

    def poll(self, engine: Engine) -> list[Hit]:
        hits: list[Hit] = []
        for chunk in self.files.chunks():
            hits += _feed(engine, self.reader.read(chunk))
        return hits + _feed(engine, self.reader.idle())

    def health(self) -> CollectorHealth | None:
        return files_health(self.id, self.files, self.reader.stats)

    def cursor(self) -> Cursors | None:
        return self.files.cursor()

    def close(self) -> None:
        self.files.close()


def _feed(engine: Engine, records: list[bytes]) -> list[Hit]:
    return engine.feed(b"".join(records)) if records else []
