# SPDX-License-Identifier: Apache-2.0
"""Each correlation rule, driven by real findings lines through ingest; and what must not join."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.agent.state.maintain import ExpireTrail
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db
from tests.unit.agent.support import (
    ANA_UID,
    START_NS,
    append,
    finding,
    ingest_all,
    ingesting,
    process,
    reading,
)

ATTACKER = EntityRef.ip("192.0.2.66")
SHELL = 5000


def brute(at_s: float = 0, ip: EntityRef = ATTACKER) -> Finding:
    return finding("ssh_bruteforce", at_s=at_s, key=ip.value, entities=(ip,), severity=Severity.MEDIUM)


def login(at_s: float = 60, ip: EntityRef = ATTACKER, user: str = "ana") -> Finding:
    return finding("login_after_failures", at_s=at_s, key=ip.value, entities=(ip, EntityRef.user(user)))


def crontab(at_s: float = 90, login_uid: int | None = ANA_UID, user: str = "root", pid: int = 77) -> Finding:
    acting = process(pid, SHELL, 400, user=user, login_uid=login_uid)
    return finding("cron_persistence", at_s=at_s, key=str(pid), process=acting)


def shell_steps(*detectors: str, parent: int = SHELL, at_s: float = 0) -> list[Finding]:
    return [
        finding(name, at_s=at_s + n, key=str(parent + n), process=process(parent + 1 + n, parent, 400))
        for n, name in enumerate(detectors)
    ]


DOWNLOAD = ("download_tool", "chmod_executable", "suspicious_exec_origin")
CHAINS: dict[str, list[Finding]] = {
    "brute_force_login_persistence": [brute(), login(), crontab()],
    "download_chmod_execute": shell_steps(*DOWNLOAD),
    "web_shell_outbound": shell_steps("web_server_shell", "reverse_shell"),
}


def correlations(data_dir: Path) -> list[IncidentRow]:
    with reading(data_dir) as reader:
        return [row for row in reversed(reader.incidents()) if row.source == "correlation"]


@pytest.mark.parametrize("rule", CHAINS)
def test_a_rule_fires_once_and_tells_the_story(tmp_path: Path, rule: str) -> None:
    steps = CHAINS[rule]
    append(tmp_path, *steps)
    ingest_all(tmp_path)
    (row,) = correlations(tmp_path)
    assert row.detector == rule
    assert row.severity.at_least(Severity.HIGH)
    assert row.ts == steps[-1].ts
    assert row.incident_id.startswith(f"{rule}:") and row.incident_id.endswith(steps[0].ts)
    assert [e.details["incident_id"] for e in row.fields.evidence] == [s.fields.incident_id for s in steps]
    assert all(step.ts[11:19] in row.summary for step in steps)
    assert row.fields.attack == ("T1059",)
    with reading(tmp_path) as reader:
        members = [one.incident_id for one in reader.related(row.incident_id)]
        assert members == [step.fields.incident_id for step in steps]
        assert [one.id for one in reader.related(members[0])] == [row.id]


@pytest.mark.parametrize("rule", CHAINS)
def test_every_step_is_needed(tmp_path: Path, rule: str) -> None:
    for left_out in range(len(CHAINS[rule])):
        where = tmp_path / str(left_out)
        where.mkdir()
        append(where, *(step for n, step in enumerate(CHAINS[rule]) if n != left_out))
        ingest_all(where)
        assert correlations(where) == []


@pytest.mark.parametrize("rule", CHAINS)
def test_a_restart_between_any_steps_changes_nothing(tmp_path: Path, rule: str) -> None:
    for step in CHAINS[rule]:
        append(tmp_path, step)
        ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def test_what_must_not_join(tmp_path: Path) -> None:
    other = EntityRef.ip("192.0.2.99")
    cases = {
        "another address": [brute(), login(ip=other), crontab()],
        "another user": [brute(), login(user="eve"), crontab()],
        "too late": [brute(), login(at_s=7 * 3600), crontab(at_s=7 * 3600 + 5)],
        "wrong order": [login(at_s=0), brute(at_s=60), crontab(at_s=90)],
        "another shell": [
            *shell_steps(*DOWNLOAD[:2], parent=SHELL),
            *shell_steps("suspicious_exec_origin", parent=6000, at_s=9),
        ],
        "root in its own session": [brute(), login(user="root"), crontab(login_uid=ANA_UID)],
    }
    for name, steps in cases.items():
        where = tmp_path / name.replace(" ", "_")
        where.mkdir()
        append(where, *steps)
        ingest_all(where)
        assert correlations(where) == [], name


def test_two_sessions_below_one_service_do_not_join(tmp_path: Path) -> None:
    """The service (child of pid 1) is a common ancestor of everyone who logs in."""
    first = finding("download_tool", key="a", process=process(11, 871))
    second = finding("chmod_executable", key="b", at_s=1, process=process(12, 871))
    third = finding("suspicious_exec_origin", key="c", at_s=2, process=process(13, 871))
    unshelled = [_with_parent_exe(one, "/usr/sbin/sshd") for one in (first, second, third)]
    append(tmp_path, *unshelled)
    ingest_all(tmp_path)
    assert correlations(tmp_path) == []
    append(tmp_path, *(_with_parent_exe(one, "/usr/bin/bash", suffix="x") for one in (first, second, third)))
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def _with_parent_exe(one: Finding, exe: str, suffix: str = "") -> Finding:
    import msgspec

    assert one.fields.process is not None
    parent = msgspec.structs.replace(one.fields.process.ancestors[0], exe=exe)
    acting = msgspec.structs.replace(one.fields.process, ancestors=(parent,))
    fields = msgspec.structs.replace(one.fields, process=acting, incident_id=one.fields.incident_id + suffix)
    return msgspec.structs.replace(one, fields=fields)


def test_repetitions_join_the_story_and_make_no_second_one(tmp_path: Path) -> None:
    append(tmp_path, brute(0), brute(30), login(60), crontab(90, pid=77), brute(95), crontab(100, pid=78))
    ingest_all(tmp_path)
    (row,) = correlations(tmp_path)
    with reading(tmp_path) as reader:
        assert len(reader.related(row.incident_id)) == 6


def test_a_repeated_first_step_restarts_the_window(tmp_path: Path) -> None:
    late = 6 * 3600
    append(tmp_path, brute(0), brute(late - 60), login(late + 60), crontab(late + 90))
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def test_a_later_attack_of_the_same_address_is_a_second_story(tmp_path: Path) -> None:
    day = 86_400
    append(tmp_path, brute(), login(), crontab(), brute(day), login(day + 60), crontab(day + 90, pid=78))
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 2


def test_steps_that_arrive_in_the_wrong_order_within_the_skew(tmp_path: Path) -> None:
    """The kernel reports the crontab before the log reader reports the login that led to it."""
    append(tmp_path, brute(0), crontab(61.5), login(60))
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


@pytest.mark.parametrize(("crontab_s", "stories"), [(56, 1), (54, 0)])
@pytest.mark.parametrize("login_first", [True, False])
def test_clocks_of_two_sources_may_differ_by_the_skew(
    tmp_path: Path, crontab_s: float, stories: int, login_first: bool
) -> None:
    steps = [login(60), crontab(crontab_s)] if login_first else [crontab(crontab_s), login(60)]
    append(tmp_path, brute(0), *steps)
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == stories


def test_all_steps_reversed_within_the_skew(tmp_path: Path) -> None:
    append(tmp_path, *reversed([brute(0), login(1), crontab(2)]))
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def test_an_expiry_run_in_the_middle_of_a_backlog_forgets_nothing(tmp_path: Path) -> None:
    """The agent was down: wall time is far past the window, event time is not."""
    append(tmp_path, *CHAINS["download_chmod_execute"][:2])
    ingest_all(tmp_path)
    _expire(tmp_path)
    append(tmp_path, CHAINS["download_chmod_execute"][2])
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def test_chains_that_are_over_go(tmp_path: Path) -> None:
    append(tmp_path, brute(0), crontab(1), finding(key="much later", at_s=9 * 3600))
    ingest_all(tmp_path)
    assert _rows(tmp_path, "trail") > 1
    _expire(tmp_path, wall_s=9 * 3600)
    assert _rows(tmp_path, "trail") == 0


def test_open_chains_are_bounded_and_evictions_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.agent.state.maintain.TRAIL_KEPT", 3)
    append(tmp_path, *(brute(n, EntityRef.ip(f"192.0.2.{n}")) for n in range(10)))
    ingest_all(tmp_path)
    _expire(tmp_path, wall_s=0)
    assert _rows(tmp_path, "trail") == 3
    with reading(tmp_path) as reader:
        assert reader.counters()["trail_evicted"] == 7
    newest = EntityRef.ip("192.0.2.9")
    append(tmp_path, login(ip=newest), crontab())
    ingest_all(tmp_path)
    assert len(correlations(tmp_path)) == 1


def test_a_failing_rule_is_counted_and_the_incident_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("innerwarden.agent.correlate.engine.tell", broken)
    append(tmp_path, *CHAINS["web_shell_outbound"])
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        assert reader.counters()["correlation_failures"] == 1
        assert len(reader.incidents()) == 2


def test_ten_thousand_entities_make_a_bounded_number_of_keys(tmp_path: Path) -> None:
    many = tuple(EntityRef.ip(f"10.0.{n // 250}.{n % 250}") for n in range(1000))
    append(tmp_path, finding("ssh_bruteforce", entities=many))
    with ingesting(tmp_path) as drain:
        drain()
    assert 0 < _rows(tmp_path, "trail") <= 64


class _At:
    """Operation: the same expiry at another wall time."""

    durable = False

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def apply(self, tx: Tx) -> int:
        tx.db.execute("UPDATE trail SET kept_ns = 0")
        tx.now_ns = self.now_ns
        return ExpireTrail().apply(tx)


def _expire(data_dir: Path, wall_s: float = 365 * 86_400) -> None:
    writer = Writer(state_db(data_dir))
    writer.run(_At(START_NS + int(wall_s) * NS))
    writer.close()


class _Count:
    durable = False

    def __init__(self, table: str) -> None:
        self.table = table

    def apply(self, tx: Tx) -> int:
        return int(tx.db.execute(f"SELECT count(*) FROM {self.table}").get)


def _rows(data_dir: Path, table: str) -> int:
    writer = Writer(state_db(data_dir))
    try:
        return writer.run(_Count(table))
    finally:
        writer.close()
