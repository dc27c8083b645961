# SPDX-License-Identifier: Apache-2.0
"""What a worker says reaches a person harmless and in bounds."""

from __future__ import annotations

from innerwarden.model.detector import render
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Evidence
from innerwarden.sdk import Finding
from innerwarden.sensor.detection.told import LIST_MAX, plain

EVIL = "a\n\x1b[2Jb\u202e"


def test_nothing_of_it_breaks_a_line_or_moves_the_cursor() -> None:
    told = plain(
        Finding(
            title=EVIL,
            summary=EVIL,
            entities=(EntityRef(EntityType.PATH, EVIL),),
            evidence=(Evidence(kind=EVIL, text=EVIL, ts=EVIL, details={EVIL: EVIL, "n": 7}),),
            checks=(EVIL, "{0.__class__}", "see {exe_path}"),
            attack=("T1059.004", EVIL),
            tags=(EVIL,),
            group=(EVIL,),
            count=-5,
            values={EVIL: EVIL},
        )
    )
    assert all(c.isprintable() for c in str(told).replace("\\\\", ""))
    assert told.attack == ("T1059.004",)
    assert told.count == 1
    assert told.evidence[0].details["n"] == 7
    rendered = [render(check, {"exe_path": "/x"}) for check in told.checks]
    assert rendered[1:] == ["{0.__class__}", "see /x"]


def test_it_has_an_end() -> None:
    long = "x" * 100_000
    told = plain(
        Finding(
            title=long,
            summary=long,
            tags=(long,) * 1000,
            evidence=(Evidence(kind="k", text=long),) * 1000,
            checks=(long,) * 1000,
            values={f"{n}": long for n in range(1000)},
        )
    )
    assert len(told.title or "") < 400
    assert len(told.summary or "") < 1100
    assert len(told.tags) == len(told.evidence) == len(told.checks) == len(told.values) == LIST_MAX
