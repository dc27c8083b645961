# SPDX-License-Identifier: Apache-2.0
"""Routing over a real database: once per incident and channel, groups, digest, burst, bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.agent.notify.route import GROUPS_KEPT
from innerwarden.clock import NS
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import BlockAddress
from tests.unit.agent.notify.support import HOUR_NS, NOON_NS, Again, one_channel, store


def test_an_incident_reaches_each_channel_once(tmp_path: Path) -> None:
    channel = ChannelConfig(kind="syslog", address="unix:///dev/log")
    config = NotifyConfig(enabled=True, channels={"ops": channel, "siem": channel})
    with store(tmp_path, config) as one:
        incident = one.triage(times=2)
        one.route()
        one.route()
        for name in config.channels:
            assert [(r.key, r.state) for r in one.rows(name)] == [(incident, "due")]


def test_a_second_hand_over_counts_nowhere(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.triage()
        one.triage()
        one.route()
        for number in (1, 2):
            one.writer.run(Again(number))
        one.route()
        assert one.states() == {"due": 1, "grouped": 1}
        assert one.ask("SELECT held FROM notice_groups") == [(1,)]


@pytest.mark.parametrize("severity", [Severity.HIGH, Severity.CRITICAL])
def test_a_proposal_that_comes_later_is_told_besides(tmp_path: Path, severity: Severity) -> None:
    with store(tmp_path, one_channel()) as one:
        incident = one.triage(severity, outcome=Outcome.NEEDS_REVIEW)
        one.route()
        for _ in range(2):
            one.writer.run(Again(1, "r7"))
            one.route()
        first, later = one.rows()
        assert (first.key, later.key) == (incident, f"{incident}#r7")
        assert later.state == "due"
        message = later.message()
        assert (message.key, message.incident_id, message.response_id) == (f"{incident}#r7", incident, "r7")
        assert message.outcome is Outcome.PROPOSE


def test_what_was_decided_later_replaces_what_was_not_taken(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.triage(outcome=Outcome.NEEDS_REVIEW)
        one.writer.run(Again(1, "r7"))
        one.route()
        assert [r.message().response_id for r in one.rows()] == ["r7"]


def test_what_is_handed_over_is_kept_in_the_message(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        verb = BlockAddress(address="203.0.113.9")
        incident = one.triage(outcome=Outcome.PROPOSE, verb=verb, response_id="r7")
        one.route()
        message = one.rows()[0].message()
        assert (message.incident_id, message.summary) == (incident, "12 failed logins")
        assert (message.outcome, message.action) == (Outcome.PROPOSE, "block address: 203.0.113.9")
        assert (message.ttl_s, message.response_id) == (3600, "r7")
        assert [(e.type.value, e.value) for e in message.entities] == [("ip", "203.0.113.9")]


@pytest.mark.parametrize("enabled", [False, True])
def test_nobody_is_told_until_it_is_switched_on(tmp_path: Path, enabled: bool) -> None:
    channel = ChannelConfig(kind="syslog", address="unix:///dev/log", enabled=not enabled)
    with store(tmp_path, NotifyConfig(enabled=enabled, channels={"ops": channel})) as one:
        one.triage(Severity.CRITICAL)
        assert one.route().due == ()
        assert one.rows() == []
        assert one.ask("SELECT count(*) FROM notice_intake") == [(0,)]


def test_the_first_of_a_group_passes_and_the_rest_is_counted(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(group_count=5, group_window_s=1800)) as one:
        for minute in range(12):
            one.triage(Severity.MEDIUM if minute == 2 else Severity.HIGH, outcome=Outcome.PROPOSE)
            one.route(NOON_NS + minute * 60 * NS)
        assert one.states() == {"due": 2, "grouped": 11}
        first, summary = one.rows(state="due")
        assert (first.kind, summary.kind, summary.message().count) == ("incident", "summary", 5)
        assert summary.message().severity is Severity.HIGH
        one.route(NOON_NS + 1801 * NS)
        last = one.rows(kind="summary")[-1].message()
        assert last.count == 6
        assert [e.value for e in last.entities] == ["203.0.113.9"]
        one.route(NOON_NS + 1802 * NS)
        assert len(one.rows(kind="summary")) == 2


def test_a_window_without_more_ends_silently(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.triage()
        one.route()
        one.route(NOON_NS + 2 * HOUR_NS)
        assert [r.kind for r in one.rows()] == ["incident"]
        one.triage()
        one.route(NOON_NS + 2 * HOUR_NS)
        assert one.states() == {"due": 2}


def test_within_the_cooldown_after_a_window_the_next_is_counted(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(group_window_s=60, cooldown_s=600)) as one:
        one.triage()
        one.route()
        one.route(NOON_NS + 61 * NS)
        one.triage()
        one.route(NOON_NS + 599 * NS)
        assert one.states() == {"due": 1, "grouped": 1}
        one.route(NOON_NS + 1200 * NS)
        assert [r.message().count for r in one.rows(kind="summary")] == [1]
        one.triage()
        one.route(NOON_NS + 1801 * NS)
        assert len(one.rows(kind="incident", state="due")) == 2


def test_another_address_or_detector_is_another_group(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.triage()
        one.triage(entity=EntityRef.ip("203.0.113.10"))
        one.triage(detector="web_shell")
        one.route()
        assert one.states() == {"due": 3}


def test_a_critical_passes_what_holds_the_rest(tmp_path: Path) -> None:
    config = one_channel(hourly_cap=1, quiet_hours="11-14", detectors=["web_*"])
    with store(tmp_path, config) as one:
        for _ in range(5):
            one.triage(Severity.CRITICAL)
            one.triage(detector="web_shell")
        one.route()
        assert one.states() == {"deferred": 5, "due": 5}
        assert {r.severity for r in one.rows(state="due")} == {Severity.CRITICAL.rank}


@pytest.mark.parametrize(
    "settings",
    [{}, {"group_window_s": 0, "cooldown_s": 0}, {"quiet_hours": "11-14", "hourly_cap": 1}],
    ids=["default", "no grouping", "quiet"],
)
def test_repetitions_of_a_critical_are_counted_and_told(tmp_path: Path, settings: dict[str, object]) -> None:
    with store(tmp_path, one_channel(**settings)) as one:
        first = one.triage(Severity.CRITICAL)
        one.route()
        for minute in range(1, 6):
            one.triage(Severity.CRITICAL, folded_into=first)
            one.route(NOON_NS + minute * 60 * NS)
        assert one.states() == {"due": 1, "grouped": 5}
        one.route(NOON_NS + (60 + 599) * NS)
        assert one.rows(kind="summary") == []
        one.route(NOON_NS + (60 + 601) * NS)
        (summary,) = one.rows(kind="summary")
        assert (summary.state, summary.due_ns) == ("due", NOON_NS + (60 + 601) * NS)
        told = summary.message()
        assert (told.count, told.severity, told.detector) == (5, Severity.CRITICAL, "ssh_brute_force")
        assert [e.value for e in told.entities] == ["203.0.113.9"]
        one.route(NOON_NS + 3 * HOUR_NS)
        assert len(one.rows(kind="summary")) == 1
        one.triage(Severity.CRITICAL)
        one.route(NOON_NS + 3 * HOUR_NS)
        assert len(one.rows(state="due", kind="incident")) == 2, "the next that does not fold is told at once"


def test_a_repetition_ends_the_window_of_lesser_ones_early(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(group_window_s=3600)) as one:
        one.triage()
        first = one.triage(Severity.CRITICAL)
        one.triage(Severity.CRITICAL, folded_into=first)
        one.route()
        one.route(NOON_NS + 599 * NS)
        assert one.rows(kind="summary") == []
        one.route(NOON_NS + 601 * NS)
        assert [r.message().count for r in one.rows(kind="summary")] == [1]


def test_a_filter_for_criticals_keeps_their_repetitions_too(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(detectors=["web_*"], filter_criticals=True)) as one:
        first = one.triage(Severity.CRITICAL)
        one.triage(Severity.CRITICAL, folded_into=first)
        one.route()
        assert one.rows() == []


def test_above_the_cap_the_digest_tells(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(hourly_cap=3)) as one:
        one.route()
        for number in range(8):
            one.triage(entity=EntityRef.ip(f"203.0.113.{number}"), outcome=Outcome.ACT)
        one.route()
        assert one.states() == {"deferred": 5, "due": 3}
        one.route(NOON_NS + 24 * HOUR_NS)
        [digest] = one.rows(kind="digest")
        held = digest.message().held
        assert held is not None
        assert (held.total, held.entities, held.by_outcome) == (5, 5, {"act": 5})
        assert held.by_detector == (("ssh_brute_force", 5),)
        assert one.states() == {"due": 4, "told": 5}
        one.route(NOON_NS + 25 * HOUR_NS)
        assert len(one.rows(kind="digest")) == 1


def test_a_day_without_anything_has_no_digest(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.route()
        one.route(NOON_NS + 48 * HOUR_NS)
        assert one.rows() == []


def test_a_restart_does_not_repeat_the_digest(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.route()
        one.triage(Severity.MEDIUM)
        one.route(NOON_NS + 21 * HOUR_NS)
        assert len(one.rows(kind="digest")) == 1
        one.triage(Severity.MEDIUM)
    with store(tmp_path, one_channel()) as one:
        one.route(NOON_NS + 22 * HOUR_NS)
        assert len(one.rows(kind="digest")) == 1
        one.route(NOON_NS + 44 * HOUR_NS)
        assert [r.message().held.total for r in one.rows(kind="digest")] == [1, 1]  # type: ignore[union-attr]


def test_a_flood_makes_one_message_with_the_true_numbers(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(burst_count=50, hourly_cap=2, group_count=100_000)) as one:
        for number in range(51):
            one.triage(entity=EntityRef.ip(f"203.0.113.{number}"), outcome=Outcome.ACT)
        one.triage(entity=EntityRef.ip("203.0.113.0"))  # grouped with the first
        one.route()
        [burst] = one.rows(kind="burst")
        held = burst.message().held
        assert held is not None
        assert (held.total, held.by_outcome, held.entities) == (50, {"act": 49, "watch": 1}, 50)
        assert burst.message().severity is Severity.HIGH
        for number in range(60):
            one.triage(entity=EntityRef.ip(f"198.51.100.{number}"))
        one.route(NOON_NS + 60 * NS)
        assert len(one.rows(kind="burst")) == 1


def test_below_the_number_there_is_no_burst(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(burst_count=50, hourly_cap=2)) as one:
        for number in range(51):
            one.triage(entity=EntityRef.ip(f"203.0.113.{number}"))
        one.route()
        assert one.states() == {"deferred": 49, "due": 2}


def test_the_outbox_is_bounded_and_keeps_criticals(tmp_path: Path) -> None:
    config = NotifyConfig(
        enabled=True,
        outbox_entries=100,
        channels={"ops": one_channel(hourly_cap=60, burst_count=100_000).channels["ops"]},
    )
    with store(tmp_path, config) as one:
        one.route()
        for number in range(80):
            one.triage(entity=EntityRef.ip(f"203.0.113.{number}"))
            one.triage(Severity.CRITICAL)
            one.triage(Severity.MEDIUM, entity=EntityRef.ip(f"198.51.100.{number}"))
        one.route()
        rows = one.rows()
        assert len([r for r in rows if r.severity == Severity.CRITICAL.rank]) == 80
        # 240 came, 100 stay: all 80 medium go first, then the 20 high that wait, then 40 of the 60 due.
        assert len(rows) == 100
        assert one.states() == {"due": 100}
        assert one.counters()["notices_evicted"] == 140
        one.route(NOON_NS + 24 * HOUR_NS)
        assert [r.message().evicted for r in one.rows(kind="digest")] == [140]
        since = one.counters()["notices_evicted"] - 140
        one.config = NotifyConfig(enabled=True, outbox_entries=1000, channels=config.channels)
        one.triage(Severity.MEDIUM)
        one.route(NOON_NS + 24 * HOUR_NS)
        one.route(NOON_NS + 48 * HOUR_NS)
        assert [r.message().evicted for r in one.rows(kind="digest")] == [140, since]
        assert since < 5


def test_only_criticals_may_exceed_the_bound(tmp_path: Path) -> None:
    config = NotifyConfig(enabled=True, outbox_entries=100, channels=one_channel().channels)
    with store(tmp_path, config) as one:
        for _ in range(120):
            one.triage(Severity.CRITICAL)
        one.route()
        assert one.states() == {"due": 120}
        assert "notices_evicted" not in one.counters()


def test_a_summary_waits_for_the_end_of_quiet_hours(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(quiet_hours="13-15", group_window_s=3600)) as one:
        one.triage()
        one.triage()
        one.route(NOON_NS + 1800 * NS)
        one.route(NOON_NS + 5401 * NS)
        [summary] = one.rows(kind="summary")
        assert summary.due_ns == NOON_NS + 3 * HOUR_NS
        assert one.route(NOON_NS + 2 * HOUR_NS).due == ("ops",)  # the first message


def test_the_end_is_told_where_the_begin_was(tmp_path: Path) -> None:
    pager = ChannelConfig(kind="pagerduty", secret="/etc/x")
    config = NotifyConfig(enabled=True, channels={"ops": pager, "log": one_channel().channels["ops"]})
    with store(tmp_path, config) as one:
        told, small = one.triage(Severity.HIGH), one.triage(Severity.LOW)
        one.route()
        one.close_incident(told)
        one.close_incident(small)
        one.route()
        assert [(r.key, r.kind) for r in one.rows("ops")] == [
            (told, "incident"),
            (f"closed:{told}", "closed"),
        ]
        assert [r.kind for r in one.rows("log")] == ["incident"]


def test_a_channel_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()) as one:
        one.triage()
        one.triage()
        one.route()
        one.config = NotifyConfig(enabled=True, channels={"other": one_channel().channels["ops"]})
        one.route(NOON_NS + 2 * HOUR_NS, prune=True)
        assert one.states() == {"dead": 1, "grouped": 1}
        assert one.counters()["notices_dead"] == 1
        assert one.ask("SELECT count(*) FROM notice_groups") == [(0,)]


def test_too_many_groups_end_early_and_tell(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(hourly_cap=0, burst_count=100_000)) as one:
        first = EntityRef.user("u0")
        one.triage(entity=first)
        one.triage(entity=first)
        one.route(NOON_NS - NS)
        for number in range(1, GROUPS_KEPT + 1):
            one.triage(entity=EntityRef.user(f"u{number}"))
        one.route()
        assert one.ask("SELECT count(*) FROM notice_groups") == [(GROUPS_KEPT,)]
        assert [r.message().count for r in one.rows(kind="summary")] == [1]
