# SPDX-License-Identifier: Apache-2.0
"""findings.jsonl into state.db, exactly once: rows, correlation and cursor share one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from innerwarden.agent.lines import Refused, TelemetryLine, parse
from innerwarden.agent.state.tx import Cursor, NewIncident, Stored, Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.tail import Notes, Piece, Tail
from innerwarden.errors import StateError

logger = logging.getLogger(__name__)

BATCH_ROWS = 100
BATCH_S = 0.05
CURSOR_NAME = "findings"

#: Sees every newly stored incident inside the transaction, what it makes of them itself too, and returns how many
#: incidents it made.
Observer = Callable[[Tx, Stored], int]


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction stored."""

    incidents: int = 0
    correlations: int = 0
    telemetry: int = 0
    duplicates: int = 0
    bad_lines: int = 0


class ReadCursor(msgspec.Struct, frozen=True):
    """Operation: the stored place, or None before the first line."""

    durable: bool = False

    def apply(self, tx: Tx) -> Cursor | None:
        return tx.cursor(CURSOR_NAME)


class IngestBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: what up to BATCH_ROWS lines said, and the cursor behind them."""

    incidents: tuple[NewIncident, ...]
    telemetry: tuple[TelemetryLine, ...]
    bad: tuple[tuple[str, int, str], ...]
    notes: Notes
    cursor: Cursor | None
    observe: Observer
    durable: bool = True

    def apply(self, tx: Tx) -> Ingested:
        stored = [tx.insert_incident(new) for new in self.incidents]
        new = len(tx.new)
        correlations, seen = 0, 0
        while seen < len(tx.new):  # what an observer makes is seen as well
            correlations += self.observe(tx, tx.new[seen])
            seen += 1
        for line in self.telemetry:
            tx.add_telemetry(line.ts_ns, line.line)
        for file, offset, reason in (*self.bad, *self.notes.bad):
            tx.bad_line(file, offset, reason)
        duplicates = len(stored) - new
        tx.count("incidents", new)
        tx.count("duplicates", duplicates)
        tx.count("restarts", self.notes.restarts)
        tx.count("missed_files", self.notes.missed_files)
        if self.cursor is not None:
            tx.set_cursor(CURSOR_NAME, self.cursor)
        return Ingested(
            incidents=new,
            correlations=correlations,
            telemetry=len(self.telemetry),
            duplicates=duplicates,
            bad_lines=len(self.bad) + len(self.notes.bad),
        )


class Ingest:
    """Owned by one thread. Nothing is kept beyond one chunk of the file; the cursor is the only state."""

    def __init__(self, path: Path, writer: Writer, observe: Observer) -> None:
        self._writer = writer
        self._observe = observe
        self._tail = Tail(path, writer.run(ReadCursor()))
        self._pieces: list[Piece] = []
        self._alone = 0
        self._problem: str | None = None

    def close(self) -> None:
        self._tail.close()

    def step(self) -> Ingested | None:
        """Store the next batch; None when there is nothing new.

        Raises StorageError when the disk refuses: nothing moved and the same step may be called again.
        """
        if not self._pieces:
            self._pieces = self._tail.pieces()
            self._tell_problem()
        if not self._pieces and self._tail.notes == Notes():
            return None
        limit = 1 if self._alone else BATCH_ROWS
        operation, taken = self._collect(limit)
        try:
            done = self._writer.run(operation)
        except StateError:
            self._pieces = []
            raise
        except Exception as error:  # a row that cannot be stored must not stop all that follow
            refused = self._refuse(operation, taken, error)
            if refused is None:
                return Ingested()
            done = refused
        self._commit(operation, taken)
        if operation.bad or operation.notes.bad:
            self._report(operation)
        return done

    def _tell_problem(self) -> None:
        """Once per trouble: a findings file that may not be read looks like a quiet machine otherwise."""
        problem = self._tail.problem
        if problem and problem != self._problem:
            logger.error("findings cannot be read, incidents are missing: %s", problem)
        self._problem = problem

    def _collect(self, limit: int) -> tuple[IngestBatch, int]:
        incidents, telemetry, bad = [], [], []
        deadline = time.monotonic() + BATCH_S
        taken = 0
        for piece in self._pieces[:limit]:
            if piece.line is not None:
                item = parse(piece.line)
                if isinstance(item, NewIncident):
                    incidents.append(item)
                elif isinstance(item, TelemetryLine):
                    telemetry.append(item)
                else:
                    bad.append((self._tail.file, piece.start, item.reason))
            elif piece.reason is not None:
                bad.append((self._tail.file, piece.start, piece.reason))
            taken += 1
            if time.monotonic() >= deadline:
                break
        last = self._pieces[taken - 1] if taken else None
        operation = IngestBatch(
            incidents=tuple(incidents),
            telemetry=tuple(telemetry),
            bad=tuple(bad),
            notes=self._tail.notes,
            cursor=self._tail.cursor_after(last),
            observe=self._observe,
        )
        return operation, taken

    def _refuse(self, operation: IngestBatch, taken: int, error: Exception) -> Ingested | None:
        """Narrow a failing batch down to its line, then count that line as bad."""
        if taken > 1:
            self._alone = taken
            return None
        logger.exception("a finding could not be stored file=%s", self._tail.file)
        reason = Refused(f"could not be stored: {type(error).__name__}")
        start = self._pieces[0].start if taken else 0
        alone = msgspec.structs.replace(
            operation, incidents=(), telemetry=(), bad=((self._tail.file, start, reason.reason),)
        )
        return self._writer.run(alone)

    def _commit(self, operation: IngestBatch, taken: int) -> None:
        self._tail.notes = Notes()
        if taken:
            self._tail.advance(self._pieces[taken - 1])
            del self._pieces[:taken]
            self._alone = max(0, self._alone - taken)
        self._tail.remember(operation.cursor)

    def _report(self, operation: IngestBatch) -> None:
        file, offset, reason = (*operation.bad, *operation.notes.bad)[0]
        logger.warning(
            "findings lines skipped count=%d first=%s:%d reason=%s",
            len(operation.bad) + len(operation.notes.bad),
            file,
            offset,
            reason,
        )
