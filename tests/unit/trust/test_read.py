# SPDX-License-Identifier: Apache-2.0
"""Trust files as text: every problem at once, each with its line and what to do."""

from __future__ import annotations

import pytest

from innerwarden.model.severity import Severity
from innerwarden.trust.read import read
from tests.unit.trust.support import text

EXE = '\n[trust.exe]\npath = "{}"\n'


def said(source: str) -> list[str]:
    return read(source, "t.toml")[1]


def test_a_good_file() -> None:
    source = "# why\n" + text() + "\n" + text(id='"two"', expires="", no_expiry="true", up_to='"high"')
    placed, problems = read(source, "t.toml")
    assert problems == []
    assert [(p.entry.id, p.line, p.entry.up_to) for p in placed] == [
        ("one", 2, Severity.MEDIUM),
        ("two", 11, Severity.HIGH),
    ]
    assert placed[0].entry.until() == "until 2026-02-01T00:00:00Z"


def test_all_problems_of_all_entries_with_their_lines() -> None:
    source = (
        text(reason='" "', expires="") + text(id='"X Y"', networks='["10.0.0.0/7"]') + "[[trust]]\nid = 3\n"
    )
    problems = said(source)
    assert [problem.split(":")[1] for problem in problems] == ["4", "1", "9", "15", "17"], problems
    for word in ("reason is empty", "no_expiry = true", "'X Y'", "wider than /8", "docs/trust.md"):
        assert any(word in problem for problem in problems), (word, problems)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (text(detectors="[]"), 'write ["all"]'),
        (text(detectors='["all", "x"]'), "leave it alone"),
        (text(detectors='["X-y"]'), "no detector's id"),
        (text(expires="2025-12-31T00:00:00Z"), "not after created"),
        (text(expires="2026-02-01T00:00:00"), "no time zone"),
        (text(no_expiry="true"), "either expires or no_expiry"),
        (text(networks='["192.0.2.1/24"]'), "host bits"),
        (text(networks='["2000::/15"]'), "wider than /16"),
        (text(networks="[]"), "says of nobody"),
        (text(uids="[0]", networks="[]"), "says of nobody"),
        (text(distrust="true", uids="[0]"), "networks alone"),
        (text(surprise="1"), "surprise"),
        (text(comm='"rsync"'), "grants nothing"),
        (text() + '[trust.exe]\npath = "/usr/bin/x"\ncomm = "x"\n', "grants nothing"),
        (text() + '[trust.exe]\nargv0 = "x"\n', "grants nothing"),
        (text() + "[trust.exe]\n", "neither path nor package"),
        (text() + EXE.format("usr/bin/x"), "no plain absolute path"),
        (text() + EXE.format("/usr/../tmp/x"), "no plain absolute path"),
        (text() + EXE.format("/usr/bin/python3.11"), "runs whatever it is given"),
        (text() + EXE.format("/usr/bin/x") + "inode = 3\n", "go together"),
        (text() + EXE.format("/usr/bin/x") + 'sha256 = "ab"\n', "64 hexadecimal"),
        (text() + '[trust.exe]\npackage = "Rsync"\n', "no package name"),
        ("[trust]\nid = 1\n", "two brackets"),
        ("other = 1\n", "unknown key 'other'"),
        ("[[trust]\n", "correct the TOML"),
    ],
)
def test_what_is_refused(source: str, word: str) -> None:
    problems = said(source)
    assert len(problems) == 1, problems
    assert word in problems[0]
    assert problems[0].startswith("t.toml:")


@pytest.mark.parametrize("more", ["uids = [0]\n", '[trust.ancestor]\npath = "/usr/bin/backup"\n'])
def test_an_interpreter_must_be_narrowed(more: str) -> None:
    python = '[trust.exe]\npath = "/usr/bin/python3"\n'
    assert said(text() + (more + python if more.startswith("uids") else python + more)) == []
    assert said(text(uids="[0, 1000]") + python) != []


def test_distrust_may_be_wide() -> None:
    assert said(text(distrust="true", networks='["0.0.0.0/0"]')) == []
