# SPDX-License-Identifier: Apache-2.0
"""From findings.jsonl to the decision: each gate, what it may do and what it may not."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.engine import Triage
from innerwarden.agent.triage.facts import Listing, SshLogin
from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.rule import Rule
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Trusted
from innerwarden.model.severity import Severity
from tests.unit.agent.support import append, ingest_all
from tests.unit.agent.triage.support import (
    ATTACKER,
    about,
    c2,
    decision,
    evidence,
    guessing,
    landed,
    no,
    settings,
    triage_all,
)

BLOCK = Rule(
    id="block",
    why="a test",
    detectors=("*",),
    min_severity=Severity.LOW,
    verb="block_address",
    entity=EntityType.IP,
    auto_execute=True,
)
KEYS_ONLY = Sources(ssh=lambda: SshLogin(password=False))


def rows(data_dir: Path, sql: str, *bound: str) -> list[tuple[object, ...]]:
    return list(apsw.Connection(str(paths.state_db(data_dir))).execute(sql, bound))


def responses(data_dir: Path) -> list[tuple[object, ...]]:
    return rows(data_dir, "SELECT key, state, by FROM responses ORDER BY id")


def record(data_dir: Path) -> list[dict[str, object]]:
    return [msgspec.json.decode(body) for (body,) in rows(data_dir, "SELECT body FROM record ORDER BY seq")]


def test_guessing_becomes_a_proposal_with_the_whole_sum_in_its_reason(tmp_path: Path) -> None:
    append(tmp_path, one := guessing())
    triage_all(tmp_path)
    row = decision(tmp_path, one)
    assert (row.outcome, row.by) == ("propose", "rule:password-guessing")
    assert "confidence 0.45 = 0.45 medium" in row.reason
    assert responses(tmp_path) == [(f"block_address:ip:{ATTACKER}", "proposed", "rule:password-guessing")]
    (entry,) = record(tmp_path)
    assert (entry["outcome"], entry["ttl_s"]) == ("propose", 86400)
    with Reader(paths.state_db(tmp_path)) as reader:
        assert [i.status for i in reader.incidents()] == ["proposed"]


def test_nothing_is_ordered_while_the_responder_is_off(tmp_path: Path) -> None:
    append(tmp_path, one := guessing())
    triage_all(tmp_path, settings(rules=(BLOCK,)))
    row = decision(tmp_path, one)
    assert row.outcome == "propose"
    assert f"would block_address {ATTACKER}, but responder.enabled is false" in row.reason
    assert [state for _, state, _ in responses(tmp_path)] == ["proposed"]


def test_a_rule_of_the_operator_acts_when_the_responder_is_on(tmp_path: Path) -> None:
    append(tmp_path, one := guessing())
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert decision(tmp_path, one).outcome == "act"
    assert [state for _, state, _ in responses(tmp_path)] == ["intended"]


@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_asked_for_at_once_is_recorded_with_its_order(
    tmp_path: Path, now: bool, enabled: bool
) -> None:
    append(tmp_path, guessing("203.0.113.1"), guessing("203.0.113.2"))
    chosen = settings(rules=(BLOCK,), enabled=enabled, dry_run=False, hourly_cap=1)
    triage_all(tmp_path, chosen, at_once=lambda: now)
    kinds = [entry["entry"] for entry in record(tmp_path)]
    attempts = rows(tmp_path, "SELECT state, attempts FROM responses ORDER BY id")
    if enabled and now:
        assert kinds == ["decided", "requested", "decided"]
        assert attempts == [("intended", 1), ("proposed", 0)]
        (asked,) = [entry for entry in record(tmp_path) if entry["entry"] == "requested"]
        assert (asked["response_id"], asked.get("dry_run", False)) == ("r1", False)
    else:
        assert kinds == ["decided", "decided"]
        assert {count for _state, count in attempts} == {0}


def test_the_hourly_cap_asks_instead(tmp_path: Path) -> None:
    append(tmp_path, *(guessing(f"203.0.113.{n}") for n in range(1, 6)))
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True, hourly_cap=2))
    assert [state for _, state, _ in responses(tmp_path)] == ["intended"] * 2 + ["proposed"] * 3


@pytest.mark.parametrize(
    ("before", "ttl_s"),
    [
        ([], 900),
        (["undone"], 4 * 3600),
        (["undone", "undone"], 24 * 3600),
        (["undone", "done", "undone"], 7 * 24 * 3600),
        (["undone"] * 9, 7 * 24 * 3600),
        (["dry_run", "denied", "failed", "refused"], 900),
    ],
)
def test_who_was_blocked_before_is_blocked_for_longer(tmp_path: Path, before: list[str], ttl_s: int) -> None:
    rule = msgspec.structs.replace(BLOCK, ttl_s=900)
    other = "203.0.113.77"
    for count, state in enumerate(before):
        append(tmp_path, guessing(at_s=2000 * count))
        triage_all(tmp_path, settings(rules=(rule,), enabled=True))
        ended(tmp_path, state)
    append(tmp_path, guessing(at_s=90_000), guessing(other, at_s=90_000))
    triage_all(tmp_path, settings(rules=(rule,), enabled=True))
    sql = "SELECT ttl_s FROM responses WHERE key = ? AND state = 'intended'"
    assert rows(tmp_path, sql, f"block_address:ip:{ATTACKER}") == [(ttl_s,)]
    assert rows(tmp_path, sql, f"block_address:ip:{other}") == [(900,)]


def test_a_rule_that_blocks_for_longer_is_not_shortened(tmp_path: Path) -> None:
    rule = msgspec.structs.replace(BLOCK, ttl_s=5 * 3600)
    append(tmp_path, guessing())
    triage_all(tmp_path, settings(rules=(rule,), enabled=True))
    ended(tmp_path, "undone")
    append(tmp_path, again := guessing(at_s=2000))
    triage_all(tmp_path, settings(rules=(rule,), enabled=True))
    assert rows(tmp_path, "SELECT ttl_s FROM responses ORDER BY created_ns, response_id") == [(5 * 3600,)] * 2
    assert "blocked before" not in decision(tmp_path, again).reason


def ended(data_dir: Path, state: str) -> None:
    """What was intended came to this end; a block that took effect has a time at which it ends."""
    db = apsw.Connection(str(paths.state_db(data_dir)))
    expires = "NULL" if state in ("dry_run", "denied", "failed", "refused") else "5"
    db.execute(f"UPDATE responses SET state = ?, expires_ns = {expires} WHERE state = 'intended'", (state,))
    db.close()


def test_proposals_have_an_end(tmp_path: Path) -> None:
    append(tmp_path, *(guessing(f"203.0.113.{n}") for n in range(1, 6)))
    triage_all(tmp_path, settings(max_proposals=2))
    assert len(responses(tmp_path)) == 2
    last = decision(tmp_path, guessing("203.0.113.5"))
    assert last.outcome == "watch" and "2 proposals wait already" in last.reason


def test_the_same_again_folds_and_stays(tmp_path: Path) -> None:
    first, second, later = guessing(at_s=0), guessing(at_s=300), guessing(at_s=1200)
    append(tmp_path, first, second, later)
    triage_all(tmp_path)
    assert decision(tmp_path, second).folded_into == first.fields.incident_id
    assert decision(tmp_path, later).folded_into is None
    with Reader(paths.state_db(tmp_path)) as reader:
        assert [i.status for i in reader.incidents()] == ["watched", "folded", "proposed"]
    # Another address, another detector and a graver one are not the same.
    others = (
        guessing("203.0.113.10", at_s=1),
        about("credential_stuffing", EntityRef.ip(ATTACKER), key="b", at_s=1),
        guessing(at_s=1210, severity=Severity.HIGH),
    )
    append(tmp_path, *others)
    triage_all(tmp_path)
    assert [decision(tmp_path, one).folded_into for one in others] == [None, None, None]


def test_folding_holds_within_one_batch_and_over_two(tmp_path: Path) -> None:
    append(tmp_path, guessing(at_s=0))
    triage_all(tmp_path)
    append(tmp_path, again := guessing(at_s=60))
    triage_all(tmp_path)
    assert decision(tmp_path, again).folded_into == guessing(at_s=0).fields.incident_id


def lowered(severity: Severity, found_as: Severity) -> Trusted:
    return Trusted(entry="scanner", severity=found_as, lowered=True, reason="ours", owner="ana")


def test_what_is_trusted_is_dismissed_unless_it_was_grave(tmp_path: Path) -> None:
    mild = guessing(severity=Severity.DEBUG, trusted=lowered(Severity.DEBUG, Severity.MEDIUM))
    grave = about("reverse_shell", EntityRef.process(7, 8), key="g", severity=Severity.DEBUG,
                  trusted=lowered(Severity.DEBUG, Severity.CRITICAL))  # fmt: skip
    append(tmp_path, mild, grave)
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert decision(tmp_path, mild).outcome == "dismiss"
    assert decision(tmp_path, grave).outcome == "watch"
    assert responses(tmp_path) == []


def test_what_trust_marks_is_never_acted_on_unasked(tmp_path: Path) -> None:
    mark = Trusted(entry="scanner", severity=Severity.MEDIUM, lowered=False, reason="ours", owner="ana")
    append(tmp_path, one := guessing(trusted=mark))
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert decision(tmp_path, one).outcome == "propose"
    assert "-0.20 trust entry scanner covers it" in decision(tmp_path, one).reason


def test_guessing_is_only_watched_where_no_password_is_taken(tmp_path: Path) -> None:
    append(tmp_path, one := guessing(method="none"))
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True), KEYS_ONLY)
    assert (decision(tmp_path, one).outcome, decision(tmp_path, one).by) == ("watch", "gate:posture")


@pytest.mark.parametrize(
    ("more", "sources"),
    [
        ((), Sources(ssh=lambda: SshLogin(password=True))),
        ((), Sources(ssh=lambda: SshLogin(password=None))),
        ((landed(),), KEYS_ONLY),
    ],
    ids=["passwords are taken", "not known", "somebody got in"],
)
def test_posture_is_silent_when_it_is_open_unknown_or_too_late(
    tmp_path: Path, more: tuple[object, ...], sources: Sources
) -> None:
    append(tmp_path, *more)
    append(tmp_path, one := guessing(method="none", at_s=60))
    triage_all(tmp_path, sources=sources)
    assert decision(tmp_path, one).by != "gate:posture"


def test_evidence_that_a_password_was_weighed_overrules_the_configuration(tmp_path: Path) -> None:
    append(tmp_path, one := guessing(method="password"))
    triage_all(tmp_path, sources=KEYS_ONLY)
    assert decision(tmp_path, one).outcome == "propose"


def test_posture_never_lowers_critical(tmp_path: Path) -> None:
    append(tmp_path, one := guessing(method="none", severity=Severity.CRITICAL))
    triage_all(tmp_path, settings(rules=()), KEYS_ONLY)
    assert decision(tmp_path, one).outcome == "needs_review"


def test_where_a_program_connected_to_is_no_target(tmp_path: Path) -> None:
    append(tmp_path, one := c2())
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    row = decision(tmp_path, one)
    assert row.outcome == "needs_review" and "where a program connected to is no attacker" in row.reason
    assert responses(tmp_path) == []


def test_a_destination_that_attacked_before_is_a_target(tmp_path: Path) -> None:
    probe = about(
        "web_exploit_probe", EntityRef.ip("198.51.100.7"), key="p", severity=Severity.LOW,
        seen=(evidence("web.request", src_ip="198.51.100.7"),),
    )  # fmt: skip
    append(tmp_path, probe, one := c2())
    triage_all(
        tmp_path, settings(rules=(msgspec.structs.replace(BLOCK, min_severity=Severity.HIGH),), enabled=True)
    )
    assert decision(tmp_path, one).outcome == "act"


def test_a_chain_knows_from_its_members_who_came_in(tmp_path: Path) -> None:
    """The last step came hours after the address did."""
    cron = about("cron_persistence", EntityRef.user("ana"), severity=Severity.HIGH, at_s=10_800, key="cron")
    append(tmp_path, guessing(at_s=0), landed(at_s=30), cron)
    chain = msgspec.structs.replace(BLOCK, detectors=("brute_force_login_persistence",))
    triage_all(tmp_path, settings(rules=(chain,), playbooks=(), enabled=True))
    assert responses(tmp_path) == [(f"block_address:ip:{ATTACKER}", "intended", "rule:block")]
    assert "part of brute_force_login_persistence" in decision(tmp_path, landed(at_s=30)).reason


def test_an_address_that_could_be_forged_is_only_proposed(tmp_path: Path) -> None:
    seen = (evidence("firewall.packet", src_ip=ATTACKER, dst_port=23),)
    append(tmp_path, one := about("port_scan", EntityRef.ip(ATTACKER), seen=seen))
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert decision(tmp_path, one).outcome == "propose"
    assert "its address could be forged" in decision(tmp_path, one).reason


def test_the_safety_check_stops_proposals_too(tmp_path: Path) -> None:
    append(tmp_path, one := landed())
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True, may=no, playbooks=()))
    assert decision(tmp_path, one).outcome == "needs_review"
    assert f"not block_address {ATTACKER}: the operator says never (never)" in decision(tmp_path, one).reason
    assert responses(tmp_path) == []


def test_a_safety_check_that_fails_means_no(tmp_path: Path) -> None:
    def broken(_: object) -> object:
        raise OSError("no routes")

    append(tmp_path, one := guessing())
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True, may=broken))
    assert responses(tmp_path) == [] and "the safety check failed" in decision(tmp_path, one).reason


@pytest.mark.parametrize("value", ["203.0.113.0/24", "not an address", "203.0.113.9%eth0", "", "0x1.2"])
def test_only_single_addresses_are_targets(tmp_path: Path, value: str) -> None:
    entity = EntityRef(EntityType.IP, value)
    append(
        tmp_path, one := about("ssh_bruteforce", entity, seen=(evidence("ssh.login_failed", src_ip=value),))
    )
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert responses(tmp_path) == [] and decision(tmp_path, one).outcome == "watch"


def test_reputation_raises_and_never_decides_to_act(tmp_path: Path) -> None:
    listed = Listing(provider="a_list", address=ATTACKER, listed=True, text="score 100")
    sources = Sources(reputation=lambda _: {ATTACKER: (listed,)})
    sure = msgspec.structs.replace(BLOCK, min_confidence=0.5)
    append(tmp_path, one := guessing())
    triage_all(tmp_path, settings(rules=(sure,), enabled=True), sources)
    row = decision(tmp_path, one)
    assert row.outcome == "propose" and row.confidence == 0.55
    assert "without reputation and model it is not sure enough" in row.reason


def test_without_its_listing_the_same_is_watched(tmp_path: Path) -> None:
    clean = Listing(provider="a_list", address=ATTACKER, listed=False, text="unknown")
    sure = msgspec.structs.replace(BLOCK, min_confidence=0.5)
    append(tmp_path, one := guessing())
    triage_all(
        tmp_path, settings(rules=(sure,), enabled=True), Sources(reputation=lambda _: {ATTACKER: (clean,)})
    )
    assert (decision(tmp_path, one).outcome, decision(tmp_path, one).confidence) == ("watch", 0.45)


def test_detectors_chains_and_offences_add_up(tmp_path: Path) -> None:
    append(tmp_path, guessing(at_s=0), one := landed(at_s=30))
    triage_all(tmp_path)
    assert "+0.05 2 detectors about the same (ssh_bruteforce)" in decision(tmp_path, one).reason
    db = apsw.Connection(str(paths.state_db(tmp_path)))
    db.execute("UPDATE responses SET state = 'dry_run' WHERE key LIKE 'block%'")
    append(tmp_path, tried := landed(at_s=2000))
    triage_all(tmp_path)
    assert "took effect before" not in decision(tmp_path, tried).reason
    db.execute("UPDATE responses SET state = 'undone', expires_ns = 5 WHERE key LIKE 'block%'")
    append(tmp_path, again := landed(at_s=4000))
    triage_all(tmp_path)
    assert "+0.10 actions against it that took effect before: 2" in decision(tmp_path, again).reason


@pytest.mark.parametrize("severity", [Severity.HIGH, Severity.CRITICAL])
def test_no_rule_dismisses_what_is_grave(tmp_path: Path, severity: Severity) -> None:
    away = Rule(id="away", why="noise", detectors=("*",), outcome="dismiss")
    append(tmp_path, one := c2(severity=severity))
    triage_all(tmp_path, settings(rules=(away,), playbooks=()))
    row = decision(tmp_path, one)
    assert (row.outcome, row.by) == ("needs_review", "gate:guard")
    assert f"{severity} is never dismissed" in row.reason


def test_a_gate_that_raises_leaves_it_to_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from innerwarden.agent.triage import pipeline

    def broken(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline, "GATES", (("broken", broken),))
    append(tmp_path, grave := c2(), mild := guessing())
    triage_all(tmp_path)
    assert decision(tmp_path, grave).outcome == "needs_review"
    assert decision(tmp_path, mild).outcome == "watch"
    with Reader(paths.state_db(tmp_path)) as reader:
        assert reader.funnel().failed == 2


def test_the_record_keeps_what_matters(tmp_path: Path) -> None:
    quiet = about("port_scan", EntityRef.ip("203.0.113.1"), severity=Severity.LOW)
    append(tmp_path, quiet, loud := c2(), guessing(at_s=0), guessing(at_s=5))
    triage_all(tmp_path)
    kept = [entry["incident_id"] for entry in record(tmp_path)]
    assert kept == [loud.fields.incident_id, guessing(at_s=0).fields.incident_id]


def test_what_is_ordered_ends_the_proposal_of_the_same(tmp_path: Path) -> None:
    sure = msgspec.structs.replace(BLOCK, detectors=("login_after_failures",))
    ask = msgspec.structs.replace(BLOCK, id="ask", auto_execute=False)
    append(tmp_path, guessing(at_s=0), guessing(at_s=900), landed(at_s=930))
    triage_all(tmp_path, settings(rules=(sure, ask), enabled=True, playbooks=()))
    assert [(state, by) for _, state, by in responses(tmp_path)] == [
        ("denied", "rule:ask"),
        ("intended", "rule:block"),
    ]
    assert "it is proposed already" in decision(tmp_path, guessing(at_s=900)).reason
    assert record(tmp_path)[-1] == {
        "entry": "answered", "response_id": "r1", "state": "denied", "detail": "r2 does it without asking"
    }  # fmt: skip


def test_the_funnel_counts_every_gate(tmp_path: Path) -> None:
    append(tmp_path, guessing(at_s=0), guessing(at_s=5), c2(), guessing("203.0.113.10", method="none"))
    triage_all(tmp_path, sources=KEYS_ONLY)
    with Reader(paths.state_db(tmp_path)) as reader:
        funnel = reader.funnel()
    gates = {one.gate: (one.came_in, one.settled) for one in funnel.gates}
    assert (funnel.came_in, funnel.folded, funnel.waiting) == (4, 1, 0)
    assert gates["dedupe"] == (4, 1) and gates["posture"] == (3, 1) and gates["rules"] == (2, 0)
    assert funnel.outcomes == {"propose": 1, "needs_review": 1, "watch": 1}
    assert (funnel.proposed, funnel.ordered, funnel.executed) == (1, 0, 0)


def test_messages_are_queued_with_the_decision(tmp_path: Path) -> None:
    again = guessing(at_s=5)
    append(tmp_path, guessing(), c2(), again, c2(severity=Severity.CRITICAL), again)
    repeated = about("ransomware", EntityRef.path("/a"), severity=Severity.CRITICAL, at_s=1, key="two")
    append(tmp_path, about("ransomware", EntityRef.path("/a"), severity=Severity.CRITICAL), repeated)
    triage_all(tmp_path)
    told = rows(
        tmp_path,
        "SELECT i.detector, n.outcome, n.response_id FROM notice_intake AS n"
        " JOIN incidents AS i ON i.id = n.incident ORDER BY n.id",
    )
    assert told == [
        ("ssh_bruteforce", "propose", "r1"),
        ("c2_callback", "needs_review", None),
        ("ssh_bruteforce", "watch", None),
        ("ransomware", "needs_review", None),
        ("ransomware", "watch", None),
    ]


def test_what_is_only_to_be_observed_is_never_acted_on(tmp_path: Path) -> None:
    append(tmp_path, one := guessing(tags=("observe-only",)))
    triage_all(tmp_path, settings(rules=(BLOCK,), enabled=True))
    assert responses(tmp_path) == [] and "tagged observe-only" in decision(tmp_path, one).reason


def test_a_batch_that_is_submitted_again_decides_nothing_twice(tmp_path: Path) -> None:
    class Twice:
        """Hands every operation over two times, as after an error that came behind the commit."""

        def __init__(self, writer: Writer) -> None:
            self.writer = writer

        def run(self, operation: object) -> object:
            self.writer.run(operation)
            return self.writer.run(operation)

    append(tmp_path, guessing(at_s=0), guessing(at_s=5), c2())
    ingest_all(tmp_path)
    writer = Writer(paths.state_db(tmp_path))
    chosen = settings()
    triage = Triage(paths.state_db(tmp_path), Twice(writer), lambda: chosen)
    try:
        assert triage.step() and not triage.step()
    finally:
        triage.close()
        writer.close()
    assert len(responses(tmp_path)) == 1 and len(record(tmp_path)) == 2
    with Reader(paths.state_db(tmp_path)) as reader:
        assert reader.funnel().came_in == 3
