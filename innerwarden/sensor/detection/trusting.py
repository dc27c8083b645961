# SPDX-License-Identifier: Apache-2.0
"""Trust on findings: who acted, by which address; and what becomes of a finding that an entry covers.

Nothing is left out: a covered finding is written with its entry's tag and mark. Up to the entry's `up_to` its severity
becomes debug; a graver one keeps its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
from innerwarden_core import Engine, ProcessInfo

from innerwarden.clock import realtime_ns
from innerwarden.model._wire import Kind
from innerwarden.model.detector import DetectorSpec
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Evidence, Finding, Trusted
from innerwarden.model.severity import Severity
from innerwarden.rules.program import CompiledCorrelation
from innerwarden.sensor.detection.scene import MAX_ANCESTORS, Scene
from innerwarden.trust import MARK, Actor, Image, Subject, TrustStore, Verdict
from innerwarden.trust.model import stamp

#: Fields that hold the other side's address, where a finding has no address entity.
REMOTE = {Kind.NETWORK_CONNECT: "dst_ip", Kind.NETWORK_DNS: "dst_ip", Kind.NETWORK_TLS: "dst_ip"}
#: Group fields that name one process for good, and those that are addresses.
PROCESS_KEY = frozenset({"pid", "start_ns"})
ADDRESS_KEYS = ("src_ip", "dst_ip", "peer_ip")


class Trusting:
    """Owned by the detection host. `counts` are the findings covered since the start, by entry; `correlations` those
    that run, by owner."""

    def __init__(
        self,
        store: TrustStore,
        engine: Engine,
        correlations: Mapping[str, CompiledCorrelation],
        now_ns: Callable[[], int] = realtime_ns,
    ) -> None:
        self.store = store
        self.counts: Counter[str] = Counter()
        self._engine = engine
        self.correlations = dict(correlations)
        self._now_ns = now_ns

    def concerns(self, spec: DetectorSpec) -> bool:
        """Whether any entry is about this detector."""
        return bool(self.store.current.about(spec.id, spec.module, (*spec.tags, *spec.attack)))

    def subject(
        self,
        spec: DetectorSpec,
        scene: Scene,
        entities: Sequence[EntityRef],
        severity: Severity,
        count: int = 1,
    ) -> Subject:
        """What of a hit may be trusted: of several events only what is known of every one of them.

        `count`: events that a Python detector says it rests on.
        """
        addresses = tuple(e.value for e in entities if e.type is EntityType.IP) or _remote(scene)
        actors = self._actors(scene) if spec.form != "python" or count <= 1 else ()
        correlation = self.correlations.get(spec.id)
        if correlation is not None:
            actors, addresses = self._window(scene, correlation, actors)
        return Subject(
            detector=spec.id,
            module=spec.module,
            tags=(*spec.tags, *spec.attack),
            severity=severity,
            actors=actors,
            addresses=addresses,
        )

    def _window(
        self, scene: Scene, correlation: CompiledCorrelation, actors: tuple[Actor, ...]
    ) -> tuple[tuple[Actor, ...], tuple[str, ...]]:
        """Of a window: the processes of its steps, or the one that is its key; the addresses in its key."""
        groups = correlation.group_by
        if scene.hit.steps:
            actors = tuple(self._actor(pid, start, ts) for _, ts, pid, start in scene.hit.steps)
        elif not all(set(group) >= PROCESS_KEY for group in groups):
            actors = ()
        is_address = [all(name in ADDRESS_KEYS for name in names) for names in zip(*groups, strict=True)]
        pairs = zip(is_address, scene.hit.group, strict=False)
        return actors, tuple(value for wanted, value in pairs if wanted and value)

    def verdict(self, subject: Subject, *, every: bool = False) -> Verdict:
        return self.store.current.judge(subject, self._now_ns(), every=every)

    def apply(self, finding: Finding, verdict: Verdict) -> Finding:
        """The finding with its mark, counted."""
        if verdict.by is None:
            return finding
        entry = verdict.by.entry
        self.counts[entry.id] += 1
        text = f"covered by the trust entry {entry.id} of {entry.owner} ({entry.until()}): {entry.reason}"
        if not verdict.lowered:
            text += f"; graver than {entry.up_to}, so its severity stays"
        mark = Trusted(
            entry=entry.id,
            severity=finding.severity,
            lowered=verdict.lowered,
            reason=entry.reason,
            owner=entry.owner,
            expires=stamp(entry.expires) if entry.expires else None,
        )
        fields = msgspec.structs.replace(
            finding.fields,
            trusted=mark,
            tags=(*finding.fields.tags, MARK + entry.id),
            evidence=(*finding.fields.evidence, Evidence(kind="trust", text=text)),
        )
        severity = Severity.DEBUG if verdict.lowered else finding.severity
        return msgspec.structs.replace(finding, severity=severity, fields=fields)

    def _actors(self, scene: Scene) -> tuple[Actor, ...]:
        """The acting process, and the other one that a native detector names."""
        if scene.process is None:
            return ()
        begin_ns = min(scene.hit.ts_ns, scene.hit.first_ts_ns or scene.hit.ts_ns)
        actor = self._actor(scene.pid, scene.start_ns, begin_ns, scene.actor)
        if scene.is_own and scene.record.kind == Kind.PROCESS_EXEC:
            fields = scene.fields
            own = Image(
                path=fields.get("exe_path"),
                inode=fields.get("exe_inode"),
                dev=fields.get("exe_dev"),
                uid=fields.get("uid"),
            )
            actor = msgspec.structs.replace(actor, own=own)
        related = scene.hit.related
        return (actor,) if related is None else (actor, self._actor(*related, begin_ns))

    def _actor(self, pid: int, start_ns: int, at_ns: int, known: ProcessInfo | None = None) -> Actor:
        """A process as it was at a moment of the boot clock; `known` where somebody kept it.

        One that executed another file since, or is not in the table any more, is one of which nothing is known. The
        same holds for ancestors, each at the birth of the next.
        """
        own = known or (self._engine.process(pid, start_ns) if pid else None)
        if own is None:
            return Actor(own=Image())
        ancestors = []
        born_ns = own.start_ns
        for one in self._engine.ancestors(pid, start_ns, MAX_ANCESTORS):
            ancestors.append(image_of(one, born_ns))
            born_ns = one.start_ns
        return Actor(own=image_of(own, at_ns), ancestors=tuple(ancestors))


def image_of(process: ProcessInfo, at_ns: int) -> Image:
    """Unknown when the process executed another file after `at_ns`."""
    if process.exec_ts_ns > at_ns:
        return Image(uid=process.uid)
    return Image(
        path=process.exe_path, inode=process.exe_inode or None, dev=process.exe_dev or None, uid=process.uid
    )


def _remote(scene: Scene) -> tuple[str, ...]:
    value = scene.fields.get(REMOTE.get(Kind(scene.record.kind), "src_ip"))
    return (str(value),) if value else ()
