# SPDX-License-Identifier: Apache-2.0
"""CloudTrail files that something else puts into a directory (aws s3 sync, a mounted bucket). No network of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from innerwarden_core import Engine, Hit

from innerwarden.logs.cloudtrail import CloudTrailReader, entries
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import SOURCE_CLOUDTRAIL, Context, decode_cursor
from innerwarden.sensor.collectors.dropped_files import Cursor, DroppedFiles

ID = "cloudtrail"
#: Unpacked; a file as AWS delivers it has a few.
FILE_BYTES = 32 << 20
#: Time of one poll, so that a backlog does not hold up the kernel rings.
POLL_S = 0.005
ENTRIES_A_STEP = 16


class CloudTrail:
    """One file at a time, in short steps."""

    id = ID

    def __init__(self, context: Context) -> None:
        self.reader = CloudTrailReader(SOURCE_CLOUDTRAIL)
        self.files = DroppedFiles(
            context.config.cloudtrail.directories,
            decode_cursor(context.cursor, Cursor),
            file_bytes=FILE_BYTES,
            monotonic=context.monotonic,
        )
        self._work = self._records()

    def warm_up(self, engine: Engine) -> None:
        """Nothing: files that were read are not read again."""

    def poll(self, engine: Engine) -> list[Hit]:
        hits: list[Hit] = []
        if self.files.idle and not self._busy:
            return hits
        until = time.perf_counter() + POLL_S
        for records in self._work:
            if records:
                hits += engine.feed(b"".join(records))
            if time.perf_counter() >= until or (self.files.idle and not self._busy):
                break
        return hits

    _busy = False

    def _records(self) -> Iterator[list[bytes]]:
        for step in self.files.steps():
            if step is None:
                yield []
                continue
            path, data = step
            try:
                waiting = entries(data)
            except ValueError as error:
                self.reader.stats.malformed += 1
                self.files.refuse(
                    path, f"it is no CloudTrail file ({error}); remove it or put a whole one there"
                )
                continue
            self._busy = True
            for start in range(0, len(waiting), ENTRIES_A_STEP):
                found = (self.reader.entry(raw) for raw in waiting[start : start + ENTRIES_A_STEP])
                yield [record for record in found if record is not None]
            self._busy = False

    def health(self) -> CollectorHealth | None:
        if not self.files.here:
            return None
        stats, files = self.reader.stats, self.files
        reasons = []
        if not files.read_count:
            reasons.append("no new file since the start")
        if files.refused:
            path, why = next(reversed(files.refused.items()))
            reasons.append(f"{files.refused_count} file(s) refused, the last {path}: {why}")
        if files.left_out:
            reasons.append("the directory has more entries than are looked at; remove old files")
        return CollectorHealth(
            id=self.id,
            state="working" if stats.matched else "unconfirmed",
            reason="; ".join(reasons),
            lines=stats.lines,
            matched=stats.matched,
            malformed=stats.malformed,
            lost=files.refused_count,
        )

    def cursor(self) -> Cursor | None:
        return self.files.cursor()

    def close(self) -> None:
        self._work = iter(())


def create(context: Context) -> CloudTrail | None:
    return CloudTrail(context) if context.config.cloudtrail.enabled else None
