# SPDX-License-Identifier: Apache-2.0
"""Playbooks: which apply, step after step, and what they may not do."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from innerwarden import paths
from innerwarden.agent.triage.playbook import Conditions, Playbook, PlaybookStep, Trigger, load_playbooks
from innerwarden.clock import NS
from innerwarden.errors import RuleError
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity
from tests.unit.agent.support import append
from tests.unit.agent.triage.support import ATTACKER, about, decision, guessing, landed, settings, triage_all
from tests.unit.agent.triage.test_pipeline import record, responses, rows

HUNT = Playbook(
    id="hunt",
    title="a hunt",
    triggers=(Trigger(detector="ransomware*", severity=Severity.HIGH),),
    steps=(
        PlaybookStep(id="stop", verb="stop_process_tree"),
        PlaybookStep(id="keep", verb="collect_forensics"),
    ),
)
KNOWN = frozenset({"ransomware", "ssh_bruteforce"})


def encrypting() -> object:
    return about("ransomware", EntityRef.process(700, 700_000), severity=Severity.CRITICAL)


def answer(data_dir: Path, by: str, state: str) -> None:
    db = apsw.Connection(str(paths.state_db(data_dir)))
    db.execute("UPDATE responses SET state = ? WHERE by = ?", (state, by))
    assert db.changes()


def with_steps(*ids: str, on_error: str = "abort", **more: object) -> Playbook:
    verbs = {"stop": "stop_process_tree", "keep": "collect_forensics", "end": "kill_process_tree"}
    steps = tuple(PlaybookStep(id=one, verb=verbs[one], on_error=on_error) for one in ids)
    return Playbook(id="hunt", title="a hunt", triggers=HUNT.triggers, steps=steps, **more)


def test_steps_are_proposed_one_after_the_other(tmp_path: Path) -> None:
    chosen = settings(rules=(), playbooks=(HUNT,))
    append(tmp_path, one := encrypting())
    triage_all(tmp_path, chosen)
    assert (decision(tmp_path, one).outcome, decision(tmp_path, one).by) == ("propose", "playbook:hunt/stop")
    assert responses(tmp_path) == [("stop_process_tree:process:700:700000", "proposed", "playbook:hunt/stop")]
    triage_all(tmp_path, chosen)
    assert len(responses(tmp_path)) == 1, "the second step waits for the first"
    answer(tmp_path, "playbook:hunt/stop", "active")
    triage_all(tmp_path, chosen)
    assert [by for _, _, by in responses(tmp_path)] == ["playbook:hunt/stop", "playbook:hunt/keep"]
    answer(tmp_path, "playbook:hunt/keep", "done")
    triage_all(tmp_path, chosen)
    assert rows(tmp_path, "SELECT state FROM playbook_runs") == [("done",)]
    assert [entry["by"] for entry in record(tmp_path)] == ["playbook:hunt/stop", "playbook:hunt/keep"]


@pytest.mark.parametrize("state", ["failed", "refused", "denied"])
@pytest.mark.parametrize(("on_error", "then"), [("abort", 1), ("continue", 2)])
def test_on_error_says_whether_it_goes_on(tmp_path: Path, state: str, on_error: str, then: int) -> None:
    chosen = settings(rules=(), playbooks=(with_steps("stop", "keep", on_error=on_error),))
    append(tmp_path, encrypting())
    triage_all(tmp_path, chosen)
    answer(tmp_path, "playbook:hunt/stop", state)
    triage_all(tmp_path, chosen)
    assert len(responses(tmp_path)) == then
    if on_error == "abort":
        assert rows(tmp_path, "SELECT state FROM playbook_runs") == [("aborted",)]
        assert record(tmp_path)[-1]["outcome"] == "needs_review"


def test_it_acts_unasked_only_when_it_says_so_and_the_responder_is_on(tmp_path: Path) -> None:
    bold = with_steps("stop", auto_execute=True)
    append(tmp_path, encrypting())
    triage_all(tmp_path, settings(rules=(), playbooks=(bold,), enabled=False))
    assert [state for _, state, _ in responses(tmp_path)] == ["proposed"]
    other = tmp_path / "on"
    other.mkdir()
    append(other, encrypting())
    triage_all(other, settings(rules=(), playbooks=(bold,), enabled=True))
    assert [state for _, state, _ in responses(other)] == ["intended"]


def test_shadow_is_written_down_and_stops_no_gate(tmp_path: Path) -> None:
    shadow = with_steps("stop", "keep", shadow=True)
    append(tmp_path, one := encrypting())
    triage_all(tmp_path, settings(playbooks=(shadow,)))
    assert decision(tmp_path, one).by == "rule:encrypting-files"
    entries = [(entry["by"], entry["outcome"]) for entry in record(tmp_path)]
    assert entries == [
        ("playbook:hunt/stop", "watch"), ("playbook:hunt/keep", "watch"), ("rule:encrypting-files", "propose")
    ]  # fmt: skip
    assert [by for _, _, by in responses(tmp_path)] == ["rule:encrypting-files"]


def test_what_a_rule_already_asked_for_counts_as_done(tmp_path: Path) -> None:
    append(tmp_path, guessing(at_s=0), one := landed(at_s=30))
    triage_all(tmp_path)
    # The block was proposed for the guessing; the playbook goes on with the account.
    assert [by for _, _, by in responses(tmp_path)] == [
        "rule:password-guessing", "playbook:ssh-intrusion/suspend-sudo"
    ]  # fmt: skip
    assert "it is proposed already" in decision(tmp_path, one).reason


MONDAY_NOON, SUNDAY_NIGHT = 1_767_614_400, 1_767_567_600


@pytest.mark.parametrize(
    ("conditions", "at_s", "objection"),
    [
        (Conditions(ip_in=("203.0.113.0/24",)), 0, None),
        (Conditions(ip_in=("198.51.100.0/24",)), 0, "ip_in"),
        (Conditions(ip_not_in=("203.0.113.9/32",)), 0, "ip_not_in"),
        (Conditions(ip_in=("2001:db8::/32",)), 0, "ip_in"),
        (Conditions(user_in=("ana",)), 0, None),
        (Conditions(user_in=("bob",)), 0, "user_in"),
        (Conditions(user_not_in=("ana",)), 0, "user_not_in"),
        (Conditions(hours="business"), MONDAY_NOON, None),
        (Conditions(hours="business"), SUNDAY_NIGHT, "hours"),
        (Conditions(hours="after"), MONDAY_NOON, "hours"),
        (Conditions(between="11:00-13:00"), MONDAY_NOON, None),
        (Conditions(between="22:00-06:00"), SUNDAY_NIGHT, None),
        (Conditions(between="22:00-06:00"), MONDAY_NOON, "between"),
    ],
)
def test_conditions(tmp_path: Path, conditions: Conditions, at_s: int, objection: str | None) -> None:
    from tests.unit.agent.support import ingest_all, reading

    append(tmp_path, landed())
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        (row,) = reader.incidents()
    import msgspec

    row = msgspec.structs.replace(row, ts_ns=at_s * NS)
    said = conditions.objection(row)
    assert said is None if objection is None else said is not None and f" {objection} " in said


GOOD = """
[[playbook]]
id = "mine"
title = "mine"
[[playbook.triggers]]
detector = "ssh_*"
[[playbook.steps]]
id = "one"
verb = "block_address"
"""


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("ssh_*", "exfil*"), 2, "no detector is called 'exfil*', so it could never fire"),
        (('detector = "ssh_*"', 'chain = "nothing"'), 2, "no correlation rule is called 'nothing'"),
        (("block_address", "run_script"), 9, "`verb` 'run_script' is none"),
        (('verb = "block_address"', 'verb = "block_address"\nargs = "${env:KEY}"'), 10, "args"),
        (('title = "mine"', 'title = "mine"\nwebhook = "x"'), 5, "webhook"),
        (('detector = "ssh_*"', ""), 5, "a trigger says nothing"),
        (('id = "one"', "id = 1"), 8, "Expected `str`"),
        (("[[playbook]]", "[playbook]"), 1, "[[playbook]]"),
    ],
)
def test_what_could_never_work_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    load_playbooks(tmp_path, _known(), _chains())
    path.write_text(GOOD.replace(*change))
    with pytest.raises(RuleError) as refused:
        load_playbooks(tmp_path, _known(), _chains())
    assert said in str(refused.value)
    number = int(str(refused.value).partition(f"{path}:")[2].partition(":")[0])
    assert number == line, str(refused.value)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    path.chmod(0o666)
    with pytest.raises(RuleError, match="may be written by others"):
        load_playbooks(tmp_path, _known(), _chains())


def _known() -> frozenset[str]:
    from innerwarden.agent.triage.detectors import known_detectors
    from innerwarden.config import Config

    return known_detectors(Config(), _chains())


def _chains() -> frozenset[str]:
    from tests.unit.agent.triage.support import CHAINS

    return frozenset(CHAINS)


def test_a_target_is_never_made_up(tmp_path: Path) -> None:
    append(tmp_path, one := about("ransomware", EntityRef.path("/srv/a.doc"), severity=Severity.CRITICAL))
    triage_all(tmp_path, settings(rules=(), playbooks=(HUNT,)))
    assert responses(tmp_path) == []
    assert decision(tmp_path, one).outcome == "needs_review"
    assert "the incident names no process" in decision(tmp_path, one).reason
    assert ATTACKER not in decision(tmp_path, one).reason
