# SPDX-License-Identifier: Apache-2.0
"""Sigma correlations from their documents to the engine's hits, beside the oracle that keeps every event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from innerwarden_core import Engine

from innerwarden.modules.factory import BOOT_BASE_NS, encode
from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.program import RuleSource
from tests.oracles.windows import Event, Oracle

NAMES = ("first", "second", "third")
OPERATORS = {"gte": "ge", "gt": "gt"}
NS = 1_000_000_000


def documents(correlation: dict[str, Any], rules: int, **extension: Any) -> str:
    """`rules` rules on programs of their names, and a correlation of them."""
    out: list[dict[str, Any]] = [
        {
            "title": name,
            "name": name,
            "logsource": {"product": "linux", "category": "process_creation"},
            "detection": {"s": {"Image|endswith": f"/{name}"}, "condition": "s"},
            "level": "low",
            "innerwarden": {"id": name, "cooldown_s": 0},
        }
        for name in NAMES[:rules]
    ]
    inner = {"rules": list(NAMES[:rules]), "group-by": ["who"], **correlation}
    inner = {key: value for key, value in inner.items() if value is not None}
    inner.setdefault("aliases", {"who": dict(zip(NAMES[:rules], ("uid", "gid", "euid"), strict=False))})
    own = {"id": "both", "cooldown_s": 0, **extension}
    out.append({"title": "t", "correlation": inner, "level": "high", "innerwarden": own})
    return "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in out)


def compiled(text: str) -> Compiled:
    return compile_sources([RuleSource(name="r.yml", stem="both", text=text)])


def engine_of(result: Compiled) -> Engine:
    assert not result.problems, result.problems
    engine = Engine()
    engine.configure([r.native() for r in result.rules], [c.native() for c in result.correlations], [])
    return engine


def record(event: Event) -> bytes:
    """Only the alias' own field has the key: what groups by another one gets it wrong."""
    field = ("uid", "gid", "euid")[event.step]
    who = {"uid": 90, "gid": 91, "euid": 92, field: event.key}
    at = BOOT_BASE_NS + event.ts_ns
    return encode("process.exec", ts_ns=at, exe_path=f"/{NAMES[event.step]}", cwd=f"/{event.value}", **who)


@st.composite
def streams(draw: st.DrawFn, steps: int, size: int) -> list[Event]:
    """Mostly forward in time, some events late, some at one time."""
    now, out = 100, []
    for number in range(draw(st.integers(0, size))):
        now += draw(st.integers(0, 4))
        at = max(now - draw(st.sampled_from([0, 0, 0, 1, 5, 30])), 1)
        step, value = draw(st.integers(0, steps - 1)), draw(st.integers(0, 4))
        out.append(Event(draw(st.integers(1, 2)), at * NS, step, value, 1, number))
    return out


def agree(correlation: dict[str, Any], rules: int, oracle: Oracle, events: list[Event]) -> None:
    engine = engine_of(compiled(documents(correlation, rules)))
    for number, event in enumerate(events):
        expected = oracle.add(event)
        hits = engine.feed(record(event))
        assert [hit.owner for hit in hits] == ["both"] * (expected is not None), (number, correlation, event)
        if hits:
            assert hits[0].group == (str(event.key),)


RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(streams(2, 30), st.sampled_from(["gte", "gt"]), st.integers(1, 5), st.integers(1, 20))
def test_event_count(events: list[Event], operator: str, threshold: int, span: int) -> None:
    wanted = {"type": "event_count", "timespan": f"{span}s", "condition": {operator: threshold}}
    agree(wanted, 2, Oracle("event_count", span * NS, OPERATORS[operator], threshold), events)


@RELAXED
@given(streams(2, 30), st.sampled_from(["gte", "gt"]), st.integers(1, 4), st.integers(1, 20))
def test_value_count(events: list[Event], operator: str, threshold: int, span: int) -> None:
    condition = {operator: threshold, "field": "CurrentDirectory"}
    wanted = {"type": "value_count", "timespan": f"{span}s", "condition": condition}
    agree(wanted, 2, Oracle("value_count", span * NS, OPERATORS[operator], threshold), events)


@RELAXED
@given(
    streams(3, 30), st.sampled_from([None, {"gte": 2}, {"gt": 1}, {"eq": 3}, {"gte": 3}]), st.integers(1, 20)
)
def test_temporal(events: list[Event], condition: dict[str, int] | None, span: int) -> None:
    wanted: dict[str, Any] = {"type": "temporal", "timespan": f"{span}s"}
    needed = 3
    if condition:
        wanted["condition"] = condition
        ((operator, count),) = condition.items()
        needed = count + (operator == "gt")
    agree(wanted, 3, Oracle("temporal", span * NS, steps=3, needed=needed), events)


@RELAXED
@given(streams(3, 30), st.integers(1, 20))
def test_temporal_ordered(events: list[Event], span: int) -> None:
    wanted = {"type": "temporal_ordered", "timespan": f"{span}s"}
    agree(wanted, 3, Oracle("temporal_ordered", span * NS, steps=3), events)


SHAPES: list[tuple[dict[str, Any], list[int], list[int]]] = [
    # type and condition, steps that fire, steps that nearly do
    ({"type": "event_count", "condition": {"gte": 3}}, [0, 1, 0], [0, 1]),
    ({"type": "event_count", "condition": {"gt": 2}}, [0, 0, 0], [0, 0]),
    ({"type": "value_count", "condition": {"gte": 2, "field": "Image"}}, [0, 0, 1], [0, 0, 0]),
    ({"type": "temporal"}, [2, 0, 1], [0, 1, 1]),
    ({"type": "temporal", "condition": "first and second and third"}, [2, 0, 1], [0, 1, 1]),
    ({"type": "temporal", "rules": None, "condition": "first and second and third"}, [2, 0, 1], [0, 1, 1]),
    ({"type": "temporal", "condition": {"gte": 2}}, [2, 2, 1], [1, 1, 1]),
    ({"type": "temporal_ordered"}, [0, 1, 2], [0, 2, 1]),
    ({"type": "temporal_ordered", "condition": {"eq": 3}}, [0, 1, 0, 2], [2, 1, 0]),
]


@pytest.mark.parametrize(("shape", "fires", "nearly"), SHAPES)
def test_each_type_fires_and_nearly_fires(shape: dict[str, Any], fires: list[int], nearly: list[int]) -> None:
    for steps, expected in ((fires, 1), (nearly, 0)):
        engine = engine_of(compiled(documents({"timespan": "1m", **shape}, 3)))
        events = [Event(5, (100 + i) * NS, step) for i, step in enumerate(steps)]
        assert sum(len(engine.feed(record(event))) for event in events) == expected
        engine = engine_of(compiled(documents({"timespan": "1m", **shape}, 3)))
        (spec,) = compiled(documents({"timespan": "1m", **shape}, 3)).specs
        assert (spec.id, spec.kinds) == ("both", ("process.exec",))
        apart = [replace(event, ts_ns=event.ts_ns * 61) for event in events]
        assert not any(engine.feed(record(event)) for event in apart), "61 seconds and more apart"


def test_events_out_of_order_count_by_their_own_time() -> None:
    engine = engine_of(compiled(documents({"type": "temporal_ordered", "timespan": "10s"}, 2)))
    assert not engine.feed(record(Event(1, 105 * NS, 1)))
    assert len(engine.feed(record(Event(1, 104 * NS, 0)))) == 1, "the first step came late"
    assert not engine.feed(record(Event(1, 130 * NS, 1)))
    assert not engine.feed(record(Event(1, 110 * NS, 0))), "older than the window"


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"type": "value_avg", "condition": {"gte": 3, "field": "pid"}}, "type", "not supported"),
        ({"condition": {"lt": 3}}, "condition", "makes it untrue again"),
        ({"condition": {"lte": 3}}, "condition", "makes it untrue again"),
        ({"condition": {"eq": 3}}, "condition", "makes it untrue again"),
        ({"condition": {"neq": 3}}, "condition", "makes it untrue again"),
        ({"condition": {"gte": 0}}, "condition", "always true"),
        ({"condition": {"gte": 2.5}}, "condition", "not decidable"),
        ({"condition": {"gt": 1, "lte": 5}}, "condition", "exactly one condition item"),
        ({"timespan": "2d"}, "timespan", "1 day"),
        ({"type": "value_count", "condition": {"gte": 2}}, "condition", "field"),
        (
            {"type": "value_count", "condition": {"gte": 2, "field": ["uid", "gid"]}},
            "condition",
            "exactly one",
        ),
        ({"type": "temporal", "condition": {"gte": 1}}, "condition", "Write 2 to 2"),
        ({"type": "temporal", "condition": {"gte": 3}}, "condition", "Write 2 to 2"),
        ({"type": "temporal", "condition": {"eq": 1}}, "condition", "makes it untrue again"),
        ({"type": "temporal", "condition": {"lt": 2}}, "condition", "makes it untrue again"),
        ({"type": "temporal", "condition": "first or second"}, "condition", "not decidable with one window"),
        (
            {"type": "temporal", "condition": "first and not second"},
            "condition",
            "not decidable with one window",
        ),
        ({"type": "temporal", "rules": ["first"], "condition": None}, "rules", "at least two"),
        ({"rules": ["first", "nosuch"]}, "nosuch", "unknown rule"),
        ({"rules": ["first", "first"]}, None, "twice"),
        ({"aliases": {"who": {"first": "uid"}}}, "who", "says nothing for rule 'second'"),
        ({"aliases": {"who": {"first": "uid", "second": "nosuch"}}}, "nosuch", "unknown field"),
    ],
)
def test_what_a_stream_cannot_decide_is_refused_at_its_line(
    changes: dict[str, Any], key: str | None, words: str
) -> None:
    wanted = {"type": "event_count", "timespan": "5m", "condition": {"gte": 3}, **changes}
    text = documents({name: value for name, value in wanted.items() if value is not None}, 2)
    result = compiled(text)
    assert len(result.problems) == 1, result.problems
    assert words in result.problems[0]
    assert not result.correlations
    if key:
        lines = text.splitlines()
        line = int(result.problems[0].split(":")[1])
        assert key in lines[line - 1], (line, lines[line - 1], result.problems)
        assert line > lines.index("correlation:")


def test_a_correlation_of_a_refused_rule_says_so() -> None:
    text = documents({"type": "temporal", "timespan": "1m"}, 2).replace(
        "Image|endswith: /second", "Imagee: /a"
    )
    first, second = compiled(text).problems
    assert "unknown field 'Imagee'" in first
    assert "the rule 'second' that the correlation is made of is refused" in second


def test_an_order_of_some_rules_is_refused() -> None:
    wanted = {"type": "temporal_ordered", "timespan": "1m", "condition": {"gte": 2}}
    assert "an order needs every rule" in compiled(documents(wanted, 3)).problems[0]
    assert not compiled(documents(wanted, 2)).problems


def test_a_correlation_of_a_correlation_is_refused() -> None:
    second = {"type": "event_count", "rules": ["both"], "timespan": "1m", "condition": {"gte": 2}}
    outer = {"title": "o", "correlation": second, "level": "high", "innerwarden": {"id": "outer"}}
    inner = documents({"type": "temporal", "timespan": "1m"}, 2)
    result = compiled(inner + "---\n" + yaml.safe_dump(outer))
    assert len(result.problems) == 1
    assert "'both' is a correlation itself" in result.problems[0]
    assert [one.owner for one in result.correlations] == ["both"]


@pytest.mark.parametrize(
    ("correlation", "own", "told"),
    [
        ({}, {}, {"both"}),
        ({"generate": False}, {}, {"both"}),
        ({"generate": True}, {}, {"both", "first", "second"}),
        ({}, {"emit": True}, {"both", "first"}),
        ({"generate": True}, {"emit": False}, {"both", "second"}),
    ],
)
def test_parts_speak_for_themselves_only_when_they_are_told_to(
    correlation: dict[str, Any], own: dict[str, Any], told: set[str]
) -> None:
    text = documents({"type": "temporal", "timespan": "1m", **correlation}, 2)
    parts = text.split("---\n")
    first = yaml.safe_load(parts[0])
    first["innerwarden"] |= own
    result = compiled("---\n".join([yaml.safe_dump(first), *parts[1:]]))
    assert {spec.id for spec in result.specs} == told
    engine = engine_of(result)
    hits = engine.feed(record(Event(1, NS, 0))) + engine.feed(record(Event(1, 2 * NS, 1)))
    assert {hit.owner for hit in hits} == told


def test_a_part_needs_no_level() -> None:
    text = documents({"type": "temporal", "timespan": "1m"}, 2).replace("level: low\n", "")
    assert not compiled(text).problems
