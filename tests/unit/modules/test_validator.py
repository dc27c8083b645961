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


def test_a_rule_that_reads_the_text_of_every_event_is_a_problem(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    rule = tmp_path / "net-watch/detectors/net_watch_scan.yml"
    whole = rule.read_text()
    rule.write_text(whole.replace("Image|endswith: /nmap", "CommandLine|re: '[a-z]+[0-9]'"))
    problems = validate(tmp_path / "net-watch", run_cases=False)
    assert len(problems) == 1
    assert "reads text of every process.exec" in problems[0]
    assert str(rule) in problems[0]
    rule.write_text(whole.replace("Image|endswith: /nmap", "CommandLine|re: 'nmap +-s[A-Z]'"))
    assert validate(tmp_path / "net-watch", run_cases=False) == []


SKILL = """\
import subprocess

def dry_run(target): return ["nft", "add", target]
def undo(target): {undo}
def run(target): subprocess.run({command}, check=True)
"""


def skill(directory: Path, **values: str) -> list[str]:
    manifest = directory / "module.toml"
    if "skills" not in manifest.read_text():
        manifest.write_text(
            manifest.read_text().replace("[provides]\n", '[provides]\nskills = ["block_it"]\n')
        )
    (directory / "skills").mkdir(exist_ok=True)
    (directory / "skills/block_it.py").write_text(
        SKILL.format(**{"command": '["nft", target]', "undo": "pass"} | values)
    )
    return validate(directory, run_cases=False)


def test_a_skill_hands_no_text_to_a_shell_and_can_be_rehearsed_and_taken_back(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    directory = tmp_path / "net-watch"
    assert skill(directory) == []
    for command in ('f"nft {target}"', '"nft x", shell=True', '["sh"], shell=bool(1)'):
        (problem,) = skill(directory, command=command)
        assert "block_it.py:5: subprocess.run runs a shell's text; give a list" in problem
    (problem,) = skill(directory, undo="__import__('os') and os.system('x')")
    assert "block_it.py:4: os.system" in problem
    (directory / "skills/block_it.py").write_text("def run(target): pass\n")
    problems = validate(directory, run_cases=False)
    assert ["dry_run" in problems[0], "undo" in problems[1]] == [True, True]
    (directory / "skills/block_it.py").unlink()
    (problem,) = validate(directory, run_cases=False)
    assert "block_it has no file" in problem


def test_links_and_set_user_id_bits_are_problems(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    (tmp_path / "net-watch/docs/more").symlink_to("/etc/passwd")
    (tmp_path / "net-watch/docs/s").write_text("")
    (tmp_path / "net-watch/docs/s").chmod(0o4755)
    problems = validate(tmp_path / "net-watch", run_cases=False)
    assert ["is a link" in problems[0], "set-user-id" in problems[1]] == [True, True]
