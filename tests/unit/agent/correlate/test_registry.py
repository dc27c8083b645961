# SPDX-License-Identifier: Apache-2.0
"""Rule files: what is wrong with one is said with its file and line; and the tables beside them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.correlate.registry import PARTS, RULES, find_groups, find_parts, find_rules, read_rule
from innerwarden.agent.correlate.rule import Join, Order
from innerwarden.errors import RuleError
from innerwarden.model.severity import Severity

GOOD = """id = "a_rule"
reference = "CL-901"
title = "t"
severity = "high"
window_s = 60
attack = ["T1110"]
checks = ["c"]
blind_spots = ["b"]
false_positives = ["f"]

[[step]]
name = "one"
detectors = ["SCANS", "x"]
join = ["ip"]

[[step]]
name = "two"
detectors = ["y"]
join = ["ip", "process"]
"""
GROUPS = {"SCANS": ("port_scan", "web_scan")}


def write(tmp_path: Path, text: str, name: str = "a_rule") -> Path:
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_is_read_with_its_groups(tmp_path: Path) -> None:
    rule = read_rule(write(tmp_path, GOOD), GROUPS)
    assert (rule.severity, rule.order, rule.window_s) == (Severity.HIGH, Order.STRICT, 60)
    assert rule.steps[0].detectors == {"port_scan", "web_scan", "x"}
    assert rule.steps[1].join == (Join.IP, Join.PROCESS)


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('title = "t"', 'title = "t"\ncolour = "red"', 4, "colour"),
        ('name = "two"', 'name = "two"\nbefore = 3', 18, "before"),
        ("window_s = 60", 'window_s = "long"', 5, "window_s"),
        ('"process"]', '"host"]', 14, "host"),
        ('"SCANS"', '"SCAMS"', 13, "no group SCAMS"),
        ('id = "a_rule"', 'id = "another"', 1, "not the file's name"),
        ('severity = "high"', "severity = high", 4, "Invalid value"),
        ('checks = ["c"]\n', "", 1, "checks"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, text: str
) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(RuleError) as refused:
        read_rule(path, GROUPS)
    assert refused.value.problem.startswith(f"{path}:{line}: ")
    assert text in refused.value.problem


@pytest.mark.parametrize(
    ("groups", "text"),
    [('A = ["B"]\nB = ["A"]\n', "holds itself"), ('A = ["MISSING"]\n', "MISSING does not exist")],
)
def test_a_group_that_leads_nowhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, text: str
) -> None:
    path = tmp_path / "groups.toml"
    path.write_text(groups, encoding="utf-8")
    monkeypatch.setattr("innerwarden.agent.correlate.registry.GROUPS", path)
    with pytest.raises(RuleError, match=text):
        find_groups.__wrapped__()


def test_every_group_is_used() -> None:
    tables = [tomllib.loads(path.read_text("utf-8")) for path in RULES.glob("*.toml")]
    named = {name for table in tables for step in table["step"] for name in step.get("detectors", ())}
    written = (RULES.parent / "groups.toml").read_text("utf-8")
    named |= set(re.findall(r'"([A-Z][A-Z0-9_]*)"', written))
    assert set(find_groups()) - named == set()


def test_the_numbers_are_the_agreed_ones() -> None:
    numbers = {rule.reference for rule in find_rules()}
    agreed = {f"CL-{n:03d}" for n in (*range(1, 48), *range(51, 73))}
    assert agreed - numbers == {"CL-007", "CL-008", "CL-041", "CL-043"}, "see docs/correlation.md"
    assert {n for n in numbers if n.startswith("CL-")} <= agreed


def test_web_servers_are_those_that_the_modules_know() -> None:
    text = (paths.REPOSITORY / "modules/lists/web_servers.txt").read_text("utf-8")
    listed = {line.lstrip("/") for line in text.splitlines() if line and not line.startswith("#")}
    assert set(find_parts().table["web"].programs) == listed, PARTS
