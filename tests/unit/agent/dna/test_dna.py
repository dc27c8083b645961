# SPDX-License-Identifier: Apache-2.0
"""Attackers over real findings lines: profiles, sessions, recognition at another address, campaigns, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.dna.engine import CloseSessions, Dna, is_telling
from innerwarden.agent.dna.likeness import COMMON, bands, grams, likeness, rarity
from innerwarden.agent.dna.tokens import act_of
from innerwarden.agent.state import attackers, progress
from innerwarden.agent.state.attackers import HALF_LIFE_NS, Profile
from innerwarden.agent.state.attackers_read import AttackerReader
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db
from tests.unit.agent.support import START_NS, append, finding, ingest_all, process, reading

FIRST, SECOND = "192.0.2.10", "198.51.100.20"
DAY_S = 86_400
#: What one intruder does, by detector and technique.
HABIT = (
    ("port_scan", "T1046"),
    ("web_path_traversal", "T1190"),
    ("web_injection_probe", "T1190"),
    ("ssh_bruteforce", "T1110.001"),
    ("web_shell_access", "T1505.003"),
    ("credential_stuffing", "T1110.004"),
)
OTHER = (
    ("user_agent_scanner", "T1595.002"),
    ("web_shell_access", "T1505.003"),
    ("http_flood", "T1499.002"),
    ("port_scan", "T1046"),
    ("wordlist_scan", "T1595.003"),
    ("ssh_probe_burst", "T1595.001"),
)


def seen(
    detector: str, address: str, at_s: float, technique: str = "T1110", user: str = "", **details: str | int
) -> Finding:
    entities = (EntityRef.ip(address), *((EntityRef.user(user),) if user else ()))
    return finding(
        detector,
        at_s=at_s,
        key=address,
        entities=entities,
        attack=(technique,),
        severity=Severity.MEDIUM,
        evidence=(Evidence(kind="log.line", text="", details=dict(details)),),
    )


def habit(address: str, at_s: float = 0, steps: Sequence[tuple[str, str]] = HABIT) -> list[Finding]:
    return [seen(name, address, at_s + 60 * n, technique) for n, (name, technique) in enumerate(steps)]


def closed(data_dir: Path) -> None:
    writer = Writer(state_db(data_dir))
    try:
        while writer.run(CloseSessions()):
            pass
    finally:
        writer.close()


def judge(data_dir: Path, *findings: Finding) -> list[IncidentRow]:
    append(data_dir, *findings)
    ingest_all(data_dir, Dna().observe)
    closed(data_dir)
    with reading(data_dir) as reader:
        return [row for row in reversed(reader.incidents(limit=10_000)) if row.source == "agent"]


def later(at_s: float) -> Finding:
    """Something of somebody else, so that time goes by."""
    return seen("ssh_bruteforce", "203.0.113.200", at_s)


@pytest.mark.parametrize(
    ("after_s", "detector"),
    [(7200, "dna_ip_rotation"), (3 * DAY_S, "dna_same_attacker")],
    ids=["soon", "days later"],
)
def test_the_same_attacker_from_another_address(tmp_path: Path, after_s: int, detector: str) -> None:
    judge(tmp_path, *habit(FIRST), later(3600))
    (row,) = judge(tmp_path, *habit(SECOND, after_s))
    assert (row.detector, row.severity) == (detector, Severity.MEDIUM)
    assert row.fields.entities == (EntityRef.ip(SECOND), EntityRef.ip(FIRST))
    with reading(tmp_path) as reader:
        assert {one.fields.entities[0].value for one in reader.related(row.incident_id)} == {FIRST, SECOND}
    with AttackerReader(state_db(tmp_path)) as seen_by:
        (campaign,) = seen_by.campaigns()
        assert set(campaign.addresses) == {FIRST, SECOND}
        assert f"campaign:{campaign.id}" in row.fields.tags
        second = seen_by.attacker(SECOND, START_NS)
        assert second is not None and second.campaign == campaign.id
        assert second.contributions["recognised"] == 10


def test_a_worse_finding_makes_it_worse(tmp_path: Path) -> None:
    bad = msgspec.structs.replace(seen("web_shell", FIRST, 500), severity=Severity.HIGH)
    judge(tmp_path, *habit(FIRST), bad, later(7200))
    (row,) = judge(tmp_path, *habit(SECOND, 9000))
    assert row.severity is Severity.HIGH


def test_it_is_told_once_for_a_session(tmp_path: Path) -> None:
    judge(tmp_path, *habit(FIRST), later(3600))
    rows = judge(tmp_path, *habit(SECOND, 7200), *habit(SECOND, 7700))
    assert len(rows) == 1


GUESSING = [
    ("ssh_bruteforce", "T1110.001"),
    ("credential_stuffing", "T1110.004"),
    ("ssh_patient_guessing", "T1110.001"),
]
NOTHING = {
    "two ordinary password guessers": (
        [("ssh_bruteforce", "T1110.001")] * 6,
        [("ssh_bruteforce", "T1110.001")] * 6,
    ),
    "two guessers that try all there is": (
        GUESSING * 3,
        GUESSING * 3,
    ),
    "another behaviour": (HABIT, OTHER),
    "the same things in another order": (HABIT, HABIT[::-1]),
    "too short to tell": (HABIT[:4], HABIT[:4]),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_what_is_not_the_same_attacker(tmp_path: Path, case: str) -> None:
    first, second = NOTHING[case]
    judge(tmp_path, *habit(FIRST, steps=first), later(7200))
    assert judge(tmp_path, *habit(SECOND, 9000, steps=second)) == []


def test_the_same_address_is_nobody_new(tmp_path: Path) -> None:
    """Repeating oneself makes nothing common."""
    days = range(COMMON + 4)
    assert (
        judge(
            tmp_path,
            *(one for day in days for one in (*habit(FIRST, day * DAY_S), later(day * DAY_S + 7200))),
        )
        == []
    )
    assert len(judge(tmp_path, *habit(SECOND, 40 * DAY_S))) == 1


def test_what_everybody_does_says_nothing(tmp_path: Path) -> None:
    """A worm's habit from many addresses: told while it is rare, noise after that."""
    for n in range(40):
        rows = judge(tmp_path, *habit(f"192.0.2.{n}", n * 3600), later(n * 3600 + 2400))
    assert 5 < len(rows) <= attackers.MAX_SHARED
    assert not any(f"192.0.2.{n}" in rows[-1].summary.split(" did ")[0] for n in range(30, 40))


def test_a_pause_ends_a_session(tmp_path: Path) -> None:
    apart = [seen(name, FIRST, n * 2000, technique) for n, (name, technique) in enumerate(HABIT)]
    judge(tmp_path, *apart, later(DAY_S))
    assert judge(tmp_path, *habit(SECOND, DAY_S)) == []


def test_a_restart_between_any_findings_changes_nothing(tmp_path: Path) -> None:
    for one in (*habit(FIRST), later(3600), *habit(SECOND, 7200)):
        rows = judge(tmp_path, one)
    assert len(rows) == 1


def test_a_pruned_finding_is_no_part(tmp_path: Path) -> None:
    class Forget(msgspec.Struct, frozen=True):
        durable: bool = False

        def apply(self, tx: Tx) -> None:
            tx.db.execute("DELETE FROM incidents")

    judge(tmp_path, *habit(FIRST), later(3600))
    writer = Writer(state_db(tmp_path))
    writer.run(Forget())
    writer.close()
    assert len(judge(tmp_path, *habit(SECOND, 7200))) == 1


def profile_of(data_dir: Path, address: str = FIRST, after_ns: int = 0) -> tuple[float, Profile] | None:
    with AttackerReader(state_db(data_dir)) as reader:
        row = reader.attacker(address, START_NS + after_ns)
    return None if row is None else (row.risk, row.profile)


def test_a_profile_adds_up(tmp_path: Path) -> None:
    judge(
        tmp_path,
        seen("ssh_bruteforce", FIRST, 0, user="root"),
        seen("credential_stuffing", FIRST, DAY_S, user="admin"),
        seen("login_after_failures", FIRST, DAY_S + 60, "T1078", user="admin"),
    )
    found = profile_of(tmp_path, after_ns=(DAY_S + 60) * 10**9)
    assert found is not None
    risk, profile = found
    assert (profile.incidents, len(profile.days), profile.users) == (3, 2, ("root", "admin"))
    assert profile.techniques == ("T1110", "T1078")
    expected = {
        "incidents": 3 * (2 + 2 ** (-1 / 7)),
        "days": 10,
        "detectors": 15,
        "severity": 7,
        "access": 10,
    }
    for reason, points in expected.items():
        assert profile.contributions()[reason] == pytest.approx(points, abs=0.05)
    assert risk == pytest.approx(sum(expected.values()), abs=0.1)


def test_risk_halves_with_every_week_of_quiet(tmp_path: Path) -> None:
    judge(tmp_path, seen("ssh_bruteforce", FIRST, 0))
    now, then = profile_of(tmp_path), profile_of(tmp_path, after_ns=HALF_LIFE_NS)
    assert now is not None and then is not None
    assert then[0] == pytest.approx(now[0] / 2, abs=0.1)


def test_a_profile_never_exceeds_its_scale() -> None:
    worst = Profile(
        heat=1e9, worst=5, days=tuple(range(90)), detectors={f"d{n}": 1 for n in range(9)} | {"reverse_shell": 1},
        recognised=True,
    )  # fmt: skip
    assert sum(worst.contributions().values()) == 100


@pytest.mark.parametrize(
    "one",
    [
        msgspec.structs.replace(seen("first_seen", FIRST, 0), severity=Severity.DEBUG),
        msgspec.structs.replace(seen("download_tool", FIRST, 0), severity=Severity.INFO),
        seen("ssh_bruteforce", "127.0.0.1", 0),
        finding("x", entities=tuple(EntityRef.ip(f"192.0.2.{n}") for n in range(5))),
        finding("x", severity=Severity.LOW, entities=(EntityRef.ip(FIRST),),
                evidence=(Evidence(kind="network.tls", text=""),)),
    ],
    ids=["a fact", "info", "loopback", "a crowd", "a weak finding about a destination"],
)  # fmt: skip
def test_what_says_nothing_about_an_attacker(tmp_path: Path, one: Finding) -> None:
    assert act_of(one) is None or not act_of(one).addresses  # type: ignore[union-attr]
    judge(tmp_path, one)
    assert profile_of(tmp_path) is None and profile_of(tmp_path, "127.0.0.1") is None


def test_a_local_story_has_a_session_of_its_own() -> None:
    act = act_of(finding(process=process(7, 6, 5, login_uid=1000)))
    assert act is not None and (act.addresses, act.local) == ((), "login:1000")
    act = act_of(finding(process=process(7, 6, 5)))
    assert act is not None and act.local == "tree:6:0"


def test_a_shared_hash_makes_a_campaign_of_three(tmp_path: Path) -> None:
    third = "203.0.113.30"
    judge(
        tmp_path,
        *(seen("web_shell", one, n, sha256="ab" * 32) for n, one in enumerate((FIRST, SECOND, third))),
        seen("web_shell", "203.0.113.99", 9, sha256="cd" * 32),
    )
    with AttackerReader(state_db(tmp_path)) as reader:
        (campaign,) = reader.campaigns()
    assert (campaign.members, set(campaign.addresses)) == (3, {FIRST, SECOND, third})
    assert campaign.reason == f"sha256:{'ab' * 32}"


def test_campaigns_that_meet_become_one(tmp_path: Path) -> None:
    judge(
        tmp_path,
        seen("web_shell", "192.0.2.1", 0, sha256="aa" * 32), seen("web_shell", "192.0.2.2", 1, sha256="aa" * 32),
        seen("web_shell", "192.0.2.3", 2, sha256="bb" * 32), seen("web_shell", "192.0.2.4", 3, sha256="bb" * 32),
        seen("web_shell", "192.0.2.2", 4, sha256="bb" * 32),
    )  # fmt: skip
    with AttackerReader(state_db(tmp_path)) as reader:
        (campaign,) = reader.campaigns()
        assert (campaign.members, len(campaign.addresses)) == (4, 4)


def test_what_everybody_brings_ties_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attackers, "MAX_SHARED", 3)
    judge(tmp_path, *(seen("web_scan", f"192.0.2.{n}", n, dns_query="example.org") for n in range(10)))
    with AttackerReader(state_db(tmp_path)) as reader:
        (campaign,) = reader.campaigns()
    assert campaign.members == 3


def test_a_campaign_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attackers, "MAX_CAMPAIGN", 3)
    judge(tmp_path, *(seen("web_scan", f"192.0.2.{n}", n, sha256="aa" * 32) for n in range(5)))
    with AttackerReader(state_db(tmp_path)) as reader:
        assert reader.campaigns()[0].members == 3
    with reading(tmp_path) as counted:
        assert counted.counters()["campaigns_full"] == 2


def test_a_campaign_goes_with_its_last_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(tmp_path, *(seen("web_scan", f"192.0.2.{n}", n, sha256="aa" * 32) for n in range(3)))
    monkeypatch.setattr(attackers, "MAX_ATTACKERS", 3)
    judge(tmp_path, seen("web_scan", FIRST, 100 * DAY_S))
    with AttackerReader(state_db(tmp_path)) as reader:
        assert reader.campaigns() == []


def test_a_flood_of_addresses_is_bounded_and_the_riskiest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAX_ATTACKERS", "MAX_SESSIONS"):
        monkeypatch.setattr(attackers, name, 200)
    judge(tmp_path, *habit(FIRST))
    append(tmp_path, *(seen("ssh_bruteforce", f"10.{n // 250}.{n % 250}.9", 400) for n in range(1000)))
    ingest_all(tmp_path, Dna().observe)
    with reading(tmp_path) as reader:
        counted = reader.counters()
    assert counted["attackers_evicted"] >= 800 and counted["sessions_evicted"] >= 800
    assert profile_of(tmp_path) is not None
    writer = Writer(state_db(tmp_path))
    try:
        for table in ("attackers", "sessions"):
            rows, held = writer.run(Held(table))
            assert rows == held <= 200
    finally:
        writer.close()


class Held(msgspec.Struct, frozen=True):
    table: str
    durable: bool = False

    def apply(self, tx: Tx) -> tuple[int, int]:
        row = tx.db.execute(f"SELECT count(*) FROM {self.table}").fetchone()
        assert row is not None
        return int(row[0]), progress.held(tx, self.table)


def test_fingerprints_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attackers, "MAX_FINGERPRINTS", 20)
    monkeypatch.setattr(attackers, "MAX_GRAMS", 50)
    for n in range(60):
        steps = [(f"d{n}_{k}", "T1110") for k in range(5)]
        append(tmp_path, *habit(f"10.0.{n}.9", n * 3600, steps))
    ingest_all(tmp_path, Dna().observe)
    closed(tmp_path)
    with reading(tmp_path) as reader:
        assert {"fingerprints_evicted", "grams_evicted"} <= reader.counters().keys()
    writer = Writer(state_db(tmp_path))
    try:
        for table, most in (("fingerprints", 20), ("grams", 50)):
            rows, held = writer.run(Held(table))
            assert rows == held <= most
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("tokens", "tells"),
    [
        ("a|x b|y c|x a|x b|y", True),
        ("a|x b|y c|x a|x", False),
        ("a|x b|y a|x b|y a|x", False),
        ("a|x b|x c|x a|x b|x", False),
    ],
    ids=["enough", "too short", "two detectors", "one tactic"],
)
def test_what_says_who_somebody_is(tokens: str, tells: bool) -> None:
    assert is_telling(tuple(tokens.split())) is tells


def test_likeness_counts_what_is_rare() -> None:
    one, other = grams(["a", "b", "c", "d", "e"]), grams(["a", "b", "c", "d", "x"])
    alike, bits = likeness(one, other, lambda _: 4.0)
    assert (alike, bits) == (0.5, 8.0)
    assert likeness(one, other, lambda _: 0.0) == (0.0, 0.0)
    assert likeness(one, one, lambda _: 4.0) == (1.0, 12.0)
    assert rarity(17, 100_000) == 0.0 and rarity(1, 0) == pytest.approx(4.0) and rarity(1, 10_000) > 12


def test_alike_sequences_share_a_band() -> None:
    """At a likeness of three quarters and more, in 200 of 200 tries."""
    for n in range(200):
        tokens = [f"{n}:{k}" for k in range(20)]
        changed = [*tokens[:-1], "other"]
        assert set(bands(grams(tokens))) & set(bands(grams(changed)))
    assert bands(()) == ()
