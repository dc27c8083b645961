# SPDX-License-Identifier: Apache-2.0
"""The kill chain over real findings lines: each pattern, the progress of a tree, and what must not join."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.killchain.engine import KillChain
from innerwarden.agent.killchain.patterns import PATTERNS
from innerwarden.agent.state import progress
from innerwarden.agent.state.progress import ExpireTrees
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.tactics import TACTICS, stages, table, tactics_of
from innerwarden.clock import NS
from innerwarden.config import Config
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import OBSERVE_ONLY, Evidence, Finding, Process, ProcessRef
from innerwarden.model.severity import Severity
from innerwarden.modules.loader import load_modules
from innerwarden.paths import state_db
from tests.catalogue import MODULES
from tests.unit.agent.support import append, finding, ingest_all, reading

SHELL = 400
PATTERN_IDS = [pattern.id for pattern in PATTERNS]


def tree(pid: int, *ancestors: int, start_s: int = 0, service: str = "/usr/sbin/sshd") -> Process:
    """`pid` below `ancestors`, nearest first, all below a service that pid 1 started."""
    line = [pid, *ancestors, 90, 1]
    each = [
        ProcessRef(pid=p, ppid=pp, start_ns=(p + start_s) * NS, exe=service if p == 90 else "/usr/bin/bash")
        for p, pp in pairwise(line)
    ]
    first = each[0]
    return Process(
        pid=first.pid, ppid=first.ppid, start_ns=first.start_ns, exe=first.exe, ancestors=tuple(each[1:])
    )


def told(data_dir: Path, detector: str | None = None) -> list[IncidentRow]:
    with reading(data_dir) as reader:
        rows = [row for row in reversed(reader.incidents(limit=10_000)) if row.source == "agent"]
    return [row for row in rows if detector is None or row.detector == detector]


def judge(data_dir: Path, *findings: Finding) -> list[IncidentRow]:
    append(data_dir, *findings)
    ingest_all(data_dir, KillChain().observe)
    return told(data_dir)


def steps_of(pattern_id: str, at_s: float = 0) -> list[Finding]:
    """One finding a step; each by another child of one shell: a fork lies between any two."""
    (pattern,) = [one for one in PATTERNS if one.id == pattern_id]
    out, used = [], set()
    for number, (_, detectors) in enumerate(pattern.steps):
        name = next(one for one in sorted(detectors) if one not in used)
        used.add(name)
        out.append(
            finding(name, at_s=at_s + 10 * number, key=str(number), process=tree(500 + number, SHELL),
                    severity=Severity.MEDIUM, attack=())
        )  # fmt: skip
    return out


@pytest.mark.parametrize("pattern_id", PATTERN_IDS)
def test_a_pattern_is_told_once_with_its_parts(tmp_path: Path, pattern_id: str) -> None:
    steps = steps_of(pattern_id)
    again = [msgspec.structs.replace(s, fields=msgspec.structs.replace(s.fields, incident_id=f"{n}-again"))
             for n, s in enumerate(steps)]  # fmt: skip
    rows = judge(tmp_path, *steps, *again)
    (row,) = [one for one in rows if one.detector == f"killchain_{pattern_id}"]
    (pattern,) = [one for one in PATTERNS if one.id == pattern_id]
    assert row.severity == max(Severity.MEDIUM, pattern.severity, key=lambda s: s.rank)
    assert [e.details["incident_id"] for e in row.fields.evidence] == [s.fields.incident_id for s in steps]
    with reading(tmp_path) as reader:
        assert [one.incident_id for one in reader.related(row.incident_id)] == [
            s.fields.incident_id for s in steps
        ]


@pytest.mark.parametrize("pattern_id", PATTERN_IDS)
def test_half_a_pattern_says_nothing(tmp_path: Path, pattern_id: str) -> None:
    steps = steps_of(pattern_id)
    for left_out in range(len(steps)):
        where = tmp_path / str(left_out)
        where.mkdir()
        rest = [one for n, one in enumerate(steps) if n != left_out]
        assert f"killchain_{pattern_id}" not in {one.detector for one in judge(where, *rest)}


@pytest.mark.parametrize("pattern_id", PATTERN_IDS)
def test_the_order_is_that_of_event_time(tmp_path: Path, pattern_id: str) -> None:
    steps = steps_of(pattern_id)
    last = msgspec.structs.replace(steps[-1], ts=finding(at_s=-1).ts)
    assert f"killchain_{pattern_id}" not in {one.detector for one in judge(tmp_path, last, *steps[:-1])}


@pytest.mark.parametrize("pattern_id", PATTERN_IDS)
def test_lines_may_arrive_in_any_order(tmp_path: Path, pattern_id: str) -> None:
    rows = judge(tmp_path, *reversed(steps_of(pattern_id)))
    assert [one.detector for one in rows].count(f"killchain_{pattern_id}") == 1


@pytest.mark.parametrize("pattern_id", PATTERN_IDS)
def test_a_restart_between_any_steps_changes_nothing(tmp_path: Path, pattern_id: str) -> None:
    for step in steps_of(pattern_id):
        judge(tmp_path, step)
    assert [one.detector for one in told(tmp_path)].count(f"killchain_{pattern_id}") == 1


def test_the_fuller_pattern_is_told_alone(tmp_path: Path) -> None:
    assert [one.detector for one in judge(tmp_path, *steps_of("full_exploit"))] == ["killchain_full_exploit"]


def two(first: Process, second: Process, gap_s: float = 10) -> list[Finding]:
    return [
        finding("executable_stack", key="a", process=first, severity=Severity.MEDIUM, attack=()),
        finding("web_server_shell", at_s=gap_s, key="b", process=second, severity=Severity.MEDIUM, attack=()),
    ]


def test_a_child_goes_on_where_its_ancestor_was(tmp_path: Path) -> None:
    rows = judge(tmp_path, *two(tree(500), tree(503, 502, 501, 500)))
    assert [one.detector for one in rows] == ["killchain_exploit_shell"]


@pytest.mark.parametrize(
    "case",
    ["another session of one service", "the pid was given again", "beyond the window", "the service itself"],
)
def test_what_must_not_join(tmp_path: Path, case: str) -> None:
    pairs = {
        "another session of one service": two(tree(500, 400), tree(501, 401)),
        "the pid was given again": two(tree(500), tree(500, start_s=100)),
        "beyond the window": two(tree(500), tree(500), gap_s=3700),
        "the service itself": two(tree(500, 400), tree(600, 401, service="/usr/sbin/cron")),
    }
    assert judge(tmp_path, *pairs[case]) == []


def test_a_start_time_from_proc_is_the_same_process(tmp_path: Path) -> None:
    exact = Process(pid=500, ppid=90, start_ns=7_123_456_789, exe="/usr/bin/x")
    coarse = Process(pid=500, ppid=90, start_ns=7_120_000_000, exe="/usr/bin/x")
    assert len(judge(tmp_path, *two(coarse, exact))) == 1


def test_what_was_injected_into_acts_for_the_injector(tmp_path: Path) -> None:
    target = Evidence(
        kind="process.ptrace", text="", details={"target_pid": 700, "target_start_ns": 700 * NS}
    )
    inject = finding("ptrace_injection", key="a", process=tree(500, 400), evidence=(target,), attack=())
    shell = finding("reverse_shell", at_s=5, key="b", process=tree(701, 700), attack=())
    assert [one.detector for one in judge(tmp_path, inject, shell)] == ["killchain_inject_shell"]


def step(detector: str, technique: str, at_s: float, severity: Severity = Severity.LOW) -> Finding:
    return finding(detector, at_s=at_s, key=detector, process=tree(500 + int(at_s), SHELL),
                   severity=severity, attack=(technique,))  # fmt: skip


CLIMB = (
    ("discovery_burst", "T1082"),
    ("cron_persistence", "T1053.003"),
    ("shadow_file_read", "T1003.008"),
    ("log_deletion", "T1070.002"),
    ("crypto_miner", "T1496"),
)


def test_one_incident_grows_with_its_tree(tmp_path: Path) -> None:
    expected = {3: Severity.MEDIUM, 4: Severity.HIGH, 5: Severity.CRITICAL}
    for number, (detector, technique) in enumerate(CLIMB, 1):
        rows = judge(tmp_path, step(detector, technique, number))
        assert [one.severity for one in rows] == ([expected[number]] if number >= 3 else [])
    (row,) = rows
    assert row.detector == "killchain_progress"
    assert OBSERVE_ONLY in row.fields.tags
    assert "5 tactics" in row.title
    with reading(tmp_path) as reader:
        members = {one.detector for one in reader.related(row.incident_id)}
    assert members == {detector for detector, _ in CLIMB}


def test_a_worse_tree_is_looked_at_again(tmp_path: Path) -> None:
    class Triaged(msgspec.Struct, frozen=True):
        durable: bool = False

        def apply(self, tx: Tx) -> list[object]:
            rows = tx.db.execute("SELECT triaged_ns FROM incidents WHERE source = 'agent'").fetchall()
            tx.db.execute("UPDATE incidents SET triaged_ns = 1")
            if rows == [(None,)]:  # fails while the decision before still stands
                tx.db.execute(
                    "INSERT INTO triage (incident, outcome, by, reason, confidence, decided_ns)"
                    " SELECT id, 'watch', 'gate:x', 'test', 1.0, 1 FROM incidents WHERE source = 'agent'"
                )
            return [row[0] for row in rows]

    def triage() -> list[object]:
        writer = Writer(state_db(tmp_path))
        try:
            return writer.run(Triaged())
        finally:
            writer.close()

    judge(tmp_path, *(step(d, t, n) for n, (d, t) in enumerate(CLIMB[:3], 1)))
    assert triage() == [None]
    judge(tmp_path, step("discovery_anomaly", "T1082", 9))
    assert triage() == [1]
    judge(tmp_path, step(*CLIMB[3], 10))
    assert triage() == [None]


def test_trees_that_turn_out_to_be_one_become_one(tmp_path: Path) -> None:
    """A finding may name a process without its ancestors; a later one ties the two together."""
    alone = [Process(pid=pid, ppid=90, start_ns=pid * NS, exe="/usr/bin/x") for pid in (500, 600)]
    (first, second, third) = CLIMB[:3]
    apart = [
        finding(d, at_s=n, key=d, process=p, severity=Severity.LOW, attack=(t,))
        for n, ((d, t), p) in enumerate(zip((first, second), alone, strict=True))
    ]
    tied = finding(
        third[0], at_s=5, key="c", process=tree(501, 500), entities=(EntityRef.process(600, 600 * NS),),
        severity=Severity.LOW, attack=(third[1],),
    )  # fmt: skip
    assert judge(tmp_path, *apart) == []
    (row,) = judge(tmp_path, tied)
    assert "3 tactics" in row.title
    with reading(tmp_path) as reader:
        assert len(reader.related(row.incident_id)) == 3


def test_one_finding_is_one_step_whatever_its_techniques_could_serve(tmp_path: Path) -> None:
    wide = finding(process=tree(500), attack=("T1053.003", "T1078", "T1486", "T1041"), severity=Severity.HIGH)
    again = finding("other", key="b", process=tree(500), attack=("T1053.003",), severity=Severity.HIGH)
    assert judge(tmp_path, wide, again) == []


@pytest.mark.parametrize("severity", [Severity.DEBUG, Severity.INFO])
def test_an_administrators_day_is_no_intrusion(tmp_path: Path, severity: Severity) -> None:
    """curl, chmod, crontab and the rest are info; a finding that a trust entry lowered is debug."""
    assert judge(tmp_path, *(step(d, t, n, severity) for n, (d, t) in enumerate(CLIMB, 1))) == []


def test_tactics_of_another_shift_do_not_count(tmp_path: Path) -> None:
    late = [step(d, t, 1 + n * 3 * 3600) for n, (d, t) in enumerate(CLIMB)]
    assert judge(tmp_path, *late) == []


def test_without_a_process_there_is_no_tree(tmp_path: Path) -> None:
    ip = EntityRef.ip("192.0.2.1")
    assert judge(tmp_path, *(finding(d, key=d, entities=(ip,), attack=(t,)) for d, t in CLIMB)) == []


def test_a_flood_of_trees_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MAX_TREES", 100)
    judge(tmp_path, *(finding(key=str(n), process=tree(1000 + n)) for n in range(300)))
    with reading(tmp_path) as reader:
        assert reader.counters()["trees_evicted"] >= 200
    writer = Writer(state_db(tmp_path))
    try:
        rows, counted = writer.run(Held())
        assert 30 < rows == counted <= 100
    finally:
        writer.close()


class Held(msgspec.Struct, frozen=True):
    durable: bool = False

    def apply(self, tx: Tx) -> tuple[int, int]:
        row = tx.db.execute("SELECT count(*) FROM trees").fetchone()
        assert row is not None
        return int(row[0]), progress.held(tx, "trees")


def test_a_wide_tree_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MAX_PROCESSES", 10)
    monkeypatch.setattr(progress, "MAX_DETECTORS", 3)
    judge(tmp_path, *(finding(f"d{n}", key=str(n), process=tree(1000 + n, SHELL)) for n in range(20)))
    with reading(tmp_path) as reader:
        counted = reader.counters()
    assert (counted["tree_processes_refused"], counted["tree_findings_refused"]) == (11, 17)


def test_old_trees_are_forgotten(tmp_path: Path) -> None:
    class Age(msgspec.Struct, frozen=True):
        durable: bool = False

        def apply(self, tx: Tx) -> None:
            tx.db.execute("UPDATE trees SET touched_ns = touched_ns - ?", (25 * 3600 * NS,))

    judge(tmp_path, finding(process=tree(500)))
    writer = Writer(state_db(tmp_path))
    try:
        assert writer.run(ExpireTrees()) == 0
        writer.run(Age())
        assert writer.run(ExpireTrees()) == 1
        assert writer.run(Held()) == (0, 0)
    finally:
        writer.close()


def test_every_detector_that_a_pattern_names_exists() -> None:
    known = set(load_modules([MODULES], Config()).specs)
    named = {one for pattern in PATTERNS for _, detectors in pattern.steps for one in detectors}
    assert named <= known


def test_every_technique_of_a_detector_has_its_tactics() -> None:
    from innerwarden.agent.tactics import BEFORE

    for spec in load_modules([MODULES], Config()).specs.values():
        for technique in (*spec.attack, *(t for v in spec.variants.values() for t in v.attack)):
            assert technique.partition(".")[0] in BEFORE or tactics_of((technique,)), technique
    assert {tactic for tactics in table().values() for tactic in tactics} <= set(TACTICS)


def test_the_most_tactics_that_detectors_stand_for() -> None:
    one, two_, three = frozenset({"execution", "impact"}), frozenset({"execution"}), frozenset({"impact"})
    assert stages({"a": one, "b": two_, "c": three}).keys() == {"execution", "impact"}
    assert stages({"a": one, "b": two_}) == {"execution": "b", "impact": "a"}
