# SPDX-License-Identifier: Apache-2.0
"""Every correlation rule: a story that completes it, one that almost does, and every detector that it names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.correlate.rule import ChainRule
from innerwarden.model.finding import Finding
from tests.unit.agent.correlate.real import Act, made, play
from tests.unit.agent.support import telemetry

RULES = {rule.id: rule for rule in find_rules()}
FILE = Path(__file__).with_name("stories.toml")
#: Longer than any window.
APART_S = 4 * 86_400


class Story(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    acts: tuple[Act, ...]
    miss: dict[str, str | int | bool]


STORIES = msgspec.convert(tomllib.loads(FILE.read_text("utf-8")), dict[str, Story])


def acted(acts: tuple[Act, ...]) -> list[Finding]:
    return [made(act, number) for number, act in enumerate(acts)]


def told(tmp_path: Path, rule: ChainRule, acts: tuple[Act, ...]) -> bool:
    return any(rule.reference in row.fields.tags for row in play(tmp_path, *acted(acts)))


def test_every_rule_has_its_story_and_no_story_is_left_over() -> None:
    assert set(STORIES) == set(RULES)


@pytest.mark.parametrize("name", STORIES)
def test_the_story_is_told_once(tmp_path: Path, name: str) -> None:
    rule, acts = RULES[name], STORIES[name].acts
    (row,) = play(tmp_path, *acted(acts))
    assert rule.reference in row.fields.tags
    assert row.severity.at_least(rule.severity)
    needed = {made(act, number).fields.incident_id for number, act in enumerate(acts)}
    assert {one.details["incident_id"] for one in row.fields.evidence} == needed


@pytest.mark.parametrize("name", STORIES)
def test_one_difference_and_it_is_not_told(tmp_path: Path, name: str) -> None:
    rule, story = RULES[name], STORIES[name]
    change = dict(story.miss)
    if "telemetry_s" in change:
        rows = play(tmp_path, *acted(story.acts), telemetry(float(change["telemetry_s"])))
        assert not any(rule.reference in row.fields.tags for row in rows)
        return
    number = int(change.pop("act"))
    acts = list(story.acts)
    acts[number] = msgspec.structs.replace(acts[number], **change)
    acts.sort(key=lambda act: act.at_s)
    assert acts != list(story.acts)
    assert not told(tmp_path, rule, tuple(acts))


@pytest.mark.parametrize("name", STORIES)
def test_every_act_is_needed(tmp_path: Path, name: str) -> None:
    acts = STORIES[name].acts
    for left_out in range(len(acts)):
        where = tmp_path / str(left_out)
        where.mkdir()
        assert not told(where, RULES[name], acts[:left_out] + acts[left_out + 1 :])


def variants(acts: tuple[Act, ...], place: int, detector: str, number: int) -> list[tuple[Act, ...]]:
    """The story with another detector in one place, each time by another actor on another day: as it stands, below the
    web server, in a container, about one file."""
    out = []
    for turn, change in enumerate(
        ({}, {"web": True}, {"contained": True}, {"path": "/srv/x{n}"}, {"source": "web.request"})
    ):
        n = number * 5 + turn + 1
        actor = {
            "ip": f"10.{n // 250}.{n % 250}.7",
            "uid": 2000 + n,
            "session": n,
            "container": f"{n:064x}"[::-1],
        }
        told = {key: value.format(n=n) if isinstance(value, str) else value for key, value in change.items()}
        moved = [msgspec.structs.replace(act, at_s=act.at_s + n * APART_S, **actor, **told) for act in acts]
        moved[place] = msgspec.structs.replace(moved[place], detector=detector)
        out.append(tuple(moved))
    return out


@pytest.mark.parametrize("name", STORIES)
def test_every_detector_of_every_step_can_be_it(tmp_path: Path, name: str) -> None:
    rule, acts = RULES[name], STORIES[name].acts
    tried: list[tuple[str, tuple[Act, ...]]] = []
    for number, step in enumerate(rule.steps):
        if step.absent:
            continue
        place = max(n for n, act in enumerate(acts) if number == place_of(rule, act))
        used = {act.detector for act in acts}
        for detector in sorted(step.detectors - used) or [acts[place].detector]:
            tried += [(detector, one) for one in variants(acts, place, detector, len(tried) // 5)]
    rows = play(tmp_path, *(finding for _, one in tried for finding in acted(one)))
    told = {
        str(one.details["incident_id"])
        for row in rows
        if rule.reference in row.fields.tags
        for one in row.fields.evidence
    }
    works = {
        detector
        for detector, one in tried
        if told >= {finding.fields.incident_id for finding in acted(one) if finding.detector == detector}
    }
    assert {detector for detector, _ in tried} - works == set()


def place_of(rule: ChainRule, act: Act) -> int | None:
    """The step of the rule that an act is."""
    finding = made(act, 0)
    return rule.step_of(finding.detector, finding.severity.rank)
