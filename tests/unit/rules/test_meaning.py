# SPDX-License-Identifier: Apache-2.0
"""The engine agrees with the oracle on random rules and random records, record by record."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Record, Rule
from innerwarden_core.anchors import INDEX_FROM
from sigma.rule import SigmaRule

from innerwarden.errors import RuleError
from innerwarden.model._wire import KINDS
from innerwarden.modules.factory import encode
from innerwarden.rules.backend import POLICY, compile_rule, expression_of
from innerwarden.rules.pipeline import source_of_kinds
from tests.unit.rules.oracle import matches

KIND = "network.connect"
EXEC = "process.exec"

#: Few characters, so that patterns and texts meet often.
TEXT = st.text(alphabet="abA*?\\é", min_size=1, max_size=4)
SHORT = st.text(alphabet="abA*?\\é", min_size=1, max_size=2)
PATTERN = st.sampled_from(["^a", "b$", "a.*b", "[ab]{2}", "a|é", "^[^a]", "A", r"\*", "aa?b"])
NUMBER = st.sampled_from([0, 1, 2, 80, 4294967295])
ADDRESS = st.sampled_from(["127.0.0.1", "10.1.2.3", "10.255.0.1", "::1", "2001:db8::5", "192.168.0.9"])
NETWORK = st.sampled_from(["127.0.0.0/8", "10.0.0.0/8", "10.1.0.0/16", "::/0", "2001:db8::/32", "0.0.0.0/0"])

EXEC_STRINGS = ("exe_path", "filename", "cwd")
EXEC_NUMBERS = ("uid", "exe_uid", "exe_nlink")


def escape(text: str) -> str:
    """A literal for Sigma, where backslash escapes wildcards and itself before one."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


@st.composite
def string_items(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(EXEC_STRINGS))
    plain = ["", "|contains", "|startswith", "|endswith"]
    shape = draw(st.sampled_from([*plain, "null", "exists", "fieldref", "re"]))
    if shape == "null":
        return {field: None}
    if shape == "exists":
        return {f"{field}|exists": draw(st.booleans())}
    if shape == "fieldref":
        part = draw(st.sampled_from(["", "|contains", "|startswith", "|endswith", "|neq"]))
        return {f"{field}|fieldref{part}": draw(st.sampled_from(EXEC_STRINGS))}
    if shape == "re":
        flag = draw(st.sampled_from(["", "|i", "|neq"]))
        return {f"{field}|re{flag}": draw(st.lists(PATTERN, min_size=1, max_size=2))}
    modifier = shape + draw(st.sampled_from(["", "|cased", "|neq"]))
    globs = st.sampled_from(["*", "a*", "*b", "?b*", "*a?b", "a**b", "?", "?*a"])
    values = draw(st.lists(SHORT.map(escape) | globs, min_size=1, max_size=3))
    if len(values) > 1 and draw(st.booleans()):
        modifier += "|all"
    return {field + modifier: values}


@st.composite
def number_items(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(EXEC_NUMBERS))
    modifier = draw(st.sampled_from(["", "|gt", "|gte", "|lt", "|lte", "|fieldref"]))
    if modifier == "|fieldref":
        return {field + modifier: draw(st.sampled_from(EXEC_NUMBERS))}
    return {field + modifier: draw(st.lists(NUMBER, min_size=1, max_size=2))}


@st.composite
def rules(draw: st.DrawFn, items: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    names = ["sel_a", "sel_b", "other"][: draw(st.integers(1, 3))]
    detection: dict[str, Any] = {}
    for name in names:
        parts = draw(st.lists(items, min_size=1, max_size=2))
        merged: dict[str, Any] = {}
        for part in parts:
            merged |= part
        detection[name] = draw(st.sampled_from([merged, parts]))
    leaf = st.sampled_from([*names, "1 of sel_*", "all of sel_*", "1 of them", "all of them"])
    detection["condition"] = draw(
        st.recursive(
            leaf,
            lambda inner: st.one_of(
                inner.map(lambda a: f"not ({a})"),
                st.tuples(inner, inner).map(lambda p: f"({p[0]}) and ({p[1]})"),
                st.tuples(inner, inner).map(lambda p: f"({p[0]}) or ({p[1]})"),
            ),
            max_leaves=4,
        )
    )
    return {
        "title": "t",
        "logsource": {"product": "linux", "category": "process_creation"},
        "detection": detection,
    }


@st.composite
def exec_records(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = {name: draw(NUMBER) for name in EXEC_NUMBERS}
    for name in EXEC_STRINGS:
        value = draw(TEXT | st.none())
        if value is not None:
            record[name] = value
    return record


def verdict(rule: SigmaRule, kind: str, record: dict[str, Any]) -> bool | None:
    """What the engine says; None when the compiler refuses the rule."""
    try:
        compiled = compile_rule("r", expression_of(rule.detection, where := source_of_kinds((kind,))), where)
    except RuleError:
        return None
    fields = dict(record)
    if kind == EXEC and "exe_path" in fields:
        fields.setdefault("filename", "")
    data = encode(kind, **fields)
    engine = Engine()
    said = []
    for others in ([], OTHERS):  # alone every record is looked at; among others what the index finds
        engine.configure([compiled.native(), *(other(kind) for other in others)], [], [])
        said.append(len(engine.feed(data)) == 1)
    assert said[0] == said[1], "the index left out a rule that matches"
    return said[0]


def never(number: int, kind: str) -> Rule:
    """A rule for the index to sort out: it matches no record."""
    test = Predicate(FIELDS["comm"], OPERATORS["equals"], [b"no such name %d" % number])
    return Rule(f"other_{number}", [int(KINDS[kind])], [test], [(0, -1, -2)])


OTHERS = [functools.partial(never, number) for number in range(INDEX_FROM)]


RELAXED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(rules(string_items() | number_items()), exec_records())
def test_text_and_numbers(tree: dict[str, Any], record: dict[str, Any]) -> None:
    rule = SigmaRule.from_dict(tree, policy=POLICY)
    said = verdict(rule, EXEC, record)
    if said is not None:
        assert said == matches(rule, record), (tree["detection"], record)


@RELAXED
@given(string_items(), exec_records())
def test_one_text_test(item: dict[str, Any], record: dict[str, Any]) -> None:
    tree = {"title": "t", "logsource": {"product": "linux", "category": "process_creation"}}
    rule = SigmaRule.from_dict({**tree, "detection": {"s": item, "condition": "s"}})
    said = verdict(rule, EXEC, record)
    if said is not None:
        assert said == matches(rule, record), (item, record)


@st.composite
def address_items(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(["src_ip", "dst_ip"]))
    return draw(
        st.sampled_from(["is", "cidr", "null"]).flatmap(
            lambda how: {
                "is": st.lists(ADDRESS, min_size=1, max_size=2).map(lambda v: {field: v}),
                "cidr": st.lists(NETWORK, min_size=1, max_size=2).map(lambda v: {f"{field}|cidr": v}),
                "null": st.just({field: None}),
            }[how]
        )
    )


@RELAXED
@given(
    rules(address_items()),
    st.fixed_dictionaries({}, optional={"src_ip": ADDRESS, "dst_ip": ADDRESS}),
)
def test_addresses(tree: dict[str, Any], record: dict[str, Any]) -> None:
    rule = SigmaRule.from_dict(tree)
    said = verdict(rule, KIND, record)
    if said is not None:
        assert said == matches(rule, record), (tree["detection"], record)


def words(alphabet: str, longest: int) -> list[str]:
    return ["".join(w) for n in range(1, longest + 1) for w in itertools.product(alphabet, repeat=n)]


@pytest.mark.parametrize(
    "modifier", ["", "|startswith", "|endswith", "|contains", "|cased", "|contains|cased"]
)
def test_every_short_pattern_on_every_short_text(modifier: str) -> None:
    texts = words("abA", 3)
    records = b"".join(encode(EXEC, exe_path=text) for text in texts)
    tree = {"title": "t", "logsource": {"product": "linux", "category": "process_creation"}}
    for pattern in words("aA*?", 3):
        detection = {"s": {f"exe_path{modifier}": pattern}, "condition": "s"}
        rule = SigmaRule.from_dict({**tree, "detection": detection})
        where = source_of_kinds((EXEC,))
        engine = Engine()
        engine.configure([compile_rule("r", expression_of(rule.detection, where), where).native()], [], [])
        said = {Record(hit.record).get("exe_path") for hit in engine.feed(records)}
        assert said == {text for text in texts if matches(rule, {"exe_path": text})}, pattern


def test_modifiers_that_expand() -> None:
    """windash and base64offset become alternatives; the oracle expands them the same way."""
    for item, value, expected in (
        ({"exe_path|windash|contains": " -c "}, "cmd /c dir", True),
        ({"exe_path|windash|contains": " -c "}, "cmd -c dir", True),
        ({"exe_path|windash|contains": " -c "}, "cmd +c dir", False),
        ({"exe_path|base64offset|contains": "/bin/sh"}, "echo L2Jpbi9zaA== | base64 -d", True),
        ({"exe_path|base64offset|contains": "/bin/sh"}, "echo hello", False),
    ):
        tree = {"title": "t", "logsource": {"product": "linux", "category": "process_creation"}}
        rule = SigmaRule.from_dict({**tree, "detection": {"s": item, "condition": "s"}})
        assert verdict(rule, EXEC, {"exe_path": value}) is expected, (item, value)
