# SPDX-License-Identifier: Apache-2.0
"""Simulated days through real findings lines: what is learned, when, what is told, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.baseline import engine
from innerwarden.agent.baseline.engine import Baseline, Learn
from innerwarden.agent.baseline.facts import fact_of
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.killchain.engine import KillChain
from innerwarden.agent.state import usual
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Stored, Tx
from innerwarden.agent.state.usual_read import BaselineReport, UsualReader
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, rfc3339
from innerwarden.config import BaselineConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import (
    OBSERVE_ONLY,
    Evidence,
    Finding,
    Process,
    ProcessRef,
    Telemetry,
    TelemetryFields,
)
from innerwarden.model.severity import Severity
from tests.unit.agent.support import append, reading
from tests.unit.agent.support import finding as any_finding

#: 2026-01-05T00:00:00Z, a Monday.
MONDAY_S = 1_767_571_200
HOUR_S = 3600
DAY_S = 24 * HOUR_S
CONFIG = BaselineConfig(time_zone="Etc/UTC")
OFFSET_S = 1_767_323_045
"""Of START_NS in tests.unit.agent.support."""


def known_user(name: str) -> bool:
    return name in ("ana", "root")


class Host:
    """A data directory, and the agent over it with its clock in the test's hand."""

    def __init__(self, data_dir: Path, config: BaselineConfig = CONFIG) -> None:
        self.data_dir = data_dir
        self.config = config
        self.writer = Writer(paths.state_db(data_dir))
        chain, baseline = KillChain(), Baseline(config, known_user)

        def observe(tx: Tx, incident: Stored) -> int:
            return chain.observe(tx, incident) + baseline.observe(tx, incident)

        self.ingest = Ingest(paths.findings(data_dir), self.writer, observe)
        self.now_s = MONDAY_S

    def close(self) -> None:
        self.ingest.close()
        self.writer.close()

    def tell(self, *items: Finding | Telemetry) -> None:
        append(self.data_dir, *items)
        while self.ingest.step() is not None:
            pass

    def learn(self) -> None:
        while self.writer.run(Learn(config=self.config, now_ns=self.now_s * NS)):
            pass

    def minutes(self, until_s: int, every_s: int = 600, **rates: int) -> None:
        """The sensor's reports up to a moment; `rates` are events per hour by kind."""
        lines = []
        while self.now_s + every_s <= until_s:
            self.now_s += every_s
            events = {k.replace("_", ".", 1): v * every_s // HOUR_S for k, v in rates.items()}
            fields = TelemetryFields(host="web-1", period_s=float(every_s), events=events)
            lines.append(
                Telemetry(
                    ts=rfc3339(self.now_s * NS), detector="telemetry", severity=Severity.DEBUG, fields=fields
                )
            )
        self.tell(*lines)
        self.learn()

    def days(self, count: int, *daily: Finding, **rates: int) -> None:
        """So many days; each `daily` finding comes at its time of day."""
        for _ in range(count):
            start_s = self.now_s // DAY_S * DAY_S
            self.tell(*(moved(one, start_s, self.now_s) for one in daily))
            self.minutes(start_s + DAY_S, **rates)

    def rows(self) -> list[IncidentRow]:
        with reading(self.data_dir) as reader:
            return [r for r in reversed(reader.incidents(limit=10_000)) if r.detector.startswith("baseline_")]

    def report(self) -> BaselineReport:
        with UsualReader(paths.state_db(self.data_dir)) as reader:
            return reader.report(self.config.learning_days)

    def counters(self) -> dict[str, int]:
        with reading(self.data_dir) as reader:
            return reader.counters()


@contextmanager
def host(data_dir: Path, config: BaselineConfig = CONFIG) -> Iterator[Host]:
    one = Host(data_dir, config)
    try:
        yield one
    finally:
        one.close()


def moved(one: Finding, day_s: int, unique: int) -> Finding:
    """The same finding on another day."""
    at = engine_time(one) % DAY_S + day_s
    fields = msgspec.structs.replace(one.fields, incident_id=f"{one.fields.incident_id}:{unique}")
    return msgspec.structs.replace(one, ts=rfc3339(at * NS), fields=fields)


def engine_time(one: Finding) -> int:
    from innerwarden.clock import parse_rfc3339

    return parse_rfc3339(one.ts) // NS


def new(kind: str, at_s: float, key: str, **fields: object) -> Finding:
    details = fields.pop("details", {})
    evidence = (Evidence(kind=kind, text="", details=details),)  # type: ignore[arg-type]
    return any_finding(
        "first_seen",
        at_s=at_s - OFFSET_S,
        key=key,
        severity=Severity.DEBUG,
        evidence=evidence,
        attack=(),
        **fields,  # type: ignore[arg-type]
    )


def lineage(parent: str, child: str, at_s: float = MONDAY_S, pid: int = 500) -> Finding:
    above = ProcessRef(pid=400, ppid=1, start_ns=400 * NS, exe=parent)
    process = Process(pid=pid, ppid=400, start_ns=pid * NS, exe=child, ancestors=(above,))
    return new("process.exec", at_s, f"{parent}>{child}", process=process)


def connect(exe: str, ip: str, at_s: float = MONDAY_S, port: int = 443) -> Finding:
    process = Process(pid=600, ppid=1, start_ns=600 * NS, exe=exe)
    return new(
        "network.connect", at_s, f"{exe}>{ip}", process=process, details={"dst_ip": ip, "dst_port": port}
    )


def login(user: str, at_s: float, ip: str = "192.0.2.7") -> Finding:
    return new("ssh.login_success", at_s, f"{user}{ip}", entities=(EntityRef.user(user), EntityRef.ip(ip)))


CRON = [lineage("/usr/sbin/cron", f"/usr/bin/job-{name}", MONDAY_S + 60) for name in ("a", "b", "c")]
SHELL = "/usr/bin/perl"


def test_fourteen_days(tmp_path: Path) -> None:
    """Seven days only mark; then a new lineage, a strange hour and a silence are told, each once."""
    with host(tmp_path) as one:
        morning = [login("ana", MONDAY_S + 9 * HOUR_S), *CRON]
        one.days(3, *morning, process_exec=1200)
        one.tell(lineage("/usr/sbin/cron", "/usr/bin/curl", one.now_s + 30))
        one.days(4, *morning, process_exec=1200)
        assert one.rows() == []
        # On the first Saturday the account's hour of a working day is new too.
        assert [(u.part, u.told) for u in one.report().unusual] == [("login", None), ("lineage", None)]
        assert [part.percent for part in one.report().parts] == [100] * 4
        one.days(6, *morning, process_exec=1200)
        assert one.rows() == []
        one.tell(
            lineage("/usr/sbin/cron", SHELL, one.now_s + 30),
            login("ana", one.now_s + 3 * HOUR_S, "192.0.2.9"),
        )
        one.minutes(one.now_s + 12 * HOUR_S, process_exec=1200)
        one.minutes(one.now_s + 3 * HOUR_S, process_exec=0)  # told once a day, not once an hour
        rows = one.rows()
        assert [(row.detector, row.severity) for row in rows] == [
            ("baseline_new_lineage", Severity.MEDIUM),
            ("baseline_login_hour", Severity.MEDIUM),
            ("baseline_silence", Severity.MEDIUM),
        ]
        assert all(OBSERVE_ONLY in row.fields.tags and row.source == "agent" for row in rows)
        with reading(tmp_path) as reader:
            (because,) = reader.related(rows[0].incident_id)
        assert because.detector == "first_seen"


def test_the_hour_that_still_runs_is_not_judged(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(9, process_exec=3000)
        one.minutes(one.now_s + 1800, process_exec=0)
        assert one.rows() == []


def test_an_hour_that_the_sensor_saw_half_of_is_left_out(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(9, process_exec=3000)
        one.minutes(one.now_s + 1200, process_exec=3000)
        one.now_s += 1800
        one.minutes(one.now_s + 2 * HOUR_S, process_exec=3000)
        assert one.rows() == []
        assert one.counters()["baseline_hours_left_out"] == 1


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0, "baseline_silence"), (2900, None), (8000, None), (20_000, "baseline_rate_spike")],
)
def test_a_full_hour_is_judged_by_its_own_time_of_day(
    tmp_path: Path, rate: int, expected: str | None
) -> None:
    with host(tmp_path) as one:
        for _ in range(8):
            midnight = one.now_s
            one.minutes(midnight + HOUR_S, process_exec=3000)
            one.minutes(midnight + DAY_S, process_exec=60)
        one.minutes(one.now_s + HOUR_S, process_exec=rate)
        one.minutes(one.now_s + 6 * HOUR_S, process_exec=60)
        assert [row.detector for row in one.rows()] == ([expected] if expected else [])
        assert all(not row.severity.at_least(Severity.HIGH) for row in one.rows())


def test_a_new_level_becomes_usual_in_steps(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(8, process_exec=1000)
        one.days(6, process_exec=20_000)
        days = {row.ts[:10] for row in one.rows()}
        assert 1 <= len(days) <= 4


@pytest.mark.parametrize(
    ("hour", "told"),
    [(9, False), (10, False), (8, False), (3, True)],
    ids=["known", "after", "before", "strange"],
)
def test_a_login_is_judged_before_it_is_learned(tmp_path: Path, hour: int, told: bool) -> None:
    with host(tmp_path) as one:
        one.days(8, login("ana", MONDAY_S + 9 * HOUR_S))
        at_s = one.now_s + hour * HOUR_S
        one.tell(login("ana", at_s, "192.0.2.9"))
        assert [row.detector for row in one.rows()] == (["baseline_login_hour"] if told else [])
        one.days(7)
        one.tell(login("ana", at_s + 7 * DAY_S, "192.0.2.10"))
        assert len(one.rows()) == int(told), "it was learned after it was told"


@pytest.mark.parametrize(
    ("at_s", "zone", "hour"),
    [
        (MONDAY_S + 23 * HOUR_S, "Etc/UTC", "weekday 23"),
        (MONDAY_S + 23 * HOUR_S, "Europe/Berlin", "weekday 00"),
        (MONDAY_S + 4 * DAY_S + 23 * HOUR_S, "Europe/Berlin", "weekend 00"),
    ],
)
def test_the_hours_are_those_of_the_time_zone(at_s: int, zone: str, hour: str) -> None:
    fact = fact_of(login("ana", at_s), at_s * NS, ZoneInfo(zone), known_user)
    assert fact is not None and fact.object == hour


def test_an_account_that_is_not_here_teaches_nothing(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(8, login("nobody-here", MONDAY_S + 9 * HOUR_S))
        assert [part.known for part in one.report().parts if part.part == "login"] == [0]


def test_nothing_is_learned_of_an_intruders_tree(tmp_path: Path) -> None:
    """The finding may come before the fact or within the hour after it."""
    with host(tmp_path) as one:
        one.days(8, *CRON)
        evil = lineage("/usr/sbin/cron", "/tmp/x", one.now_s + 10)
        bad = any_finding("crypto_miner", at_s=one.now_s + 1200 - OFFSET_S, process=evil.fields.process)
        one.tell(evil, bad)
        assert [row.detector for row in one.rows()] == ["baseline_new_lineage"]
        one.days(1)
        assert one.counters()["baseline_not_learned"] == 1
        one.tell(moved(evil, one.now_s, 9))
        assert len(one.rows()) == 2


def test_nothing_is_learned_of_a_login_that_was_guessed(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(8, login("ana", MONDAY_S + 9 * HOUR_S))
        at_s = one.now_s + 3 * HOUR_S
        guessed = any_finding(
            "login_after_failures", at_s=at_s - OFFSET_S, entities=(EntityRef.ip("192.0.2.66"),)
        )
        one.tell(login("ana", at_s, "192.0.2.66"), guessed)
        one.days(1)
        one.tell(login("ana", at_s + 7 * DAY_S, "192.0.2.67"))
        assert [row.detector for row in one.rows()] == ["baseline_login_hour"] * 2


@pytest.mark.parametrize(
    ("known", "told"),
    [(0, False), (2, False), (3, True), (101, False)],
    ids=["unknown", "few", "some", "a crawler"],
)
def test_a_new_destination_is_odd_for_a_program_with_a_few(tmp_path: Path, known: int, told: bool) -> None:
    with host(tmp_path) as one:
        one.days(1, *(connect("/usr/bin/agentd", f"198.51.{n}.8", MONDAY_S + n) for n in range(known)))
        one.days(7)
        one.tell(connect("/usr/bin/agentd", "203.0.113.8", one.now_s + 5))
        one.tell(connect("/usr/bin/agentd", "198.51.0.99", one.now_s + 6))
        rows = one.rows()
        assert [row.detector for row in rows] == (["baseline_new_destination"] if told else [])
        assert all(row.severity is Severity.LOW for row in rows)


@pytest.mark.parametrize("children", [0, 41])
def test_what_starts_anything_is_never_odd(tmp_path: Path, children: int) -> None:
    with host(tmp_path) as one:
        names = ["x" * (n + 1) for n in range(children)]
        one.days(8, *(lineage("/bin/sh", f"/usr/bin/{name}", MONDAY_S) for name in names))
        one.tell(lineage("/bin/sh", "/usr/bin/nmap", one.now_s + 5))
        assert one.rows() == []


def test_a_version_is_no_news(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.days(8, *CRON, lineage("/usr/sbin/cron", "/opt/app-1.2/bin/run"))
        one.tell(lineage("/usr/sbin/cron", "/opt/app-1.3/bin/run", one.now_s + 5))
        assert one.rows() == []


def test_a_day_has_room_for_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PER_DAY", 3)
    with host(tmp_path) as one:
        one.days(8, *CRON)
        one.tell(*(lineage("/usr/sbin/cron", f"/tmp/{'y' * (n + 1)}", one.now_s + n) for n in range(10)))
        assert len(one.rows()) == 3
        assert one.counters()["baseline_withheld"] == 7
        assert len(one.report().unusual) == 10


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    for day in range(8):
        with host(tmp_path) as one:
            one.now_s = MONDAY_S + day * DAY_S
            one.days(1, *CRON, process_exec=1000)
    with host(tmp_path) as one:
        assert one.report().full_days == 8
        one.tell(lineage("/usr/sbin/cron", SHELL, MONDAY_S + 8 * DAY_S))
        assert [row.detector for row in one.rows()] == ["baseline_new_lineage"]


def test_without_the_sensors_reports_nothing_is_learned(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.tell(*CRON)
        one.now_s += 30 * DAY_S
        one.learn()
        assert [part.known for part in one.report().parts] == [0, 0, 0, 0]
        assert one.report().parts[1].waiting == 3


def test_reports_from_the_future_do_not_move_the_clock(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        fields = TelemetryFields(host="web-1", period_s=600.0)
        ahead = rfc3339((MONDAY_S + 30 * DAY_S) * NS)
        one.tell(*CRON, Telemetry(ts=ahead, detector="telemetry", severity=Severity.DEBUG, fields=fields))
        one.minutes(MONDAY_S + 1800)
        assert one.report().parts[1].waiting == 3
        one.minutes(MONDAY_S + 2 * HOUR_S)
        assert one.report().parts[1].waiting == 0


def test_what_is_kept_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual, "MAX_USUAL", 100)
    with host(tmp_path) as one:
        one.days(1, *(connect("/usr/bin/crawl", f"10.0.{n}.1", MONDAY_S + n) for n in range(200)))
        one.days(1)
        assert one.counters()["usual_evicted"] >= 100
        assert one.report().parts[2].known <= 100


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with host(tmp_path, BaselineConfig(enabled=False)) as one:
        one.days(2, *CRON)
        assert one.report().parts[1].waiting == 0


class Rows(msgspec.Struct, frozen=True):
    """How many rows of facts there are, and how many of them wait for triage."""

    durable: bool = False

    def apply(self, tx: Tx) -> tuple[int, int]:
        row = tx.db.execute(
            "SELECT count(*), count(*) - count(triaged_ns) FROM incidents WHERE detector = 'first_seen'"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def test_facts_do_not_stay_and_nothing_is_decided_about_them(tmp_path: Path) -> None:
    with host(tmp_path) as one:
        one.tell(*CRON)
        assert one.writer.run(Rows()) == (3, 0)
        with reading(tmp_path) as reader:
            assert reader.incidents() == [] and reader.counts(0).total == 0
            assert len(reader.incidents(detector="first_seen")) == 3
        one.days(8)
        assert one.writer.run(Rows()) == (0, 0)
        one.tell(*(moved(fact, one.now_s, 1) for fact in CRON))
        assert one.writer.run(Rows()) == (0, 0)
        one.tell(lineage("/usr/sbin/cron", SHELL, one.now_s + 5))
        one.days(1)
        assert one.writer.run(Rows()) == (1, 0), "the reason of an incident stays with it"
