# SPDX-License-Identifier: Apache-2.0
"""The mutation tool makes the faults that it names, and tells cases that notice from cases that do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from innerwarden.rules.program import CompiledPredicate
from tests.mutation import code, condition
from tests.mutation.runner import MODULES, BaselineError, least, outcomes_of, outcomes_of_part, parts_of
from tests.mutation.sigma import mutations

RULE = """
detection:
  a:
    path|startswith: [/etc/, /root/]
    uid|gt: 5
  b:
    - exe_path: /bin/x
    - exe_path: /bin/y
  condition: a and not b
"""
CORRELATION = """
correlation:
  type: event_count
  rules: [one]
  group-by: [src_ip, user]
  timespan: 5m
  condition:
    gte: 3
"""


@pytest.mark.parametrize(
    "text", ["a", "not a", "a and b", "(a or b) and not c", "not (a and b)", "1 of a* or all of them"]
)
def test_a_condition_is_read_as_it_is_written(text: str) -> None:
    assert condition.render(condition.parse(text)) == text


def test_and_binds_closer_than_or() -> None:
    assert condition.render(condition.parse("a or b and c")) == "a or (b and c)"


@pytest.mark.parametrize("text", ["", "a and", "(a", "a b"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        condition.parse(text)


def test_faults_of_a_condition() -> None:
    made = [condition.render(tree) for _, _, tree in condition.mutants(condition.parse("a and not b"))]
    assert made == ["not (a and not b)", "not b", "not a and not b", "a", "a and b"]


def test_faults_of_a_rule() -> None:
    made = list(mutations(yaml.safe_load(RULE)))
    texts = {mutation.what for mutation in made}
    assert {
        "condition: and not b dropped",
        "a: uid|gt dropped",
        "a: uid|gt becomes uid|gte",
        "a: path|startswith becomes path|contains",
        "a: path|startswith becomes path|endswith",
        "a.path|startswith: '/etc/' dropped",
        "b: alternative 2 dropped",
    } <= texts
    by_text = {mutation.what: mutation.tree["detection"] for mutation in made}
    assert "b" not in by_text["condition: and not b dropped"]
    assert by_text["a.path|startswith: '/etc/' dropped"]["a"]["path|startswith"] == ["/root/"]
    assert len(texts) == len(made)


def test_faults_of_a_correlation() -> None:
    made = [(m.kind, m.what) for m in mutations(yaml.safe_load(CORRELATION))]
    assert made == [
        ("timespan", "timespan 4m"),
        ("timespan", "timespan 6m"),
        ("threshold", "condition gte: 2"),
        ("threshold", "condition gte: 4"),
        ("compared", "condition gte becomes gt"),
        ("group", "group-by: src_ip dropped"),
        ("group", "group-by: user dropped"),
    ]


@pytest.mark.parametrize(
    ("operator", "cased", "literals", "kept"),
    [
        ("contains", False, (b" -o", b" -O", b" -o -"), (b" -o",)),
        ("contains", True, (b" -o", b" -O"), (b" -O", b" -o")),
        ("startswith", False, (b"/etc/", b"/etc/cron", b"x/etc/"), (b"/etc/", b"x/etc/")),
        ("endswith", False, (b"/nc", b"x/nc", b"nc.old"), (b"/nc", b"nc.old")),
        ("equals", False, (b"/bin/a", b"/bin/ab", b"/bin/A"), (b"/bin/a", b"/bin/ab")),
        ("glob", False, (b"a*", b"ab*"), (b"a*", b"ab*")),
    ],
)
def test_literals_that_another_one_covers_do_not_count(
    operator: str, cased: bool, literals: tuple[bytes, ...], kept: tuple[bytes, ...]
) -> None:
    predicate = CompiledPredicate("path", operator, literals, cased)
    assert least(predicate).literals == kept


CODE = '''
spec = DetectorSpec(parameters={"count": 3}, kinds=("a", "b"))
prefilter = "any"
TOOLS = ("x", "y")
SAID = {"x": "T1", "y": "T2"}


class One(Detector):
    def process(self, event: Event) -> Finding | None:
        """Nothing here counts: 1 < 2."""
        if event.name not in TOOLS or (event.count < 3 and not event.ok):
            return None
        severity = LOW if event.old else None
        return Finding(severity=severity, title="a" if event.count > 9 else "b", attack=SAID[event.name])
'''


def test_faults_of_a_detectors_code() -> None:
    made = [(fault.kind, fault.what.partition(": ")[2]) for fault in code.faults(CODE)]
    assert made == [
        ("value", "'x' dropped"),
        ("value", "'y' dropped"),
        ("clause", "or event.name not in TOOLS dropped"),
        ("clause", "or event.count < 3 and (not event.ok) dropped"),
        ("negated", "event.name not in TOOLS becomes event.name in TOOLS"),
        ("clause", "and event.count < 3 dropped"),
        ("clause", "and not event.ok dropped"),
        ("negated", "event.count < 3 becomes event.count >= 3"),
        ("compared", "event.count < 3 becomes event.count <= 3"),
        ("negated", "not removed before event.ok"),
        ("negated", "event.old negated"),
    ]


def test_a_fault_stands_where_the_code_stood() -> None:
    texts = {fault.what.partition(": ")[2]: fault.text for fault in code.faults(CODE)}
    assert "if event.name not in TOOLS or ((event.ok)):" not in texts["not removed before event.ok"]
    assert "(event.count < 3 and (event.ok)):" in texts["not removed before event.ok"]
    assert "TOOLS = (('x',))" in texts["'y' dropped"]
    for text in texts.values():
        compile(text, "fault", "exec")


def test_a_prefilter_is_exchanged_in_its_place() -> None:
    assert code.constant(CODE, "prefilter") == "any"
    assert code.constant(CODE, "nothing") is None
    changed = code.with_constant(CODE, "prefilter", "other\ntext")
    assert code.constant(changed, "prefilter") == "other\ntext"


def test_a_python_detector_is_measured_in_prefilter_and_code() -> None:
    outcomes = list(outcomes_of_part(MODULES / "persistence" / "detectors" / "user_created.py"))
    kinds = {outcome.kind for outcome in outcomes}
    assert {"code negated", "code value", "value", "clause"} <= kinds
    assert sum(outcome.killed for outcome in outcomes) >= 0.9 * len(outcomes)


def test_every_detector_and_every_shared_list_is_a_part() -> None:
    parts = {
        path.name
        for name in ("persistence", "falco-integration", "lists")
        for path in parts_of(MODULES / name)
    }
    assert {"user_created.py", "falco_alert.py", "cron_persistence.yml", "package_managers.txt"} <= parts


def test_a_small_module_is_held_by_its_cases() -> None:
    outcomes = list(outcomes_of(MODULES / "enforcement"))
    assert len(outcomes) > 10
    assert sum(outcome.killed for outcome in outcomes) >= 0.9 * len(outcomes)


def test_without_its_cases_nothing_holds_a_module(tmp_path: Path) -> None:
    """A survivor is told as one: a case with nothing in it notices no missing clause."""
    module = tmp_path / "enforcement"
    shutil.copytree(MODULES / "enforcement", module)
    for path in (module / "tests").glob("*.toml"):
        path.write_text("[[case]]\nname = 'nothing'\nexpect = 0\nlines = ['nothing']\n", "utf-8")
    outcomes = list(outcomes_of(module))
    assert outcomes
    assert not any(outcome.killed for outcome in outcomes if outcome.kind in ("clause", "value"))


def test_cases_that_fail_already_are_refused(tmp_path: Path) -> None:
    module = tmp_path / "enforcement"
    shutil.copytree(MODULES / "enforcement", module)
    path = module / "tests" / "enforcement_bpf.toml"
    path.write_text(path.read_text("utf-8").replace("expect = 1", "expect = 2"), "utf-8")
    with pytest.raises(BaselineError):
        list(outcomes_of(module))
