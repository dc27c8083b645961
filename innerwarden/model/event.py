# SPDX-License-Identifier: Apache-2.0
"""Event: one thing that happened, from the kernel or from a log, with typed details."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from innerwarden.model._wire import LAYOUT, RECORD_OF, Flag, Kind
from innerwarden.model.details import DETAILS, Header
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Process, ProcessRef
from innerwarden.model.severity import Severity
from innerwarden.model.wire import DOTTED, FIRST_HOST_KIND, FIRST_LOG_KIND

if TYPE_CHECKING:
    from innerwarden_core import ProcessInfo, Record

_EPOCH = datetime.fromtimestamp(0, UTC)
#: PERF: a number, because a bit of an enumeration takes half a microsecond to ask for. Row 10.
_REALTIME = int(Flag.REALTIME)
_Shape = TypeVar("_Shape", bound=ProcessRef)


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
    ts_ns = int(fields["ts_ns"]) + (0 if flags & _REALTIME else boot_to_realtime_ns)
    without, has_argv = _differences(record.kind)
    known = dict(fields)
    for name in without:
        known.pop(name, None)
    if has_argv:
        known["argv"] = tuple(record.argv())
    return Event(
        ts=_EPOCH + timedelta(microseconds=ts_ns // 1000),
        ts_ns=ts_ns,
        host=host,
        source=_source(record.kind),
        kind=kind,
        severity=Severity.DEBUG,
        summary=kind,
        details=DETAILS[kind](**known),
        entities=_entities(fields),
        process=process_of(actor, ancestors) if actor else None,
    )


@functools.cache
def _differences(kind: int) -> tuple[tuple[str, ...], bool]:
    """Members of the kind's records that its details lack; whether its details have arguments."""
    shown = DETAILS[DOTTED[kind]].__struct_fields__
    members = (name for name, _at, _shape in LAYOUT[RECORD_OF[Kind(kind)]])
    return tuple(name for name in members if name not in shown), "argv" in shown


def process_of(actor: ProcessInfo, ancestors: Sequence[ProcessInfo]) -> Process:
    """The finding's process tree from the process table's rows."""
    return _filled(Process, actor, ancestors=tuple(map(process_ref, ancestors)))


def process_ref(info: ProcessInfo) -> ProcessRef:
    return _filled(ProcessRef, info)


def _filled(shape: type[_Shape], info: ProcessInfo, **more: Any) -> _Shape:
    return shape(
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
        **more,
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
