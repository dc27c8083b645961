# SPDX-License-Identifier: Apache-2.0
"""module.toml: every problem is found at once and points at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.modules.manifest import read

GOOD = """\
[module]
id = "my-module"
name = "Mine"
version = "1.2.3"
description = "d"
authors = ["a"]
license = "MIT"

[provides]
detectors = ["one_thing"]

[[rules]]
detector = "one_thing"
skill = "block_ip"
min_confidence = 0.5

[security]
allowed_commands = ["/usr/sbin/nft"]

[[preflights]]
kind = "file"
value = "/var/log/x"
remedy = "install x"
"""


def written(tmp_path: Path, text: str) -> Path:
    directory = tmp_path / "my-module"
    directory.mkdir()
    (directory / "module.toml").write_text(text)
    return directory


def test_a_good_manifest_reads_whole(tmp_path: Path) -> None:
    manifest, problems = read(written(tmp_path, GOOD))
    assert problems == []
    assert manifest is not None
    assert manifest.rules[0].skill == "block_ip"
    assert manifest.rules[0].auto_execute is False
    assert manifest.preflights[0].kind == "file"


def test_all_problems_are_reported_with_their_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace('"my-module"', '"My Module"')
        .replace("1.2.3", "one")
        .replace('authors = ["a"]', "authors = []")
        .replace('detectors = ["one_thing"]', 'detectors = ["One-Thing"]')
        .replace("/usr/sbin/nft", "rm -rf /")
        .replace('kind = "file"', 'kind = "magic"')
    )
    _, problems = read(written(tmp_path, text))
    lines = {int(problem.rsplit("module.toml:", 1)[1].split(":")[0]) for problem in problems}
    assert {2, 4, 6, 10, 18} <= lines
    assert len(problems) >= 8, problems


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("[provides]", "colour = 1\n[provides]"), 9),
        (GOOD.replace('version = "1.2.3"', "version = 3"), 4),
        (GOOD.replace("[security]", "[security"), 17),
    ],
)
def test_what_can_not_be_read_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    manifest, problems = read(written(tmp_path, text))
    assert manifest is None
    assert len(problems) == 1
    assert f"module.toml:{line}:" in problems[0], problems


def test_a_missing_manifest_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    manifest, problems = read(tmp_path)
    assert manifest is None
    assert len(problems) == 1
