# SPDX-License-Identifier: Apache-2.0
"""A rule's parts, as the engine judges them, make up the rule's own verdict, on every shipped case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import Engine, Record
from sigma.conditions import ConditionIdentifier, ConditionNOT, ConditionOR, ConditionSelector
from sigma.rule import SigmaDetections

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.ctl.explaining.line import records_of as lines_of
from innerwarden.logs.recipe import Recipe
from innerwarden.model.wire import DOTTED
from innerwarden.modules.cases import read_cases, records_of, split
from innerwarden.modules.factory import encode
from innerwarden.modules.loader import load_modules, rule_sources
from innerwarden.rules.backend import POLICY
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.parts import Parts, parts_of
from innerwarden.rules.program import CompiledRule, RuleSource

DIRECTORY = paths.REPOSITORY / "modules"


def condition_holds(item: Any, detections: SigmaDetections, held: dict[str, bool]) -> bool:
    """pySigma's own reading of the condition, over the selections' verdicts."""
    if isinstance(item, ConditionIdentifier):
        return held[item.identifier]
    if isinstance(item, ConditionSelector):
        found = [held[one.identifier] for one in item.resolve_referenced_detections(detections)]
        return any(found) if item.cond_class is ConditionOR else all(found)
    parts = [condition_holds(one, detections, held) for one in item.args]
    if isinstance(item, ConditionNOT):
        return not parts[0]
    return any(parts) if isinstance(item, ConditionOR) else all(parts)


def selection_holds(detection: Any, clauses: Iterator[bool]) -> bool:
    """A mapping is all of its fields, a list any of its mappings; keywords are one clause."""
    if isinstance(detection, dict):
        return all([next(clauses) for _ in detection])
    if isinstance(detection, list) and any(isinstance(item, dict) for item in detection):
        return any([selection_holds(item, clauses) for item in detection])
    return next(clauses)


class Judge:
    """An engine with every part and every whole rule, and the trees that they came from."""

    def __init__(self, sources: list[RuleSource], rules: tuple[CompiledRule, ...]) -> None:
        import msgspec

        self.parts: dict[str, Parts] = parts_of(sources)
        self.recipes: tuple[Recipe, ...] = ()
        self.trees = {owner: tree for source in sources for owner, tree in trees_of(source)}
        probes = [
            part.rule
            for one in self.parts.values()
            for part in (*one.parts, *([one.guard] if one.guard else []))
            if part.rule is not None
        ]
        probes += [
            msgspec.structs.replace(r, owner=f"={r.owner}", emit=True, cooldown_s=0, group_by=())
            for r in rules
        ]
        self.engine = Engine(max_hits=16384)
        self.engine.configure([probe.native() for probe in probes], [], [])
        self.detections = {
            owner: SigmaDetections.from_dict(tree, policy=POLICY) for owner, tree in self.trees.items()
        }
        self.conditions = {
            owner: [one.parse(postprocess=False) for one in detections.parsed_condition]
            for owner, detections in self.detections.items()
        }
        self.kinds = {rule.owner: set(rule.kinds) for rule in rules}

    def check(self, record: bytes) -> int:
        """Compare every rule of the record's kind; returns how many held."""
        holding = {hit.owner for hit in self.engine.feed(record)}
        kind = DOTTED[Record(record).kind]
        for owner, parts in self.parts.items():
            if kind not in self.kinds.get(owner, ()):
                continue
            tree = self.trees[owner]
            held = {part.selection: part.owner in holding for part in parts.parts if not part.clause}
            for name, verdict in held.items():
                clauses = [p.owner in holding for p in parts.parts if p.clause and p.selection == name]
                assert selection_holds(tree[name], iter(clauses)) == verdict, (owner, name, clauses)
            guard = parts.guard is None or parts.guard.owner in holding
            detections = self.detections[owner]
            expected = guard and any(condition_holds(one, detections, held) for one in self.conditions[owner])
            assert expected == (f"={owner}" in holding), (owner, held, guard)
        return sum(owner.startswith("=") for owner in holding)


def trees_of(source: RuleSource) -> Iterator[tuple[str, dict[str, Any]]]:
    if source.kinds:
        if source.text:
            yield source.stem, yaml.safe_load(source.text)
        return
    documents = list(yaml.safe_load_all(source.text))
    for document in documents:
        if "detection" in document:
            own = document.get("innerwarden", {}).get("id")
            yield own or (document.get("name") if len(documents) > 1 else source.stem), document["detection"]


@pytest.fixture(scope="module")
def shipped() -> Judge:
    modules = load_modules([DIRECTORY], Config())
    judge = Judge(rule_sources([DIRECTORY], Config()), modules.compiled_rules)
    judge.recipes = modules.recipes
    return judge


def test_parts_make_up_every_shipped_rule_on_every_case(shipped: Judge) -> None:
    held = records = 0
    for path in sorted(DIRECTORY.glob("*/tests/*.toml")):
        for case in read_cases(path):
            found = split(records_of(case))
            if case.lines:
                before, last = lines_of([line.encode() for line in case.lines], case.source, shipped.recipes)
                found += [*before, *([last] if last else [])]
            for record in found:
                held += shipped.check(record)
                records += 1
    assert records > 1000
    assert held > 300


#: Names in a detection, all of one file event.
FIELDS = {
    "TargetFilename|startswith": ["/etc/", "/tmp/", "/var/"],
    "TargetFilename|endswith": [".sh", ".conf", "w"],
    "TargetFilename|contains": ["o", "sh", "x"],
    "Image": ["/bin/a", "/bin/b"],
    "ProcessId|gt": [3, 1000],
    "User|re": ["^0$", "1"],
}
CLAUSE = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.lists(st.sampled_from(FIELDS[name]), min_size=1, max_size=2, unique=True)
    )
)
MAPPING = st.dictionaries(
    st.sampled_from(sorted(set(FIELDS) - {"User|re"})), st.integers(0, 1), min_size=1, max_size=3
).map(lambda chosen: {name: FIELDS[name][number % len(FIELDS[name])] for name, number in chosen.items()})
SELECTION = st.one_of(MAPPING, st.lists(MAPPING, min_size=1, max_size=3))
CONDITION = st.recursive(
    st.sampled_from(["sa", "sb", "fc", "1 of s*", "all of s*", "1 of them", "all of them"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(
    detection=st.fixed_dictionaries({"sa": SELECTION, "sb": SELECTION, "fc": SELECTION}),
    condition=CONDITION,
    events=st.lists(
        st.tuples(
            st.sampled_from(["/etc/passwd", "/tmp/x.sh", "/var/log/a.conf", "/etc/shadow"]),
            st.sampled_from(["/bin/a", "/bin/b", None]),
            st.integers(1, 2000),
            st.sampled_from([["write"], ["watched_read"]]),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_parts_make_up_any_rule(
    detection: dict[str, Any], condition: str, events: list[tuple[str, str | None, int, list[str]]]
) -> None:
    everything = (
        f"({condition}) or sa or not sa and sb or fc"  # a rule that leaves a selection out is refused
    )
    for text in (everything, f"({condition}) and (sa or sb or fc)"):
        rule = {
            "title": "t",
            "level": "low",
            "logsource": {"product": "linux", "category": "file_event"},
            "detection": {**detection, "condition": text},
        }
        source = RuleSource(name="t.yml", stem="t", text=yaml.safe_dump(rule))
        compiled = compile_sources([source])
        if compiled.problems:
            assert "no event" in compiled.problems[0], compiled.problems
            continue
        judge = Judge([source], compiled.rules)
        for path, exe, pid, flags in events:
            more = {} if exe is None else {"exe_path": exe}
            if exe is not None:
                judge.engine.feed(encode("process.exec", pid=pid, **more))
            judge.check(encode("file.open", at_s=1, pid=pid, path=path, open_flags=flags))


def test_what_speaks_against_a_rule_is_told() -> None:
    rule = {
        "title": "t",
        "level": "low",
        "logsource": {"product": "linux", "category": "process_creation"},
        "detection": {
            "a": {"Image": "/x"},
            "not_b": {"Image|endswith": "y"},
            "c": {"Image|contains": "z"},
            "condition": "a and not (not_b and not c)",
        },
    }
    parts = parts_of([RuleSource(name="t.yml", stem="t", text=yaml.safe_dump(rule))])["t"]
    assert parts.negated == {"not_b"}
    assert [(p.selection, p.clause) for p in parts.parts if p.clause] == [
        ("a", "Image: /x"),
        ("c", "Image|contains: z"),
        ("not_b", "Image|endswith: y"),
    ]
