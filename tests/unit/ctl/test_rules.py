# SPDX-License-Identifier: Apache-2.0
"""`innerwarden rules check` on a directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.ctl.main import build
from innerwarden.errors import UsageError

RUNNER = CliRunner()
RULE = """\
title: {title}
logsource: {{product: linux, category: {category}}}
detection:
  s: {{{test}}}
  condition: s
level: low
"""


def invoke(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(build(), ["rules", "check", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    for name, category, test in (
        ("good", "process_creation", "Image: /a"),
        ("half", "file_event", "TargetFilename|endswith: .sh"),
        ("bad", "process_creation", "Imagee: /a"),
    ):
        text = RULE.format(title=name, category=category, test=test)
        (tmp_path / f"{name}.yml").write_text(text)
    return tmp_path


def test_the_numbers_and_the_reasons(rules: Path) -> None:
    code, out = invoke(str(rules))
    assert code == 1
    lines = [line.split() for line in out.splitlines()]
    assert ["process_creation", "2", "1", "0", "1"] in lines
    assert ["all", "3", "1", "1", "1"] in lines
    assert "unknown field 'Imagee'" in out
    assert "bad.yml:4: refused" not in out
    assert "bad.yml:4: refused: unknown field 'Imagee'" in invoke(str(rules), "--all")[1]


def test_json(rules: Path) -> None:
    code, out = invoke(str(rules), "--json")
    data = json.loads(out)["data"]
    assert code == 1
    assert (data["rules"], data["compiled"]) == (3, 2)
    assert data["by_state"] == {"fires": 1, "in part": 1, "refused": 1}
    assert {(d["file"], d["state"]) for d in data["documents"]} == {
        ("good.yml", "fires"),
        ("half.yml", "in part"),
        ("bad.yml", "refused"),
    }


def test_only_good_rules_end_well(rules: Path) -> None:
    (rules / "bad.yml").unlink()
    assert invoke(str(rules))[0] == 0
    assert invoke(str(rules / "good.yml"), "--json")[0] == 0


def test_nothing_to_look_at_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.yml"):
        invoke(str(tmp_path))
    with pytest.raises(UsageError, match="there is no"):
        invoke(str(tmp_path / "nosuch"))
