# SPDX-License-Identifier: Apache-2.0
"""What surrounds one hit: the decoded record, the acting process, its birth chain."""

from __future__ import annotations

import hashlib
import struct
from functools import cached_property
from typing import Any

import msgspec
from innerwarden_core import Engine, Hit, ProcessInfo, Record

from innerwarden.model._wire import LAYOUT, EnforcementMode, EnforcementRule, Flag, Kind, OpenFlag
from innerwarden.model.event import process_of, process_ref
from innerwarden.model.finding import Process, ProcessRef
from innerwarden.model.vocabulary import DERIVED_OF_RECORD
from innerwarden.model.wire import DOTTED, has_task
from innerwarden.users import Users

UNSET_UID = 0xFFFFFFFF
#: Numbers that a person reads as words.
_NAMED: dict[str, dict[int, str]] = {
    "enforcement_rule": {rule: rule.name.lower() for rule in EnforcementRule},
    "enforcement_mode": {mode: mode.name.lower() for mode in EnforcementMode},
}
MAX_ANCESTORS = 32
#: PERF: a number, because a bit of an enumeration takes half a microsecond to ask for. Row 10.
_REALTIME = int(Flag.REALTIME)
_STRING = struct.Struct("<II")  # offset from the record's begin, length
_ARGV_PLACE = next(at for name, at, _shape in LAYOUT["iw_process_exec"] if name == "argv")


class Scene:
    """Decoded once per hit. `values` are the record's fields plus what the process table adds:
    exe_path, command_line, user_name, parent_exe_path, parent_command_line, container_id, container_runtime, access."""

    def __init__(
        self,
        hit: Hit,
        engine: Engine,
        users: Users,
        boot_to_realtime_ns: int,
        acting_rule: str | None = None,
    ) -> None:
        """`acting_rule`: of a sequence's steps, the rule whose process is the one to tell about."""
        self.hit = hit
        self.record = Record(hit.record)
        self._offset_ns = boot_to_realtime_ns
        self._users = users
        self.fields: dict[str, Any] = self.record.to_dict()
        self.kind = DOTTED[self.record.kind]
        self._is_realtime = bool((self.fields.get("flags") or 0) & _REALTIME)
        self.ts_ns = self.realtime(hit.ts_ns)
        self.first_ns = self.realtime(hit.first_ts_ns) or self.ts_ns
        #: From the window's first event to this one; late events can not make it negative.
        self.span_ns = max(0, self.ts_ns - self.first_ns)
        self.pid: int = self.fields.get("pid") or 0
        self.start_ns: int = self.fields.get("start_ns") or 0
        #: Whether the acting process is the one of the hit's own record.
        self.is_own = True
        for owner, _ts_ns, pid, start_ns in hit.steps:
            if owner == acting_rule and (pid, start_ns) != (self.pid, self.start_ns):
                self.pid, self.start_ns, self.is_own = pid, start_ns, False
        self._has_task = has_task(self.record.kind, self.pid)
        self.actor: ProcessInfo | None = None
        self.ancestors: list[ProcessInfo] = []
        if self._has_task:
            # As it was at the record: the table may already hold what the process became.
            self.actor = (hit.actor if self.is_own else None) or engine.process(self.pid, self.start_ns)
            self.ancestors = engine.ancestors(self.pid, self.start_ns, MAX_ANCESTORS)
        self.related = engine.process(*hit.related) if hit.related else None
        self._engine = engine

    def realtime(self, ts_ns: int) -> int:
        """A stamp of this hit's clock as realtime ns; 0 stays 0 (absent)."""
        return ts_ns if self._is_realtime or not ts_ns else ts_ns + self._offset_ns

    # PERF: made when somebody asks; a Python detector mostly says nothing, and then nobody does. Row 10.
    @cached_property
    def process(self) -> Process | None:
        """The acting process; at exec the record itself is fresher than the table."""
        if not self._has_task:
            return None
        if self.actor is not None:
            process = process_of(self.actor, self.ancestors)
        else:
            process = Process(
                pid=self.pid,
                start_ns=self.start_ns,
                ppid=self.fields.get("ppid") if self.is_own else None,
                comm=self.fields.get("comm") if self.is_own else None,
                uid=self.fields.get("uid"),
                ancestors=tuple(process_ref(a) for a in self.ancestors),
            )
        changes: dict[str, Any] = {"ancestors": tuple(self._named(a) for a in process.ancestors)}
        if self.is_own and self.record.kind == Kind.PROCESS_EXEC:
            changes |= {
                "exe": self.fields.get("exe_path"),
                "exe_inode": self.fields.get("exe_inode") or None,
                "exe_dev": self.fields.get("exe_dev") or None,
                "argv": tuple(self.record.argv()),
                "argv_len": self.fields.get("argv_len"),
                "argv_incomplete": bool((self.fields.get("flags") or 0) & Flag.ARGV_INCOMPLETE),
                "argv_sha256": _argv_sha256(self.hit.record),
                "cwd": self.fields.get("cwd"),
                "login_uid": self.fields.get("login_uid"),
            }
        named: Process = self._named(msgspec.structs.replace(process, **changes))
        return named

    def _named(self, process: Any) -> Any:
        """With the account's name, and without the kernel's mark for an unset login uid."""
        login_uid = None if process.login_uid == UNSET_UID else process.login_uid
        user = self._users.name(process.uid) if process.uid is not None else None
        return msgspec.structs.replace(process, user=user, login_uid=login_uid)

    @cached_property
    def derived(self) -> dict[str, Any]:
        """What follows from the record: fingerprints, the registered domain, the list that names the peer."""
        names = DERIVED_OF_RECORD.get(self.kind)
        return self._engine.derive(self.hit.record, names) if names else {}

    @cached_property
    def values(self) -> dict[str, Any]:
        """The record's fields, with what the process table adds."""
        values = {**self.fields, **self.derived}
        if self.kind == "file.open":
            writes = (self.fields.get("open_flags") or 0) & OpenFlag.WRITE
            values["access"] = "writing" if writes else "reading"
        for name, names in _NAMED.items():
            if (value := values.get(name)) in names:
                values[name] = names[value]
        process = self.process
        if process is None:
            return values
        if self.is_own:
            values.setdefault("exe_path", process.exe)
        else:
            values |= {"pid": process.pid, "exe_path": process.exe, "uid": process.uid}
        values["command_line"] = " ".join(process.argv) or None
        values["exe_name"] = process.exe.rsplit("/", 1)[-1] if process.exe else None
        values["user_name"] = process.user or (f"uid {process.uid}" if process.uid is not None else None)
        values["container_id"], values["container_runtime"] = process.container_id, process.container_runtime
        parent: ProcessRef | None = process.ancestors[0] if process.ancestors else None
        values["parent_exe_path"] = parent.exe if parent else None
        values["parent_command_line"] = " ".join(parent.argv) or None if parent else None
        return values


def _argv_sha256(record: bytes) -> str | None:
    """Of an exec record's argument bytes, which may be no text."""
    offset, length = _STRING.unpack_from(record, _ARGV_PLACE)
    return hashlib.sha256(record[offset : offset + length]).hexdigest() if length else None
