# SPDX-License-Identifier: Apache-2.0
"""From a verb's id and one of the incident's entities to a typed verb, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import ProcessRef
from innerwarden.model.verb import (
    AnyVerb,
    BlockAddress,
    CapturePackets,
    CollectForensics,
    KillProcessTree,
    PauseContainer,
    QuarantineFile,
    RateLimitAddress,
    StopProcessTree,
    SuspendSudo,
)
from innerwarden.trust.networks import address_of

Built = AnyVerb | str
_Maker = Callable[[EntityRef, IncidentRow], Built]


def _address(verb: type[BlockAddress] | type[RateLimitAddress] | type[CapturePackets]) -> _Maker:
    def make(entity: EntityRef, _: IncidentRow) -> Built:
        if address_of(entity.value) is None:
            return f"{entity.value} is no single address"
        return verb(address=entity.value)

    return make


def _process(
    verb: type[KillProcessTree] | type[StopProcessTree] | type[CollectForensics],
) -> _Maker:
    def make(entity: EntityRef, _: IncidentRow) -> Built:
        pid, colon, start_ns = entity.value.partition(":")
        if not (colon and pid.isdecimal() and start_ns.isdecimal() and int(pid) > 1 and int(start_ns) > 0):
            return f"process {entity.value} is not known by pid and start time"
        return verb(pid=int(pid), start_ns=int(start_ns))

    return make


def _user(entity: EntityRef, _: IncidentRow) -> Built:
    return SuspendSudo(user=entity.value)


def _file(entity: EntityRef, incident: IncidentRow) -> Built:
    """Only the very file that was seen: by the inode that the kernel or an inventory named with its path."""
    fields = incident.fields
    if (process := fields.process) is not None:
        for image in (process, *process.ancestors):
            if image.exe == entity.value and image.exe_inode and image.exe_dev is not None:
                return QuarantineFile(path=entity.value, inode=image.exe_inode, dev=image.exe_dev)
    for evidence in fields.evidence:
        seen = evidence.details
        inode, dev = seen.get("inode"), seen.get("dev")
        if seen.get("path") == entity.value and isinstance(inode, int) and isinstance(dev, int) and inode:
            return QuarantineFile(path=entity.value, inode=inode, dev=dev)
    return f"nothing says which file {entity.value} was"


def _container(entity: EntityRef, incident: IncidentRow) -> Built:
    process = incident.fields.process
    images: tuple[ProcessRef, ...] = () if process is None else (process, *process.ancestors)
    for image in images:
        if image.container_id == entity.value and image.container_runtime in ("docker", "podman"):
            runtime = image.container_runtime
            return PauseContainer(
                container_id=entity.value, runtime="docker" if runtime == "docker" else "podman"
            )
    return f"nothing says what runs container {entity.value}"


_MAKERS: dict[str, tuple[EntityType, _Maker]] = {
    "block_address": (EntityType.IP, _address(BlockAddress)),
    "rate_limit_address": (EntityType.IP, _address(RateLimitAddress)),
    "capture_packets": (EntityType.IP, _address(CapturePackets)),
    "kill_process_tree": (EntityType.PROCESS, _process(KillProcessTree)),
    "stop_process_tree": (EntityType.PROCESS, _process(StopProcessTree)),
    "collect_forensics": (EntityType.PROCESS, _process(CollectForensics)),
    "suspend_sudo": (EntityType.USER, _user),
    "quarantine_file": (EntityType.PATH, _file),
    "pause_container": (EntityType.CONTAINER, _container),
}
#: Which entity each verb acts on.
ENTITIES_OF: dict[str, tuple[EntityType, ...]] = {name: (kind,) for name, (kind, _) in _MAKERS.items()}
#: They only look, so where this machine connected to may be their target.
PASSIVE = frozenset({"capture_packets", "collect_forensics"})


def verb_for(name: str, entity: EntityRef, incident: IncidentRow) -> Built:
    """The verb, or why it cannot be built."""
    kind, make = _MAKERS[name]
    if entity.type is not kind:
        return f"{name} does not act on a {entity.type}"
    return make(entity, incident)


def verbs_for(name: str, incident: IncidentRow, limit: int = 8) -> tuple[list[AnyVerb], list[str]]:
    """One for each entity of the verb's type, at most `limit`; and the reasons of those that cannot be built."""
    kind, _ = _MAKERS[name]
    entities = [entity for entity in incident.fields.entities if entity.type is kind]
    verbs: list[AnyVerb] = []
    reasons = [] if entities else [f"{name}: the incident names no {kind}"]
    for entity in entities[:limit]:
        built = verb_for(name, entity, incident)
        if isinstance(built, str):
            reasons.append(f"{name}: {built}")
        else:
            verbs.append(built)
    if len(entities) > limit:
        reasons.append(f"{name}: {len(entities) - limit} more entities are left to a person")
    return verbs, reasons
