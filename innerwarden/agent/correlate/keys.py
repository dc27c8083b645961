# SPDX-License-Identifier: Apache-2.0
"""Join keys of a finding: `ip:`, `user:`, `path:` and `process:` values that a later finding may share."""

from __future__ import annotations

from collections.abc import Callable

from innerwarden import lineage
from innerwarden.agent.correlate.rule import Join
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import Finding, Process

MAX_KEYS = 64
#: loginuid of a process that no login made (audit: AUDIT_UID_UNSET).
NO_LOGIN = 0xFFFFFFFF

#: Name of a uid on this machine, or None.
UserOf = Callable[[int], str | None]

_ENTITY_JOINS = {EntityType.IP: Join.IP, EntityType.USER: Join.USER, EntityType.PATH: Join.PATH}


def keys_of(finding: Finding, user_of: UserOf) -> frozenset[str]:
    """At most MAX_KEYS, so that a finding with thousands of entities cannot join everything."""
    keys: dict[str, None] = {}
    fields = finding.fields
    process = fields.process
    if process is not None:
        for near in lineage.near(process):
            keys[f"{Join.PROCESS}:{near.pid}:{near.start_ns}"] = None
        if user := _user(process, user_of):
            keys[f"{Join.USER}:{user}"] = None
    for entity in fields.entities:
        join = _ENTITY_JOINS.get(entity.type)
        if join is not None and entity.value:
            keys[f"{join}:{entity.value}"] = None
        elif entity.type is EntityType.PROCESS and ":" in entity.value:
            keys[f"{Join.PROCESS}:{entity.value}"] = None
    return frozenset(list(keys)[:MAX_KEYS])


def _user(process: Process, user_of: UserOf) -> str | None:
    """Who came in: the login uid survives sudo and su. Without one, whoever the process runs as."""
    login = process.login_uid
    if login is None or login == NO_LOGIN:
        return process.user
    return user_of(login)


def of_kinds(keys: frozenset[str], joins: tuple[Join, ...]) -> list[str]:
    """The keys of these kinds, sorted."""
    return sorted(key for key in keys if key.partition(":")[0] in joins)
