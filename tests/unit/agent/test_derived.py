# SPDX-License-Identifier: Apache-2.0
"""The table of the agent's own incidents says what the rooms that make them say."""

from __future__ import annotations

from innerwarden.agent.baseline import story as baseline
from innerwarden.agent.derived import DERIVED
from innerwarden.agent.dna import story as dna
from innerwarden.agent.killchain.patterns import PATTERNS
from innerwarden.agent.killchain.story import PROGRESS
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from tests.catalogue import MODULES

TABLE = {one.id: one for one in DERIVED}


def test_every_id_is_in_the_table_once_and_no_detectors() -> None:
    made = (
        {pattern.detector for pattern in PATTERNS} | {PROGRESS} | baseline.TITLES.keys() | dna.TITLES.keys()
    )
    assert made <= TABLE.keys()
    assert len(TABLE) == len(DERIVED)
    assert not TABLE.keys() & load_modules([MODULES], Config()).specs.keys()


def test_titles_and_severities_are_the_same() -> None:
    titles = {pattern.detector: pattern.title for pattern in PATTERNS} | baseline.TITLES | dna.TITLES
    assert {name: TABLE[name].title for name in titles} == titles
    assert {p.detector: TABLE[p.detector].severity for p in PATTERNS} == {
        p.detector: p.severity for p in PATTERNS
    }
