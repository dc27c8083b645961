# SPDX-License-Identifier: Apache-2.0
"""What a rule can say: any order, optional and absent steps, so many different detectors; and what bounds a story."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.correlate.rule import ChainRule, Join, Order, Step
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding, Trusted
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db
from tests.unit.agent.correlate.real import play
from tests.unit.agent.support import START_NS, finding, process, reading, telemetry

ATTACKER, OTHER = EntityRef.ip("192.0.2.66"), EntityRef.ip("192.0.2.99")


def seen(detector: str, at_s: float, *entities: EntityRef, severity: Severity = Severity.MEDIUM) -> Finding:
    return finding(detector, at_s=at_s, key=str(at_s), entities=entities or (ATTACKER,), severity=severity)


def step(*detectors: str, join: tuple[Join, ...] = (Join.IP,), **more: object) -> Step:
    return Step(name="-".join(detectors), detectors=frozenset(detectors), join=join, **more)  # type: ignore[arg-type]


def rule(*steps: Step, name: str = "a_rule", reference: str = "CL-901", **more: object) -> ChainRule:
    values: dict[str, object] = {
        "window_s": 60,
        "severity": Severity.HIGH,
        "title": f"title of {name}",
        **more,
    }
    return ChainRule(
        id=name,
        reference=reference,
        steps=steps,
        checks=("c",),
        blind_spots=("b",),
        false_positives=("f",),
        **values,
    )  # type: ignore[arg-type]


def ids(row: IncidentRow) -> list[object]:
    return [one.details["incident_id"] for one in row.fields.evidence]


ANY = rule(step("a"), step("b"), step("c"), order=Order.ANY)


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    acts = [seen(name, n * 10) for n, name in enumerate(order)]
    (row,) = play(tmp_path, *acts, rules=[ANY])
    assert ids(row) == [one.fields.incident_id for one in acts]


def test_any_order_still_needs_every_step_one_window_and_one_subject(tmp_path: Path) -> None:
    for name, acts in {
        "a step is missing": [seen("a", 0), seen("b", 10)],
        "too far apart": [seen("c", 0), seen("a", 40), seen("b", 70)],
        "another address": [seen("c", 0, OTHER), seen("a", 10), seen("b", 20)],
    }.items():
        where = tmp_path / name.replace(" ", "_")
        where.mkdir()
        assert play(where, *acts, rules=[ANY]) == [], name


def test_strict_order_is_one(tmp_path: Path) -> None:
    strict = msgspec.structs.replace(ANY, order=Order.STRICT)
    for number, order in enumerate(permutations("abc")):
        where = tmp_path / str(number)
        where.mkdir()
        rows = play(where, *(seen(name, n * 10) for n, name in enumerate(order)), rules=[strict])
        assert bool(rows) == (order == ("a", "b", "c")), order


def test_an_optional_step_ties_when_it_is_there(tmp_path: Path) -> None:
    bridged = rule(
        step("a"),
        step("b", join=(Join.IP,), optional=True),
        step("c", join=(Join.IP, Join.USER)),
        window_s=60,
    )
    ana = EntityRef.user("ana")
    tied = [seen("a", 0), seen("b", 10, ATTACKER, ana), seen("c", 20, ana)]
    (row,) = play(tmp_path, *tied, rules=[bridged])
    assert len(ids(row)) == 3
    for name, acts in {
        "without": [tied[0], tied[2]],
        "of another": [tied[0], seen("b", 10, OTHER, ana), tied[2]],
    }.items():
        (tmp_path / name).mkdir()
        assert play(tmp_path / name, *acts, rules=[bridged]) == [], name
    (tmp_path / "direct").mkdir()
    assert len(play(tmp_path / "direct", seen("a", 0), seen("c", 20), rules=[bridged])) == 1


@pytest.mark.parametrize("order", ["bac", "acb"])
def test_a_bridge_out_of_its_order_ties_nothing(tmp_path: Path, order: str) -> None:
    bridged = rule(step("a"), step("b", optional=True), step("c", join=(Join.IP, Join.USER)))
    ana = EntityRef.user("ana")
    about = {"a": (ATTACKER,), "b": (ATTACKER, ana), "c": (ana,)}
    acts = [seen(name, n * 10, *about[name]) for n, name in enumerate(order)]
    assert play(tmp_path, *acts, rules=[bridged]) == []


def test_a_step_of_several_detectors_is_done_with_the_last_of_them(tmp_path: Path) -> None:
    chain = rule(step("a", "b", distinct=2), step("c"))
    assert play(tmp_path, seen("a", 0), seen("c", 10), seen("b", 20), rules=[chain]) == []
    assert len(play(tmp_path, seen("c", 30), rules=[chain])) == 1


DISTINCT = rule(step("a", "b", "c", "d", distinct=3))


def test_so_many_different_detectors(tmp_path: Path) -> None:
    assert play(tmp_path, seen("a", 0), seen("b", 1), seen("a", 2), seen("b", 3), rules=[DISTINCT]) == []
    (row,) = play(tmp_path, seen("d", 4), rules=[DISTINCT])
    assert len(ids(row)) == 5


def test_different_detectors_of_one_window_and_one_address(tmp_path: Path) -> None:
    assert (
        play(tmp_path, seen("a", 0), seen("b", 1), seen("c", 2, OTHER), seen("c", 70), rules=[DISTINCT]) == []
    )


LOW = rule(Step(name="small", join=(Join.IP,), max_severity=Severity.LOW, distinct=3))


def test_three_small_signs_of_any_detector(tmp_path: Path) -> None:
    small = [seen(name, n, severity=Severity.LOW) for n, name in enumerate(("x", "y", "z"))]
    (row,) = play(tmp_path, *small, rules=[LOW])
    assert row.severity is Severity.HIGH and len(ids(row)) == 3
    (tmp_path / "graver").mkdir()
    graver = [*small[:2], seen("z", 2, severity=Severity.MEDIUM)]
    assert play(tmp_path / "graver", *graver, rules=[LOW]) == []


ABSENT = rule(step("a"), step("b"), step("c", absent=True, within_s=30))


@pytest.mark.parametrize(
    ("after", "stories"),
    [
        ([], 1),
        ([seen("c", 20)], 0),
        ([seen("c", 40.0)], 0),
        ([seen("c", 41)], 1),
        ([seen("c", 20, OTHER)], 1),
        ([seen("c", 2)], 1),
        ([seen("c", 6)], 0),
    ],
)
def test_what_must_not_follow(tmp_path: Path, after: list[Finding], stories: int) -> None:
    rows = play(tmp_path, seen("a", 0), seen("b", 10), *after, rules=[ABSENT])
    assert len(rows) == stories
    assert all("then no sign of: c" in row.summary for row in rows)


def test_what_follows_counts_by_the_key_that_its_step_asks_for(tmp_path: Path) -> None:
    ana = EntityRef.user("ana")
    both = (Join.IP, Join.USER)
    silent = rule(step("a", join=both), step("b", join=both), step("c", absent=True, within_s=30))
    acts = [seen("a", 0, ATTACKER, ana), seen("b", 10, ATTACKER, ana)]
    assert len(play(tmp_path, *acts, seen("c", 20, OTHER, ana), rules=[silent])) == 1


def test_nothing_is_told_before_its_time(tmp_path: Path) -> None:
    """By the clock 30 s and a minute for what is late; a finding from later says the same sooner."""
    acts = [seen("a", 0), seen("b", 10)]
    assert play(tmp_path, *acts, rules=[ABSENT], clock_s=80) == []
    assert play(tmp_path, seen("x", 95), rules=[ABSENT], clock_s=0) == []
    assert len(play(tmp_path, seen("x", 101), rules=[ABSENT], clock_s=0)) == 1


def test_an_expected_step_that_comes_late_still_counts(tmp_path: Path) -> None:
    assert play(tmp_path, seen("a", 0), seen("b", 10), rules=[ABSENT], clock_s=80) == []
    assert play(tmp_path, seen("x", 90), seen("c", 20), seen("x", 101), rules=[ABSENT]) == []


def test_the_sensor_that_still_sends_its_numbers_is_not_silent(tmp_path: Path) -> None:
    silent = rule(
        step("sensor_signalled", join=(Join.PART,)),
        step("telemetry", join=(Join.PART,), absent=True, within_s=300),
    )
    attack = finding("sensor_signalled", process=process(77, 5000, 400))
    cases = {"before": (-30.0, 1), "at once": (3.0, 1), "after": (60.0, 0), "too late": (301.0, 1)}
    for name, (at_s, stories) in cases.items():
        where = tmp_path / name.replace(" ", "_")
        where.mkdir()
        assert len(play(where, attack, telemetry(at_s), rules=[silent])) == stories, name


def test_silence_while_no_agent_ran_says_nothing(tmp_path: Path) -> None:
    """Sensor and agent were stopped together, by a signal, and start again the next day."""
    silent = rule(
        step("sensor_signalled", join=(Join.PART,)),
        step("telemetry", join=(Join.PART,), absent=True, within_s=300),
    )
    attack = finding("sensor_signalled", process=process(77, 5000, 400))
    assert play(tmp_path, attack, rules=[silent], clock_s=86_400) == []
    assert play(tmp_path, telemetry(86_400), seen("x", 86_410), rules=[silent]) == []


def test_what_a_trust_entry_lowered_takes_no_part(tmp_path: Path) -> None:
    def lowered(one: Finding) -> Finding:
        trusted = Trusted(entry="e", severity=one.severity, lowered=True, reason="r", owner="o")
        fields = msgspec.structs.replace(one.fields, trusted=trusted)
        return msgspec.structs.replace(one, severity=Severity.DEBUG, fields=fields)

    pair = rule(step("a"), step("b"))
    assert play(tmp_path, seen("a", 0), lowered(seen("b", 10)), rules=[pair]) == []
    assert len(play(tmp_path, seen("b", 11), rules=[pair])) == 1


def test_a_step_that_arrives_an_hour_late_completes_the_story(tmp_path: Path) -> None:
    """A log file that is read again after its disk was away: event time counts, not arrival."""
    pair = rule(step("a"), step("b"))
    assert play(tmp_path, seen("b", 10), seen("x", 3600), rules=[pair]) == []
    assert len(play(tmp_path, seen("a", 0), rules=[pair])) == 1


FIRST = rule(step("a"), step("b"), name="first", reference="CL-901")
SECOND = rule(step("b"), step("c"), step("d"), name="second", reference="CL-902", severity=Severity.CRITICAL)


class _Triaged:
    durable = False

    def __init__(self, mark: bool) -> None:
        self.mark = mark

    def apply(self, tx: Tx) -> list[object]:
        if self.mark:
            tx.db.execute("UPDATE incidents SET triaged_ns = 1")
        return [n for (n,) in tx.db.execute("SELECT triaged_ns FROM incidents WHERE source = 'correlation'")]


def triaged(data_dir: Path, mark: bool = False) -> list[object]:
    writer = Writer(state_db(data_dir))
    try:
        return writer.run(_Triaged(mark))
    finally:
        writer.close()


def test_chains_with_a_finding_in_common_are_one_growing_story(tmp_path: Path) -> None:
    both = [FIRST, SECOND]
    (small,) = play(tmp_path, seen("a", 0), seen("b", 10), rules=both)
    assert (small.title, small.severity) == ("title of first", Severity.HIGH)
    triaged(tmp_path, mark=True)
    (large,) = play(tmp_path, seen("c", 20), seen("d", 30), rules=both)
    assert (large.id, large.incident_id, large.detector) == (small.id, small.incident_id, "first")
    assert (large.title, large.severity) == ("title of second", Severity.CRITICAL)
    assert large.ts == rfc3339(START_NS + 30 * 10**9)
    assert large.fields.tags == ("correlation", "CL-901", "CL-902")
    assert "Also in this story: title of first" in large.summary
    assert [n[:2] for n in map(str, ids(large))] == ["a:", "b:", "c:", "d:"]
    assert triaged(tmp_path) == [None], "a story that became graver is triaged again"
    with reading(tmp_path) as reader:
        assert len(reader.related(large.incident_id)) == 4
        assert reader.counters()["stories_grown"] == 1


def test_a_story_that_grows_without_becoming_graver_is_not_triaged_again(tmp_path: Path) -> None:
    calm = msgspec.structs.replace(SECOND, severity=Severity.HIGH)
    play(tmp_path, seen("a", 0), seen("b", 10), rules=[FIRST, calm])
    triaged(tmp_path, mark=True)
    (row,) = play(tmp_path, seen("c", 20), seen("d", 30), rules=[FIRST, calm])
    assert row.fields.tags == ("correlation", "CL-901", "CL-902")
    assert triaged(tmp_path) == [1]


def test_chains_without_a_common_finding_are_two_stories(tmp_path: Path) -> None:
    apart = msgspec.structs.replace(SECOND, steps=(step("e"), step("f")))
    rows = play(tmp_path, seen("a", 0), seen("b", 10), seen("e", 20), seen("f", 30), rules=[FIRST, apart])
    assert [row.detector for row in rows] == ["first", "second"]


def test_a_story_that_was_closed_does_not_grow(tmp_path: Path) -> None:
    play(tmp_path, seen("a", 0), seen("b", 10), rules=[FIRST, SECOND])
    writer = Writer(state_db(tmp_path))
    writer.run(_Close())
    writer.close()
    rows = play(tmp_path, seen("c", 20), seen("d", 30), rules=[FIRST, SECOND])
    assert [row.detector for row in rows] == ["first", "second"]


class _Close:
    durable = False

    def apply(self, tx: Tx) -> None:
        tx.db.execute("UPDATE incidents SET status = 'closed' WHERE source = 'correlation'")


def test_a_flood_of_one_step_hides_neither_its_beginning_nor_the_others(tmp_path: Path) -> None:
    flood = [seen("b", 10 + n / 10) for n in range(300)]
    chain = rule(step("a"), step("b"), step("c"), step("d"))
    between = [seen("a", 0), *flood[:150], seen("c", 24.95), *flood[150:], seen("d", 50)]
    (row,) = play(tmp_path, *between, rules=[chain])
    assert {str(one)[0] for one in ids(row)} == set("abcd")
    assert trail(tmp_path) <= 8 + 3


def test_a_story_has_a_bounded_number_of_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerwarden.agent.correlate.engine.MAX_MEMBERS", 12)
    (row,) = play(tmp_path, seen("a", 0), *(seen("b", 1 + n / 10) for n in range(40)), rules=[FIRST])
    with reading(tmp_path) as reader:
        assert len(reader.related(row.incident_id)) == 12
        assert reader.counters()["story_members_left_out"] == 41 - 12


def test_what_is_awaited_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from innerwarden.agent.state.maintain import ExpireTrail

    monkeypatch.setattr("innerwarden.agent.state.maintain.AWAITED_KEPT", 5)
    acts = [seen(name, n, EntityRef.ip(f"192.0.2.{n}")) for n in range(20) for name in "ab"]
    play(tmp_path, *acts, rules=[ABSENT], clock_s=0)
    assert trail(tmp_path, "awaited") == 20
    writer = Writer(state_db(tmp_path))
    writer.run(ExpireTrail())
    writer.close()
    assert trail(tmp_path, "awaited") == 5


class _Count:
    durable = False

    def __init__(self, table: str) -> None:
        self.table = table

    def apply(self, tx: Tx) -> int:
        return int(tx.db.execute(f"SELECT count(*) FROM {self.table}").get)


def trail(data_dir: Path, table: str = "trail") -> int:
    writer = Writer(state_db(data_dir))
    try:
        return writer.run(_Count(table))
    finally:
        writer.close()
