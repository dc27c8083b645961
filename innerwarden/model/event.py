# SPDX-License-Identifier: Apache-2.0
"""Event: one thing that happened, from the kernel or from a log, with typed details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from innerwarden.model._wire import Flag
from innerwarden.model.details import DETAILS, Header
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Process, ProcessRef
from innerwarden.model.severity import Severity
from innerwarden.model.wire import DOTTED, FIRST_HOST_KIND, FIRST_LOG_KIND

if TYPE_CHECKING:
    from innerwarden_core import ProcessInfo, Record


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`ts` is UTC with microseconds; `ts_ns` is the same moment in full, since the epoch.

    `process` is the acting process with its birth chain when the process table knows it; the record's
    own fields are in `details`, a Struct of `innerwarden.model.details`.
    """

    ts: datetime
    ts_ns: int
    host: str
    source: str
    kind: str
    severity: Severity
    summary: str
    details: Header
    tags: tuple[str, ...] = ()
    entities: tuple[EntityRef, ...] = ()
    process: Process | None = None

    def field(self, name: str) -> str | int | None:
        """A field of the details by name; None when this kind has none or it is absent."""
        value = getattr(self.details, name, None)
        return " ".join(value) if isinstance(value, tuple) else value


def from_record(
    record: Record,
    *,
    host: str,
    boot_to_realtime_ns: int = 0,
    actor: ProcessInfo | None = None,
    ancestors: Sequence[ProcessInfo] = (),
    fields: Mapping[str, Any] | None = None,
) -> Event:
    """The event that a record stands for; boot-clock times are moved to the epoch by the offset.

    `fields` is what `record.to_dict()` gave, where the caller has it.
    """
    fields = record.to_dict() if fields is None else fields
    kind = DOTTED[record.kind]
    flags = fields.get("flags") or 0
    ts_ns = int(fields["ts_ns"]) + (0 if flags & Flag.REALTIME else boot_to_realtime_ns)
    shape = DETAILS[kind]
    known = {name: fields[name] for name in shape.__struct_fields__ if name in fields}
    if "argv" in shape.__struct_fields__:
        known["argv"] = tuple(record.argv())
    return Event(
        ts=datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).replace(microsecond=ts_ns // 1000 % 1_000_000),
        ts_ns=ts_ns,
        host=host,
        source=_source(record.kind),
        kind=kind,
        severity=Severity.DEBUG,
        summary=kind,
        details=shape(**known),
        entities=_entities(fields),
        process=process_of(actor, ancestors) if actor else None,
    )


def process_of(actor: ProcessInfo, ancestors: Sequence[ProcessInfo]) -> Process:
    """The finding's process tree from the process table's rows."""
    own = process_ref(actor)
    values = {name: getattr(own, name) for name in own.__struct_fields__}
    return Process(**values, ancestors=tuple(process_ref(a) for a in ancestors))


def process_ref(info: ProcessInfo) -> ProcessRef:
    return ProcessRef(
        pid=info.pid,
        start_ns=info.start_ns,
        ppid=info.ppid,
        exe=info.exe_path,
        exe_inode=info.exe_inode or None,
        exe_dev=info.exe_dev or None,
        argv=tuple(info.argv),
        argv_len=info.argv_len or None,
        argv_incomplete=info.argv_incomplete,
        comm=info.comm,
        uid=info.uid,
        login_uid=info.login_uid,
        cwd=info.cwd,
        container_id=info.container_id,
        container_runtime=info.container_runtime,
        pod_uid=info.pod_uid,
    )


def _source(kind: int) -> str:
    if kind >= FIRST_HOST_KIND:
        return "host"
    return "log" if kind >= FIRST_LOG_KIND else "kernel"


def _entities(fields: Mapping[str, object]) -> tuple[EntityRef, ...]:
    refs = [EntityRef.ip(str(fields[name])) for name in ("src_ip", "dst_ip") if fields.get(name)]
    if fields.get("user"):
        refs.append(EntityRef.user(str(fields["user"])))
    if fields.get("path"):
        refs.append(EntityRef.path(str(fields["path"])))
    return tuple(refs)
