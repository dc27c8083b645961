# SPDX-License-Identifier: Apache-2.0
"""Join keys of a finding: `ip:`, `user:`, `process:` and other values that another finding may share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from innerwarden import lineage
from innerwarden.agent.correlate.parts import Parts
from innerwarden.agent.correlate.rule import Join
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Finding, Process

MAX_KEYS = 64
#: loginuid of a process that no login made (audit: AUDIT_UID_UNSET).
NO_LOGIN = 0xFFFFFFFF
#: Programs of the system: that two findings name the same one says nothing.
SYSTEM_DIRECTORIES = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/bin/", "/sbin/", "/lib/")
#: A container is written in full or by the first twelve digits of its id (docker ps).
_CONTAINER_ID = re.compile(r"[0-9a-f]{12,64}")

#: Name of a uid on this machine, or None.
UserOf = Callable[[int], str | None]


def keys_of(finding: Finding, user_of: UserOf, parts: Parts) -> frozenset[str]:
    """At most MAX_KEYS, so that a finding with thousands of entities cannot join everything."""
    keys = dict.fromkeys(f"{Join.PART}:{part}" for part in parts.of(finding))
    fields = finding.fields
    if fields.process is not None:
        keys |= dict.fromkeys(_of_process(fields.process, user_of))
    for entity in fields.entities:
        keys |= dict.fromkeys(_of_entity(entity))
        if len(keys) >= MAX_KEYS:
            break
    return frozenset(list(keys)[:MAX_KEYS])


def _of_entity(entity: EntityRef) -> Iterator[str]:
    value = entity.value
    if not value:
        return
    if entity.type is EntityType.IP:
        if not _is_own(entity):
            yield f"{Join.IP}:{value}"
    elif entity.type is EntityType.SERVICE:
        yield f"{Join.SERVICE}:{value}"
    elif entity.type is EntityType.USER:
        yield f"{Join.USER}:{value}"
        yield f"{Join.ACCOUNT}:{value}"
    elif entity.type is EntityType.CONTAINER:
        yield _container(value)
    elif entity.type is EntityType.PATH and not value.startswith(SYSTEM_DIRECTORIES):
        yield f"{Join.PATH}:{value}"
    elif entity.type is EntityType.PROCESS:
        pid, _, start = value.partition(":")
        # Without a start time it could be a later process with the same pid.
        if pid.isdecimal() and start.isdecimal() and int(start):
            yield f"{Join.PROCESS}:{lineage.identity(int(pid), int(start))}"


def _is_own(entity: EntityRef) -> bool:
    """This machine itself, or nobody: a loopback or unspecified address names no peer."""
    try:
        address = entity.as_ip()
    except ValueError:
        return True
    return address.is_loopback or address.is_unspecified


def _of_process(process: Process, user_of: UserOf) -> Iterator[str]:
    for near in lineage.near(process):
        yield f"{Join.PROCESS}:{lineage.identity(near.pid, near.start_ns)}"
    for one in (process, *process.ancestors[: lineage.LINEAGE_DEPTH]):
        if one.container_id:
            yield _container(one.container_id)
    login = process.login_uid
    if login is not None and login != NO_LOGIN:
        if user := user_of(login):
            yield f"{Join.USER}:{user}"
            yield f"{Join.ACCOUNT}:{user}"
    elif process.user:
        yield f"{Join.ACCOUNT}:{process.user}"
        # Everything that no login started runs as root: that is the host again.
        if process.user != "root" and process.uid != 0:
            yield f"{Join.USER}:{process.user}"


def _container(value: str) -> str:
    return f"{Join.CONTAINER}:{value[:12] if _CONTAINER_ID.fullmatch(value) else value}"


def of_kinds(keys: Iterable[str], joins: tuple[Join, ...]) -> list[str]:
    """The keys of these kinds, sorted."""
    return sorted(key for key in keys if key.partition(":")[0] in joins)
