# SPDX-License-Identifier: Apache-2.0
"""The detection host: a hit of any form becomes a finding that a person can read.

It alone decides trust, cooldown of Python detectors, ids, evidence and text. Detectors are fail-open: one
that keeps raising is disabled and reported, and the others go on.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from innerwarden_core import Engine, Hit

from innerwarden.clock import rfc3339
from innerwarden.log import safe
from innerwarden.model import detector as sdk
from innerwarden.model import event as events
from innerwarden.model.detector import DetectorSpec, render
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.apart.worker import Worker
from innerwarden.rules.program import CompiledCorrelation
from innerwarden.sensor.detection.cooldown import Cooldown
from innerwarden.sensor.detection.scene import Scene
from innerwarden.sensor.detection.sentences import sentence
from innerwarden.sensor.detection.told import plain
from innerwarden.sensor.detection.trusting import Trusting
from innerwarden.users import Users

logger = logging.getLogger(__name__)

NS = 1_000_000_000
#: Exceptions in a row after which a Python detector is disabled.
MAX_FAILURES = 5
#: Events that workers have and have not answered, over all of them; their scenes wait here.
ASKED_MAX = 4096
DETAIL_CHARACTERS = 4096
#: Of a record's fields, those that say nothing to a person; argv is in the process.
HIDDEN = frozenset({"size", "kind", "cpu", "sequence", "flags", "argv", "ts_ns", "reserved0"})


class DetectionHost:
    """Turns engine hits into findings, in order.

    `blind` answers what was lost between two realtime ns stamps. Python detectors are given by id.
    `remote`: of detectors whose module runs in a worker, the module; their findings come later, from `answers`.
    `acting_rules`: for a temporal correlation, the rule whose process the finding is about.
    """

    def __init__(
        self,
        specs: Mapping[str, DetectorSpec],
        engine: Engine,
        *,
        host_name: str,
        boot_to_realtime_ns: int = 0,
        python: Mapping[str, sdk.Detector] | None = None,
        blind: Callable[[int, int], tuple[str, ...]] | None = None,
        acting_rules: Mapping[str, str] | None = None,
        remote: Mapping[str, str] | None = None,
        workers: Workers | None = None,
        trusting: Trusting | None = None,
    ) -> None:
        self._engine = engine
        self._host = host_name
        self._offset_ns = boot_to_realtime_ns
        self._workers = workers or Workers()
        self._asked: OrderedDict[int, tuple[DetectorSpec, Scene]] = OrderedDict()
        self._number = 0
        self._blind = blind or (lambda start, end: ())
        self._cooldown = Cooldown()
        self._failures: dict[str, int] = {}
        self._users = Users()
        self._raised: dict[str, str] = {}
        self._raised_in: dict[str, Worker] = {}
        self._specs: dict[str, DetectorSpec] = {}
        self._python: dict[str, sdk.Detector] = {}
        self.trusting = trusting
        #: Detectors whose matches the engine tells apart by process and address; see folding.py.
        self.told_apart: frozenset[str] = frozenset()
        self.errors = 0
        self.replace(specs, python=python, acting_rules=acting_rules, remote=remote)

    def replace(
        self,
        specs: Mapping[str, DetectorSpec],
        *,
        python: Mapping[str, sdk.Detector] | None = None,
        acting_rules: Mapping[str, str] | None = None,
        remote: Mapping[str, str] | None = None,
    ) -> None:
        """Judge by this set from now on. Cooldowns and failures of detectors that are the same stay."""
        old = self._python
        if changed := {name for name, spec in self._specs.items() if specs.get(name) != spec}:
            self._cooldown.forget(changed)
        self._specs = dict(specs)
        self._python = dict(python or {})
        self._remote = dict(remote or {})
        self._acting_rules = dict(acting_rules or {})
        for name in {*self._failures, *self._raised} - set(self._remote):
            if name not in self._python or self._python[name] is not old.get(name):
                self._failures.pop(name, None)
                self._raised.pop(name, None)

    @property
    def disabled(self) -> dict[str, str]:
        """Detectors that no longer run, and why."""
        out = dict(self._raised)
        for name, module in self._remote.items():
            worker = self._workers.active.get(module)
            if name in out and self._raised_in.get(name) is not worker:
                del out[name]  # its module changed since
            if worker is not None and worker.state == "disabled":
                out[name] = f"the worker of {module}: {worker.reason}"
        return out

    def follow_clock(self, boot_to_realtime_ns: int) -> None:
        """Date what comes from here on by another wall clock."""
        self._offset_ns = boot_to_realtime_ns

    def findings(self, hits: list[Hit]) -> list[Finding]:
        """Judge one batch; a hit that can not be told is counted in `errors`, never fatal."""
        out = []
        for hit in hits:
            try:
                finding = self._one(hit)
            except Exception:
                self.errors += 1
                logger.exception("hit could not be told detector=%s", hit.owner)
                continue
            if finding is not None:
                out.append(finding)
        return out

    def _one(self, hit: Hit) -> Finding | None:
        spec = self._specs[hit.owner]
        acting = self._acting_rules.get(hit.owner)
        scene = Scene(hit, self._engine, self._users, self._offset_ns, acting)
        if hit.owner in self._remote:
            self._ask(spec, scene)
            return None
        if hit.owner not in self._python:
            key = hit.group[: len(spec.group_key)] if spec.id in self.told_apart else None
            return self._tell(spec, scene, sdk.Finding(count=hit.count), key)
        judged = self._judge(spec, scene)
        return None if judged is None else self._admit(spec, scene, judged)

    def _admit(self, spec: DetectorSpec, scene: Scene, judged: sdk.Finding) -> Finding | None:
        """What a Python detector saw, unless its cooldown folds it."""
        key = judged.group or tuple(str(scene.values.get(name)) for name in spec.group_key)
        return self._tell(spec, scene, judged, key)

    def _tell(
        self, spec: DetectorSpec, scene: Scene, judged: sdk.Finding, key: tuple[str, ...] | None
    ) -> Finding | None:
        """The finding with what trust says of it. With a `key` it is folded here: what an entry covers only into what
        the same entry covers."""
        severity = self._severity(spec, scene.hit, judged)
        entry, verdict = "", None
        if self.trusting is not None and self.trusting.concerns(spec):
            entities = self._entities(spec, scene, judged)
            subject = self.trusting.subject(spec, scene, entities, severity, judged.count)
            verdict = self.trusting.verdict(subject)
            entry = verdict.by.entry.id if verdict.by else ""
        folded = 0
        if key is not None:
            key = key or (str(scene.pid), str(scene.start_ns))
            period_ns = spec.cooldown_s * NS
            admitted = self._cooldown.admit((spec.id, entry, *key), scene.ts_ns, period_ns, severity.rank)
            if admitted is None:
                return None
            folded = admitted
        finding = self._build(spec, scene, judged, severity, folded + scene.hit.suppressed)
        return finding if verdict is None or self.trusting is None else self.trusting.apply(finding, verdict)

    @staticmethod
    def _severity(spec: DetectorSpec, hit: Hit, judged: sdk.Finding) -> Severity:
        variant = spec.variants.get(hit.samples[0]) if hit.samples else None
        return judged.severity or (variant.severity if variant else spec.severity)

    @staticmethod
    def _entities(spec: DetectorSpec, scene: Scene, judged: sdk.Finding) -> tuple[EntityRef, ...]:
        grouped = dict(zip(spec.group_key, scene.hit.group, strict=False))
        values = {**grouped, **scene.values, **spec.parameters, **judged.values}
        return tuple(dict.fromkeys([*judged.entities, *spec.entity_refs(values)]))

    def _ask(self, spec: DetectorSpec, scene: Scene) -> None:
        """Send the event to the detector's worker; what it does not take, the worker counts as lost."""
        worker = self._workers.active.get(self._remote[spec.id])
        if worker is None:
            return
        if spec.id in self._raised:
            if self._raised_in.get(spec.id) is worker:
                return
            self._raised.pop(spec.id)
            self._failures.pop(spec.id, None)
        self._number += 1
        if worker.submit(self._number, spec.id, self._event(scene)):
            _ = scene.process  # the process table is read now, as it was when the event came
            self._asked[self._number] = (spec, scene)
            if len(self._asked) > ASKED_MAX:
                self._asked.popitem(last=False)  # of a worker that ended before it answered

    def answers(self) -> list[Finding]:
        """Findings of the workers that have come since the last call."""
        out = []
        for module, answer in self._workers.poll():
            asked = self._asked.pop(answer.number, None)
            if asked is None or asked[0].id not in self._remote:
                continue  # switched off meanwhile
            spec, scene = asked
            if answer.error:
                self._failed(spec.id, answer.error)
                self._raised_in[spec.id] = self._workers.active[module]
                continue
            self._failures.pop(spec.id, None)
            if answer.finding is None:
                continue
            try:
                finding = self._admit(spec, scene, plain(answer.finding))
            except Exception:
                self.errors += 1
                logger.exception("answer could not be told detector=%s module=%s", spec.id, module)
                continue
            if finding is not None:
                out.append(finding)
        return out

    def _event(self, scene: Scene) -> events.Event:
        return events.from_record(
            scene.record,
            host=self._host,
            boot_to_realtime_ns=self._offset_ns,
            actor=scene.actor,
            ancestors=scene.ancestors,
            fields=scene.fields,
        )

    def _judge(self, spec: DetectorSpec, scene: Scene) -> sdk.Finding | None:
        """Call a Python detector; count, log and in the end disable one that raises."""
        if spec.id in self._raised:
            return None
        event = self._event(scene)
        try:
            judged = self._python[spec.id].process(event)
        except Exception as error:
            logger.exception("detector raised detector=%s", spec.id)
            self._failed(spec.id, repr(error))
            return None
        self._failures.pop(spec.id, None)
        return judged

    def _failed(self, name: str, error: str) -> None:
        self.errors += 1
        count = self._failures[name] = self._failures.get(name, 0) + 1
        logger.warning("detector failed detector=%s in_a_row=%d error=%s", name, count, safe(error))
        if count >= MAX_FAILURES:
            self._raised[name] = f"raised {count} times in a row, last: {safe(error)}"
            logger.error("detector disabled detector=%s", name)

    def _build(
        self, spec: DetectorSpec, scene: Scene, judged: sdk.Finding, severity: Severity, folded: int
    ) -> Finding:
        hit = scene.hit
        # What a group is keyed by may be derived, and then only the hit knows it.
        grouped = dict(zip(spec.group_key, hit.group, strict=False))
        values: dict[str, Any] = {**grouped, **scene.values, **spec.parameters}
        values |= {
            "count": max(judged.count, hit.count),
            "samples": ", ".join(hit.samples) or None,
            "variant": hit.samples[0] if hit.samples else None,
            "detail": ", ".join(hit.samples[1:]) or None,
            "group": ", ".join(hit.group[: len(spec.group_key)]) or None,
            "timespan_s": max(1, scene.span_ns // NS),
            **judged.values,
        }
        shown = _Shown(values)
        entities = tuple(dict.fromkeys([*judged.entities, *spec.entity_refs(values)]))
        variant = spec.variants.get(hit.samples[0]) if hit.samples else None
        attack = variant.attack if variant else spec.attack
        ts = rfc3339(scene.ts_ns)
        fields = IncidentFields(
            incident_id=f"{spec.id}:{self._subject(entities, scene)}:{ts}",
            host=self._host,
            title=judged.title or (variant.title if variant else spec.title),
            summary=judged.summary or render(spec.summary, shown),
            evidence=(*judged.evidence, *self._evidence(scene, shown)),
            recommended_checks=tuple(render(check, shown) for check in (*judged.checks, *spec.checks)),
            tags=tuple(dict.fromkeys([*spec.tags, *judged.tags])),
            entities=entities,
            attack=tuple(dict.fromkeys([*judged.attack, *attack])),
            process=scene.process,
            blind=self._blind(min(scene.first_ns, scene.ts_ns), scene.ts_ns),
            suppressed_count=folded,
        )
        return Finding(ts=ts, detector=spec.id, severity=severity, fields=fields)

    @staticmethod
    def _subject(entities: tuple[EntityRef, ...], scene: Scene) -> str:
        """What the incident is about, for its id: the first entity, else the acting process."""
        if entities:
            return safe(entities[0].value, 200)
        return f"{scene.pid}.{scene.start_ns}" if scene.pid else "host"

    def _evidence(self, scene: Scene, shown: Mapping[str, Any]) -> tuple[Evidence, ...]:
        """The sequence's steps, the window, then the event that completed it."""
        hit = scene.hit
        out = []
        for owner, ts_ns, pid, _start_ns in hit.steps:
            title = self._specs[owner].title if owner in self._specs else owner
            text = f"{title} (pid {pid})" if pid else title
            out.append(Evidence(kind="sequence", text=text, ts=rfc3339(scene.realtime(ts_ns))))
        if hit.count > 1:
            text = f"{hit.count} events in {scene.span_ns / NS:.1f} s" + (
                f", among them {', '.join(safe(s, 64) for s in hit.samples)}" if hit.samples else ""
            )
            out.append(
                Evidence(
                    kind="window",
                    text=text,
                    ts=rfc3339(scene.first_ns),
                    details={"count": hit.count, "samples": ", ".join(hit.samples) or None},
                )
            )
        if scene.related is not None:
            who = scene.related
            text = f"involved: {safe(who.exe_path or who.comm, 300)} (pid {who.pid})"
            out.append(Evidence(kind="process", text=text, details={"pid": who.pid, "exe": who.exe_path}))
        out.append(
            Evidence(
                kind=scene.kind,
                text=sentence(scene.kind, shown),
                ts=rfc3339(scene.ts_ns),
                details=_details({**scene.fields, **scene.derived}),
            )
        )
        return tuple(out)


class _Shown(Mapping[str, Any]):
    """Values as templates may show them: outside text escaped and cut, when a template asks for it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return safe(value, 300) if isinstance(value, str) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def acting_rules_of(correlations: Iterable[CompiledCorrelation]) -> dict[str, str]:
    """Of a temporal correlation the last rule that it lists: its steps may come in another order."""
    return {c.owner: c.rules[-1] for c in correlations if c.kind.startswith("temporal")}


def _details(fields: Mapping[str, Any]) -> dict[str, str | int | None]:
    """The record's own fields, long texts cut."""
    return {
        name: value[:DETAIL_CHARACTERS] if isinstance(value, str) else value
        for name, value in fields.items()
        if name not in HIDDEN
    }
