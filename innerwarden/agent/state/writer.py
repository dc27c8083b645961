# SPDX-License-Identifier: Apache-2.0
"""The one thread that writes state.db: typed operations on a bounded queue, one transaction each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import apsw
import msgspec

from innerwarden.agent.state.connection import BUSY_MS, open_writer, set_aside
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import realtime_ns
from innerwarden.errors import DamagedError, StateError

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

QUEUE_SIZE = 64


class Operation(Protocol[R_co]):
    """A unit of writing. `apply` runs inside BEGIN IMMEDIATE ... COMMIT and changes nothing else: it may be
    submitted again after a failure. `durable` asks for an fsync at the commit (synchronous FULL); without
    it a power cut may undo the last commits, never damage the file."""

    @property
    def durable(self) -> bool: ...

    def apply(self, tx: Tx) -> R_co: ...


class Checkpoint(msgspec.Struct, frozen=True):
    """Operation: fold the WAL into the file and cut it; returns False when a reader is in the way, which is not
    waited for: all that other operations would do stands behind this one."""

    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        tx.db.set_busy_timeout(0)
        try:
            busy, _, _ = tx.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or (1, 0, 0)
        finally:
            tx.db.set_busy_timeout(BUSY_MS)
        return busy == 0


class StorageError(StateError):
    """The disk is full or fails, or another program holds the file: the same operation may work later."""


class Ticket(Generic[R]):
    """The outcome of one submitted operation."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._value: R | None = None
        self._error: Exception | None = None

    def settle(self, value: R | None, error: Exception | None) -> None:
        self._value, self._error = value, error
        self._done.set()

    def result(self, timeout_s: float | None = None) -> R:
        """Wait for the commit. Raises what the operation raised, StorageError, or StateError on timeout."""
        if not self._done.wait(timeout_s):
            raise StateError(f"state.db took more than {timeout_s} s to write", "Check the disk")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class Writer:
    """Opens (and migrates) the database in the caller's thread, so that a refusal is the caller's error. `now_ns` is
    the time that its transactions take for the wall's; `scratch`: the file is thrown away, so nothing waits
    for the disk, and the caller's thread does the work."""

    def __init__(self, path: Path, now_ns: Callable[[], int] = realtime_ns, *, scratch: bool = False) -> None:
        self._path = path
        self._now_ns = now_ns
        self._scratch = scratch
        self._db = open_writer(path)
        self._durable = True
        if scratch:
            self._db.execute("PRAGMA synchronous = OFF")
        self._queue: queue.Queue[tuple[Operation[object], Ticket[object]] | None] = queue.Queue(QUEUE_SIZE)
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="state-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[R]) -> Ticket[R]:
        """Queue an operation; waits while QUEUE_SIZE others are queued. Raises StateError after close()."""
        if self._closed:
            raise StateError(f"{self._path} is closed", "The agent is stopping")
        ticket: Ticket[R] = Ticket()
        if self._scratch:
            self._settle(operation, ticket)  # type: ignore[arg-type]
            return ticket
        self._queue.put((operation, ticket))  # type: ignore[arg-type]
        return ticket

    def run(self, operation: Operation[R], timeout_s: float | None = None) -> R:
        return self.submit(operation).result(timeout_s)

    def close(self) -> None:
        """Finish what is queued, then close; the last close folds the WAL into the file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            self._settle(*item)

    def _settle(self, operation: Operation[object], ticket: Ticket[object]) -> None:
        try:
            value = self._transact(operation)
        except apsw.Error as error:
            ticket.settle(None, self._explain(error))
        except Exception as error:  # the border of a worker: the submitter gets it
            ticket.settle(None, error)
        else:
            ticket.settle(value, None)

    def _transact(self, operation: Operation[object]) -> object:
        db = self._db
        if operation.durable is not self._durable and not self._scratch:
            db.execute("PRAGMA synchronous = " + ("FULL" if operation.durable else "NORMAL"))
            self._durable = operation.durable
        if isinstance(operation, Checkpoint):  # SQLite refuses it inside a transaction
            return operation.apply(Tx(db, self._now_ns()))
        db.execute("BEGIN IMMEDIATE")
        try:
            value = operation.apply(Tx(db, self._now_ns()))
            db.execute("COMMIT")
        except BaseException:
            # SQLite itself rolls back on some errors (a full disk is one).
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return value

    def _explain(self, error: apsw.Error) -> Exception:
        if isinstance(error, apsw.FullError):
            return StorageError(f"{self._path}: no room to write ({error})", "Free some space on its disk")
        if isinstance(error, apsw.IOError | apsw.BusyError | apsw.CantOpenError | apsw.ReadOnlyError):
            return StorageError(f"{self._path}: cannot write ({error})", "Check the disk and its mount")
        if isinstance(error, apsw.CorruptError | apsw.NotADBError):
            return DamagedError(f"{self._path} is damaged: {error}", set_aside(self._path))
        return error
