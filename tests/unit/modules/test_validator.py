# SPDX-License-Identifier: Apache-2.0
"""The validator finds each kind of problem, and a good module has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from innerwarden.modules.validator import validate
from tests.unit.modules.sample import write_module

RULE = "detectors/net_watch_scan.yml"
CASES = "tests/net_watch_scan.toml"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    write_module(tmp_path, "net-watch")
    return tmp_path / "net-watch"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_module_is_valid_with_its_cases(module: Path) -> None:
    assert validate(module) == []


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: change(m / RULE, "blind_spots", "entities_too"), "entities_too"),
        (lambda m: change(m / RULE, "    - Scanners with another name\n", ""), "blind_spots"),
        (lambda m: change(m / RULE, "attack.t1046", "attack.t99"), "not an ATT&CK id"),
        (lambda m: change(m / RULE, "{command_line}", "{comand}"), "unknown field 'comand'"),
        (lambda m: change(m / RULE, "{command_line}", "{dst_port}"), "never part of process.exec"),
        (lambda m: change(m / RULE, "{command_line}", "{command_line!r}"), "plain field name"),
        (lambda m: change(m / RULE, "process:pid", "animal:pid"), "no known type"),
        (lambda m: change(m / RULE, "Image|endswith: /nmap", "Imagine: /nmap"), "unknown field"),
        (lambda m: change(m / CASES, "expect = 0", "expect = 1"), "findings, expected 1"),
        (lambda m: change(m / CASES, "expect = 0", "expect = 2"), "no benign case"),
        (lambda m: change(m / CASES, 'kind = "process.exec"', 'kind = "process.exe"'), "unknown kind"),
        (lambda m: (m / CASES).unlink(), "has no cases"),
        (lambda m: (m / "tests/other.toml").write_text(""), "does not have"),
        (lambda m: (m / "docs/README.md").write_text("# x\n"), "at least 300"),
        (lambda m: change(m / "docs/README.md", "## Security", "## Else"), "no section 'Security'"),
        (lambda m: change(m / "module.toml", '"net_watch_scan"', '"other_scan"'), "has no file"),
        (lambda m: (m / RULE).chmod(0o666), "writable by others"),
    ],
)
def test_each_problem_is_found(module: Path, spoil: Spoil, words: str) -> None:
    spoil(module)
    problems = validate(module)
    assert any(words in problem for problem in problems), problems
    assert all(str(module) in problem for problem in problems), problems


def test_several_problems_come_together(module: Path) -> None:
    change(module / "module.toml", '"0.1.0"\ndescription', '"zero"\ndescription')
    change(module / RULE, "attack.t1046", "attack.t99")
    (module / "docs/README.md").write_text("# x\n")
    assert len(validate(module)) >= 5
