# SPDX-License-Identifier: Apache-2.0
"""Regular expressions mean what Python's do, in linear time; what can not be exact is refused with its place."""

from __future__ import annotations

import random
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.rule import SigmaRule

from innerwarden.errors import RuleError
from innerwarden.rules.backend import POLICY
from innerwarden.rules.regex import parse
from innerwarden.rules.regex_tree import Flags
from tests.unit.rules.oracle import matches
from tests.unit.rules.test_meaning import EXEC, verdict

#: Pieces that meet often in few characters; `{` stands for the parts that Python alone would not take.
ATOMS = st.sampled_from(
    [
        *("a", "b", "A", "é", "\\n", " ", "-", "_", ".", "\\.", "\\d", "\\w", "\\W", "\\s", "\\S", "\\x41"),
        *("[ab]", "[^a]", "[a-c-]", "[]a]", "[^\\s\\d]", "[\\w-]", "[A-a]", "^", "$", "\\b", "\\A", "{", "1"),
    ]
)
QUANTIFIERS = st.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "{2}", "{1,}", "{0,2}", "{}"])


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(st.sampled_from(["(", "(?:", "(?i:", "(?s:", "(?P<x>"]), inner, QUANTIFIERS)
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        group.map(lambda g: f"{g[0]}{g[1]}){g[2]}"),
    )


PATTERNS = st.recursive(st.tuples(ATOMS, QUANTIFIERS).map("".join), grouped, max_leaves=6)
TEXTS = st.text(alphabet="abcA1é\n\x0b _-.{}", min_size=1, max_size=6)


def rule(pattern: str, modifiers: str = "re") -> SigmaRule:
    detection = {"s": {f"exe_path|{modifiers}": pattern}, "condition": "s"}
    tree = {"title": "t", "logsource": {"product": "linux", "category": "process_creation"}}
    return SigmaRule.from_dict({**tree, "detection": detection}, policy=POLICY)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PATTERNS, st.sampled_from(["re", "re|i", "re|m", "re|s", "re|i|m|s", "re|contains"]), TEXTS)
def test_random_patterns_mean_what_pythons_do(pattern: str, modifiers: str, text: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        return
    said = verdict(rule(pattern, modifiers), EXEC, {"exe_path": text})
    if said is not None:
        assert said == matches(rule(pattern, modifiers), {"exe_path": text}), (pattern, modifiers, text)


@pytest.mark.parametrize(
    ("modifiers", "pattern", "yes", "nearly"),
    [
        ("re", r"curl\s+.*\|\s*(ba|z|da)?sh", "curl x | bash", "curl x | fish"),
        ("re", r"^/tmp/\.[a-z]{3,5}$", "/tmp/.abc", "/tmp/.ab"),
        ("re", r"^/tmp/x$", "/tmp/x\n", "/tmp/x\n\n"),
        ("re", r"ncat -e", "ncat -e sh", "Ncat -e sh"),
        ("re|i", r"ncat -[e-g]", "NCAT -F", "NCAT -H"),
        ("re", r"(?i)sudo\b", "x SUDO -l", "x sudoers"),
        ("re|m", r"^b$", "a\nb\nc", "a\nbb\nc"),
        ("re", r"a.b", "a-b", "a\nb"),
        ("re|s", r"a.b", "a\nb", "ab"),
        ("re", r"[^ -~]", "é", "e"),
        ("re", r"\bx{2,3}\b", "a xxx", "a xxxx"),
        ("re", r"\$\{IFS\}", "a${IFS}b", "a$IFSb"),
        ("re", r"a$|b", "xb", "xac"),
        ("re", r"(?:\d{1,3}\.){3}\d", "10.1.2.3", "10.1.2"),
        ("re", r"a\sb", "a\x0bb", "a\x1cb"),
        ("re", "\x1a", "\x1a", "a"),
        ("re", "a.b", b"a\xffb", b"a\xff\xffb"),
        ("re", "^a.*b$", b"a\xf0\x9f\xffb", b"a\xf0\x9f\xff"),
        ("re", "^a.b$", "a\U0001f600b", b"a\xf0\x9f\x98b"),
    ],
)
def test_a_pattern_its_match_and_its_near_miss(modifiers: str, pattern: str, yes: Any, nearly: Any) -> None:
    assert verdict(rule(pattern, modifiers), EXEC, {"exe_path": yes}) is True
    assert verdict(rule(pattern, modifiers), EXEC, {"exe_path": nearly}) is False


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a(?=b)", "look-ahead, which cannot be matched in linear time at character 2"),
        ("a(?!b)", "look-ahead"),
        ("(?<=a)b", "look-behind"),
        ("(?<!a)b", "look-behind"),
        (r"(a)\1", "back reference"),
        ("(?P<x>a)(?P=x)", "back reference"),
        ("(a)?(?(1)b|c)", "back reference"),
        ("(?>a)b", "atomic"),
        ("a++b", "possessive"),
        ("a{,3}", "plain text"),
        ("a{2000}", "repetitions"),
        ("a{3,2}", "repetitions"),
        ("((a{500}){500}){500}", "too large"),
        ("x.{0,1000}y", "steps for each character are more than 2000"),
        (".{1000,}", "argv_len tells"),
        ("[[:alpha:]]", "POSIX"),
        (r"a\Z", "read differently"),
        (r"\pL", "read differently"),
        ("(?x)a b", "the flag x"),
        ("(?i)é", "outside ASCII"),
        ("(?i)[à-ü]", "outside ASCII"),
        ("a$b", "something must follow $"),
        ("(a$|c){2}", "something must follow $"),
        (r"a$\b", "something must follow $"),
        ("*a", "nothing before it"),
        ("a**", "quantifier of a quantifier"),
        ("^*", "quantifier of a place"),
        ("(a", "without its )"),
        ("a)", "without its ("),
        ("[a", "too early"),
        ("a\\", "too early"),
        ("[b-a]", "backwards"),
        (r"[a-\d]", "ends in a class"),
        ("(?<x>a)", "unknown kind of group"),
    ],
)
def test_what_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(RuleError, match=re.escape(words)):
        refused(pattern)


def refused(pattern: str) -> None:
    from innerwarden.rules.regex_form import engine_pattern

    engine_pattern(pattern, Flags())


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab(){}[]|*+?^$\\.-,:<=!P123iié", max_size=12))
def test_no_text_breaks_the_parser(pattern: str) -> None:
    """Whatever is accepted here is a pattern to Python as well."""
    try:
        parse(pattern, Flags())
    except RuleError:
        return
    re.compile(pattern)


def test_time_is_linear_in_the_text() -> None:
    """Python's own engine needs 2^n steps for the first pattern, and n^2 for the second."""
    for pattern in ("(a|a)*b", "(.*)(.*)(.*)x", "(a?){60}a{60}b"):
        spent = []
        for size in (30_000, 60_000):
            record = {"exe_path": "a" * size}
            verdict(rule(pattern), EXEC, record)
            began = time.process_time()
            assert verdict(rule(pattern), EXEC, record) is False
            spent.append(time.process_time() - began)
        assert spent[1] < 1, (pattern, spent)


def test_the_widest_pattern_on_the_longest_text_takes_part_of_a_second() -> None:
    """Neighbouring choices that no automaton of bounded size can follow: the text and the pattern are made for it."""
    record = {"exe_path": "".join(random.Random(1).choices("xz", k=60_000))}
    began = time.process_time()
    assert verdict(rule("x.{0,200}y"), EXEC, record) is False
    assert time.process_time() - began < 2, "twice, alone and among others; 0.1 s each"
