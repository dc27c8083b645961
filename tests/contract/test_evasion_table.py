# SPDX-License-Identifier: Apache-2.0
"""The evasion table is whole, names what exists, and its document says the same."""

from __future__ import annotations

import re

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from innerwarden.sensor.blind_spots import declared
from innerwarden.sensor.gap import DETECTOR as GAP
from tests.evasion import document, obstacles
from tests.evasion.runner import PROGRAMS
from tests.evasion.table import CASES

TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


def test_each_of_the_forty_eight_has_an_answer() -> None:
    assert [case.number for case in CASES] == list(range(1, 49))
    for case in CASES:
        assert case.technique and case.answer
        assert bool(case.acts) + bool(case.blind_spot) == 1, case.number


def test_every_act_names_what_exists() -> None:
    detectors = {*load_modules([paths.REPOSITORY / "modules"], Config()).specs, GAP}
    marks = set()
    for case in CASES:
        for act in case.acts:
            text = (PROGRAMS / f"{act.program}.py").read_text("utf-8")
            assert f"\ndef {act.act}(job: Job)" in text, act
            assert act.expects, act
            assert {expect.detector for expect in act.expects} <= detectors, act
            assert all(callable(getattr(obstacles, name, None)) for name in act.needs), act
            assert (case.number, act.act) not in marks
            marks.add((case.number, act.act))


def test_every_act_of_a_program_is_in_the_table() -> None:
    used = {(act.program, act.act) for case in CASES for act in case.acts}
    for path in PROGRAMS.glob("*.py"):
        for name in re.findall(
            r"^def ([a-z]\w+)\(job: Job\) -> None:", path.read_text("utf-8"), re.MULTILINE
        ):
            assert (path.stem, name) in used, f"{path.name}: {name}"


def test_blind_spots_are_sentences_with_ids_of_their_own() -> None:
    spots = declared()
    assert len({spot.id for spot in spots}) == len(spots)
    for spot in spots:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", spot.id)
        assert spot.sentence[0].isupper() and spot.instead
        assert all(TECHNIQUE.fullmatch(technique) for technique in spot.techniques)
    assert {case.blind_spot for case in CASES if case.blind_spot} <= {spot.id for spot in spots}


def test_the_document_is_that_of_the_table() -> None:
    text = document.PATH.read_text("utf-8")
    for case in CASES:
        assert text.count(f"\n{document.row_head(case)} ") == 1, case.number
    for spot in declared():
        assert f"| `{spot.id}` | {spot.sentence} |" in text
