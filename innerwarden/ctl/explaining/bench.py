# SPDX-License-Identifier: Apache-2.0
"""Two real engines over the same records: one as the sensor has it, one with the rules' parts instead of the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from innerwarden_core import Engine, Hit, Record, Rule

from innerwarden import paths
from innerwarden.clock import realtime_ns
from innerwarden.config import Config
from innerwarden.ctl.explaining.types import Clause, RuleStory, Selection, Told, TrustAnswer, WindowState
from innerwarden.model.finding import Finding
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, ModuleSet, load_modules, rule_sources
from innerwarden.modules.state import read as read_state
from innerwarden.rules.parts import Parts, parts_of
from innerwarden.rules.program import CompiledCorrelation
from innerwarden.sensor.detection.folding import configure, told_apart
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from innerwarden.sensor.detection.trusting import Trusting
from innerwarden.trust import Subject, TrustStore, Verdict

#: Parts that may match one record; more rules than there are.
MAX_HITS = 16384
#: Before the name of a whole rule in the second engine.
WHOLE = "="


class Listening(Trusting):
    """Asks every entry, and remembers what they said."""

    heard: list[tuple[Subject, Verdict]]

    def verdict(self, subject: Subject, *, every: bool = True) -> Verdict:
        answer = super().verdict(subject, every=every)
        self.heard.append((subject, answer))
        return answer


class Bench:
    """What the sensor would do with records, and what each rule's parts say to them.

    `workers` run Python of modules that did not ship; the caller closes them. `now_ns` decides whether a trust entry
    counts.
    """

    def __init__(self, config: Config, workers: Workers, now_ns: Callable[[], int] = realtime_ns) -> None:
        directories = paths.modules_dirs()
        saved = paths.rule_cache(paths.default_data_dir())
        cache = saved if saved.exists() else None
        live = Live(state=read_state(paths.module_state()), workers=workers)
        self.modules: ModuleSet = load_modules(directories, config, cache=cache, live=live)
        workers.commit(self.modules.specs, self.modules.remote)
        loaded = {"", *(module.id for module in self.modules.modules)}
        sources = [one for one in rule_sources(directories, config) if one.module in loaded]
        known = {rule.owner for rule in self.modules.compiled_rules}
        self.parts: Mapping[str, Parts] = {k: v for k, v in parts_of(sources).items() if k in known}
        self.correlations = {one.owner: one for one in self.modules.compiled_correlations}
        self.engine = Engine()
        store = TrustStore(Path(config.trust.directory))
        store.refresh()
        self.trust_problems = store.problems
        self.trusting = Listening(store, self.engine, self.correlations, now_ns)
        self.trusting.heard = []
        self.host = DetectionHost(
            self.modules.specs,
            self.engine,
            host_name=config.host_name(),
            python={**self.modules.python, **workers.asked(self.modules.specs, self.modules.remote)},
            acting_rules=acting_rules_of(self.modules.compiled_correlations),
            trusting=self.trusting,
        )
        self.host.told_apart = told_apart(self.modules, store.current)
        configure(self.engine, self.modules, self.host.told_apart)
        self._probe = Engine(max_hits=MAX_HITS)
        self._probe.configure(self._probes(), [], [])

    def _probes(self) -> list[Rule]:
        """Every part and every whole rule, each telling of every match."""
        out = []
        for parts in self.parts.values():
            guard = (parts.guard,) if parts.guard else ()
            out += [part.rule for part in (*guard, *parts.parts) if part.rule is not None]
        for rule in self.modules.compiled_rules:
            owner = f"{WHOLE}{rule.owner}"
            out.append(msgspec.structs.replace(rule, owner=owner, emit=True, cooldown_s=0, group_by=()))
        return [rule.native() for rule in out]

    def seed(self, **process: object) -> None:
        """A process for the tables of both engines; see Engine.seed_process."""
        for engine in (self.engine, self._probe):
            engine.seed_process(**process)  # type: ignore[arg-type]

    def feed(self, record: bytes) -> tuple[list[Hit], frozenset[str]]:
        """(hits as the sensor would get them, owners of the probes that hold)."""
        holding = frozenset(hit.owner for hit in self._probe.feed(record))
        return self.engine.feed(record), holding

    def waiting(self, kind: str) -> list[str]:
        """Ids of the rules and prefilters that look at this kind."""
        return [rule.owner for rule in self.modules.compiled_rules if kind in rule.kinds]

    def of_form(self, form: str, kind: str) -> list[str]:
        """Ids of the detectors of a form that look at this kind."""
        return sorted(s.id for s in self.modules.specs.values() if s.form == form and kind in s.kinds)

    def tell(self, hits: list[Hit]) -> tuple[list[Told], list[str]]:
        """Findings, and owners of the hits that became none."""
        out: list[Told] = []
        silent: list[str] = []
        for hit in hits:
            self.trusting.heard.clear()
            findings = self.host.findings([hit])
            out += [self._told(finding) for finding in findings]
            silent += [hit.owner] if not findings else []
        return out, silent

    def _told(self, finding: Finding) -> Told:
        mark = finding.fields.trusted
        answers = self.trusting.heard[-1][1].answers if self.trusting.heard else ()
        return Told(
            detector=finding.detector,
            severity=str(finding.severity),
            found_as=str(mark.severity if mark else finding.severity),
            summary=finding.fields.summary,
            trusted_by=mark.entry if mark else None,
            trust=tuple(
                TrustAnswer(
                    entry=a.placed.entry.id, file=a.placed.file, line=a.placed.line, objection=a.objection
                )
                for a in answers
            ),
        )

    def story(self, owner: str, holding: frozenset[str], told: frozenset[str]) -> RuleStory:
        """What a rule's parts say, of the record that gave `holding`."""
        rule = next(one for one in self.modules.compiled_rules if one.owner == owner)
        parts = self.parts.get(owner)
        selections = self._selections(parts, holding) if parts else ()
        spec = self.modules.specs.get(owner)
        clauses = [c.holds for s in selections if not s.negated for c in s.clauses]
        guard = None
        if parts is not None and parts.guard is not None:
            guard = Clause(text=parts.guard.clause, holds=parts.guard.owner in holding)
        return RuleStory(
            rule=owner,
            title=spec.title if spec else owner,
            place=parts.place if parts else "",
            condition=parts.condition if parts else "every event of its kinds",
            holds=f"{WHOLE}{owner}" in holding,
            told=owner in told,
            only_counts=not rule.emit,
            nearness=sum(clauses) / len(clauses) if clauses else 0.0,
            guard=guard,
            selections=selections,
        )

    @staticmethod
    def _selections(parts: Parts, holding: frozenset[str]) -> tuple[Selection, ...]:
        wholes = [part for part in parts.parts if not part.clause]
        return tuple(
            Selection(
                name=whole.selection,
                holds=whole.owner in holding,
                negated=whole.selection in parts.negated,
                clauses=tuple(
                    Clause(text=part.clause, holds=part.owner in holding, path=part.path)
                    for part in parts.parts
                    if part.clause and part.selection == whole.selection
                ),
            )
            for whole in wholes
        )

    def windows(
        self, owner: str, record: bytes, before: Mapping[str, int], fired: Mapping[str, Hit]
    ) -> tuple[WindowState, ...]:
        """The correlations that the rule feeds. One that fired, whose finding was folded, is empty after having held
        something `before`."""
        now = self.engine.windows_of(record)
        out = []
        for one in self.correlations.values():
            if owner not in one.rules or one.owner not in now:
                continue
            held, steps = now[one.owner]
            hit = fired.get(one.owner)
            has_fired = hit is not None or (held == 0 and before.get(one.owner, 0) > 0)
            out.append(
                WindowState(
                    correlation=one.owner,
                    kind=one.kind,
                    held=hit.count if hit else (wanted_of(one) if has_fired else held),
                    wanted=wanted_of(one),
                    timespan_s=one.timespan_s,
                    fired=has_fired,
                    key=_key(one, owner, record),
                    steps=tuple(one.rules[step] for step in steps),
                )
            )
        return tuple(out)

    def before(self, record: bytes) -> dict[str, int]:
        return {owner: count for owner, (count, _steps) in self.engine.windows_of(record).items()}


def wanted_of(correlation: CompiledCorrelation) -> int:
    """Events, values or steps with which it fires."""
    if correlation.kind.startswith("temporal"):
        return correlation.threshold if correlation.threshold > 1 else len(correlation.rules)
    return correlation.threshold + (correlation.operator == "gt")


def _key(one: CompiledCorrelation, owner: str, record: bytes) -> dict[str, str | int | None]:
    decoded = Record(record)
    names = one.group_by[one.rules.index(owner)]
    fields = decoded.to_dict()
    return {name: fields.get(name) for name in names}
