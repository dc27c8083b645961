# SPDX-License-Identifier: Apache-2.0
"""The audit daemon's log, and whether the kernel's audit is on at all.

Programs that start are told of by the kernel source; only where that is absent does the log stand in for it, so that
no program is told of twice.
"""

from __future__ import annotations

import msgspec
from innerwarden_core import Engine, Hit

from innerwarden.clock import realtime_ns
from innerwarden.logs.auditd import AuditReader
from innerwarden.model._wire import Change
from innerwarden.model.health import CollectorHealth
from innerwarden.model.pack import Packer
from innerwarden.sensor.collectors.audit_state import WORDS, AuditState
from innerwarden.sensor.collectors.base import SOURCE_AUDITD, Context, decode_cursor
from innerwarden.sensor.collectors.reader_files import ReaderFiles
from innerwarden.sensor.collectors.tail import Cursor as TailCursor

ID = "auditd"


class Cursor(msgspec.Struct, frozen=True):
    """`files` as Cursors has them; `state` is what the kernel said last."""

    files: tuple[TailCursor, ...] = ()
    state: str = ""


class Auditd(ReaderFiles):
    """The state is looked at only where audit is in use: where its log is."""

    def __init__(self, context: Context) -> None:
        reader = AuditReader(
            SOURCE_AUDITD,
            starts=not context.kernel,
            wants=context.wants_audit,
            monotonic=context.monotonic,
        )
        super().__init__(ID, context.config.auditd.paths, reader, context)
        saved = decode_cursor(context.cursor, Cursor)
        self._state = saved.state if saved else ""
        self._seen = False
        self.switch = AuditState(context.monotonic)
        self._packer = Packer("audit.state", SOURCE_AUDITD)

    def poll(self, engine: Engine) -> list[Hit]:
        hits = super().poll(engine)
        if self.files.tails and (state := self.switch.look()) is not None:
            hits += self._tell(state, engine)
        return hits

    def _tell(self, state: str, engine: Engine) -> list[Hit]:
        """At the first look what is, later what became of it."""
        old, first = self._state, not self._seen
        self._state, self._seen = state, True
        if not first and state == old:
            return []
        change = Change.CHANGED if old and old != state else Change.BASELINE
        values: dict[str, int | str | bytes | None] = {
            "change": int(change),
            "value": state,
            "old_value": old if change is Change.CHANGED else None,
            "pid": self.switch.daemon_pid,
            "reason": WORDS[state],
        }
        return engine.feed(self._packer.pack(realtime_ns(), values))

    def health(self) -> CollectorHealth | None:
        report = super().health()
        if report is None:
            return None
        notes = [report.reason]
        if self._state == "off":
            notes.append("the kernel's audit is off: auditctl -e 1 switches it on")
        notes.append(self.switch.absent)
        return msgspec.structs.replace(report, reason="; ".join(filter(None, notes)))

    def cursor(self) -> Cursor | None:  # type: ignore[override]
        files = super().cursor()
        if files is None and not self._state:
            return None
        return Cursor(files.files if files else (), self._state)

    def close(self) -> None:
        super().close()
        self.switch.close()


def create(context: Context) -> Auditd | None:
    return Auditd(context) if context.config.auditd.enabled else None
