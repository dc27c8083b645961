# SPDX-License-Identifier: Apache-2.0
"""Every condition that refuses an action, tried; and that the same request is one effect."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from innerwarden.config import ResponderConfig
from innerwarden.errors import UnavailableError
from innerwarden.model.responder import (
    AnyRequest,
    Check,
    Clear,
    Cleared,
    Do,
    Hello,
    List,
    Listing,
    Problem,
    Welcome,
)
from innerwarden.model.verb import AnyVerb, KillProcessTree, SuspendSudo
from innerwarden.responder.journal import JournalError
from innerwarden.responder.skill import Refusal, TargetGone
from innerwarden.safety import Verdict
from tests.unit.responder.support import HOSTILE, LIVE, Rig, broken, refuse


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_both_switches_on_and_nothing_against_it(rig: Rig) -> None:
    answer = rig.do()
    assert (answer.state, answer.ttl_s, rig.files.names()) == ("active", 600, [HOSTILE])
    assert answer.expires_ns == pytest.approx(rig.time.wall_ns + 600 * 10**9, abs=1000)
    assert answer.verified_ns == rig.time.wall_ns


@pytest.mark.parametrize(
    ("config", "state", "rule"),
    [
        (ResponderConfig(), "refused", "responder.enabled"),
        (ResponderConfig(dry_run=False), "refused", "responder.enabled"),
        (ResponderConfig(enabled=True), "dry_run", ""),
        (ResponderConfig(enabled=1, dry_run=False), "refused", "responder.enabled"),  # type: ignore[arg-type]
        (ResponderConfig(enabled=True, dry_run=0), "dry_run", ""),  # type: ignore[arg-type]
    ],
)
def test_the_switches(tmp_path: Path, config: ResponderConfig, state: str, rule: str) -> None:
    rig = Rig(tmp_path, config)
    answer = rig.do()
    assert (answer.state, answer.rule, rig.files.names(), rig.files.calls) == (state, rule, [], [])
    assert answer.plan == ((f"write {HOSTILE} for 600",) if state == "dry_run" else ())
    assert rig.journal.live() == []


def test_a_request_can_ask_for_less_than_the_switches_grant_and_never_for_more(rig: Rig) -> None:
    assert rig.do(plan_only=True).state == "dry_run"
    assert rig.files.calls == []
    verb = b'{"verb":"block_address","address":"1.2.3.4"}'
    raw = b'{"request":"do","request_id":"r1","ttl_s":60,"dry_run":false,"verb":%b}' % verb
    with pytest.raises(msgspec.ValidationError, match="dry_run"):
        msgspec.json.decode(raw, type=AnyRequest)


def test_a_verb_that_the_configuration_does_not_name(tmp_path: Path) -> None:
    rig = Rig(tmp_path, msgspec.structs.replace(LIVE, verbs=("kill_process_tree",)))
    assert (rig.do().rule, rig.files.names()) == ("responder.verbs", [])


def test_a_verb_without_a_skill(tmp_path: Path) -> None:
    rig = Rig(tmp_path, msgspec.structs.replace(LIVE, verbs=("suspend_sudo",)))
    answer = rig.ask(Do(request_id="r1", verb=SuspendSudo(user="ana"), ttl_s=60))
    assert (answer.state, answer.rule) == ("refused", "no_skill")


@pytest.mark.parametrize("address", ["203.0.113.0/24", "", "nobody", "203.0.113.9 ", "1.2.3.4;reboot"])
def test_what_is_no_single_address(rig: Rig, address: str) -> None:
    assert (rig.do(address=address).rule, rig.files.names()) == ("target", [])


def test_the_judge_is_asked_last_of_all_and_his_word_counts(rig: Rig) -> None:
    rig.judge = refuse("gateway")
    answer = rig.do()
    assert (answer.state, answer.rule, answer.detail) == ("refused", "gateway", "gateway says no")
    assert rig.files.calls == []


@pytest.mark.parametrize(
    "error", [UnavailableError("routes cannot be read"), OSError("not now"), KeyError("x")]
)
def test_without_facts_nothing_is_done(rig: Rig, error: Exception) -> None:
    def blind(_verb: AnyVerb) -> Verdict:
        raise error

    rig.judge = blind
    assert (rig.do().rule, rig.files.calls) == ("facts", [])


def test_the_same_request_again_is_one_effect(rig: Rig) -> None:
    rig.do()
    rig.judge = refuse("gateway")
    assert (rig.do().state, rig.files.calls) == ("active", ["do"])
    rig.undo()
    assert (rig.do().state, rig.files.names()) == ("undone", [])


def test_a_request_id_is_never_two_requests(rig: Rig) -> None:
    rig.do()
    assert (rig.do(address="203.0.113.10").rule, rig.files.names()) == ("request_id", [HOSTILE])


def test_one_effect_has_one_owner_however_it_is_written(rig: Rig) -> None:
    rig.do()
    for written in (HOSTILE, f"::ffff:{HOSTILE}"):
        answer = rig.do("r2", written)
        assert (answer.rule, answer.detail) == ("owned", "r1 holds this effect")
    rig.undo()
    assert rig.do("r2").state == "active"


@pytest.mark.parametrize(("asked", "got"), [(-5, 60), (0, 60), (61, 61), (10**9, 7 * 86400)])
def test_ttl_has_bounds(rig: Rig, asked: int, got: int) -> None:
    assert rig.do(ttl_s=asked).ttl_s == got


def test_the_hourly_cap_outlives_a_restart_and_rolls(tmp_path: Path) -> None:
    rig = Rig(tmp_path, msgspec.structs.replace(LIVE, hourly_cap=2))
    assert rig.do("r1", "203.0.113.1").state == "active"
    rig.time.pass_s(1800)
    rig.files.fails = lambda step: broken(step) if step == "after keep" else None
    assert rig.do("r2", "203.0.113.2").state == "failed"
    rig.files.fails = lambda step: None
    rig.restart()
    assert rig.do("r3", "203.0.113.3").rule == "responder.hourly_cap"
    assert rig.do("r4", "203.0.113.3", plan_only=True).state == "dry_run"
    rig.time.pass_s(1801)
    assert rig.do("r3", "203.0.113.3").state == "active"
    assert rig.do("r5", "203.0.113.5").rule == "responder.hourly_cap"


def test_an_action_that_cannot_be_recorded_is_not_taken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_entry: object) -> None:
        raise JournalError("journal: no room")

    monkeypatch.setattr(rig.journal, "write", full)
    answer = rig.do()
    assert (answer.state, answer.rule, rig.files.calls) == ("refused", "journal", [])


def test_a_handle_that_cannot_be_recorded_stops_the_effect(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    write = rig.journal.write

    def full(entry: object) -> None:
        if getattr(entry, "handle", "") == "kept":
            raise JournalError("journal: no room")
        write(entry)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.journal, "write", full)
    assert (rig.do().rule, rig.files.names(), rig.journal.live()) == ("journal", [], [])


@pytest.mark.parametrize("step", ["before keep", "after keep", "after effect"])
def test_a_failure_leaves_nothing_and_may_be_tried_again(rig: Rig, step: str) -> None:
    rig.files.fails = lambda at: broken(at) if at == step else None
    answer = rig.do()
    assert (answer.state, rig.files.names(), rig.journal.live()) == ("failed", [], [])
    assert "the disk of the test is full" in answer.detail
    rig.files.fails = lambda step: None
    assert rig.do().state == "active"


def test_an_effect_that_is_not_really_there_is_a_failure(rig: Rig) -> None:
    def vanish(step: str) -> None:
        if step == "after effect":
            (rig.files.directory / HOSTILE).unlink()

    rig.files.fails = vanish
    answer = rig.do()
    assert (answer.state, answer.detail) == ("failed", "it was done and is not in effect: no file")


@pytest.mark.parametrize(
    ("error", "rule"), [(TargetGone("it ended"), "target_gone"), (Refusal("own_tree", "ours"), "own_tree")]
)
def test_what_a_skill_will_not_do_is_a_refusal(rig: Rig, error: Exception, rule: str) -> None:
    def object_to(_step: str) -> None:
        raise error

    rig.files.fails = lambda step: object_to(step) if step == "before keep" else None
    answer = rig.do()
    assert (answer.state, answer.rule) == ("refused", rule)
    assert rig.journal.live() == []


def test_an_undo_that_fails_is_tried_again_until_it_works(rig: Rig) -> None:
    rig.do()
    rig.files.fails = broken
    assert (rig.undo().state, rig.files.names()) == ("undoing", [HOSTILE])
    for seconds in (2, 4, 8):
        rig.time.pass_s(seconds)
        rig.upkeep.step()
    assert rig.ask(Check(request_id="r1")).state == "undoing"
    assert rig.files.calls.count("undo") == 4
    rig.files.fails = lambda step: None
    rig.time.pass_s(16)
    rig.upkeep.step()
    answer = rig.ask(Check(request_id="r1"))
    assert (answer.state, answer.why, rig.files.names()) == ("undone", "asked", [])


def test_an_undo_by_request_must_be_recorded_but_the_end_in_time_need_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.do(ttl_s=60)

    def full(_entry: object) -> None:
        raise JournalError("journal: no room")

    monkeypatch.setattr(rig.journal, "write", full)
    assert (rig.undo().rule, rig.files.names()) == ("journal", [HOSTILE])
    rig.time.pass_s(60)
    rig.upkeep.step()
    assert (rig.files.names(), rig.journal.live()) == ([], [])


def test_what_is_over_when_done_has_no_undo_and_is_done_once(rig: Rig) -> None:
    request = Do(request_id="r1", verb=KillProcessTree(pid=4242, start_ns=7), ttl_s=60)
    assert [rig.ask(request).state, rig.ask(request).state] == ["done", "done"]
    assert (rig.kills.killed, rig.undo().state) == ([4242], "done")


def test_unknown_requests(rig: Rig) -> None:
    assert rig.undo("r9").state == rig.ask(Check(request_id="r9")).state == "unknown"


def test_a_listing_has_pages(rig: Rig) -> None:
    for n in range(30):
        rig.do(f"r{n}", f"203.0.113.{n}")
    rig.undo("r3")
    seen: list[str] = []
    after, more = 0, True
    while more:
        page = rig.executor.answer(List(after=after), 0)
        assert isinstance(page, Listing)
        seen += [one.request_id for one in page.live]
        after, more = page.live[-1].number, page.more
    assert seen == [f"r{n}" for n in range(30) if n != 3]


def test_only_root_clears_and_then_all_is_gone(rig: Rig) -> None:
    rig.do()
    (rig.files.directory / "203.0.113.77").write_text("nobody knows it")
    assert isinstance(rig.executor.answer(Clear(), 1000), Problem)
    assert rig.files.names() == ["203.0.113.77", HOSTILE]
    assert rig.executor.answer(Clear(), 0) == Cleared(undone_count=1)
    assert (rig.files.names(), rig.files.calls[-1]) == ([], "clear")


def test_hello_says_what_may_be_done(rig: Rig) -> None:
    rig.do()
    hello = rig.executor.answer(Hello(), 0)
    assert isinstance(hello, Welcome)
    assert (hello.enabled, hello.dry_run, hello.live_count) == (True, False, 1)
    assert hello.verbs == ("block_address", "kill_process_tree")


def test_check_looks_at_the_system(rig: Rig) -> None:
    rig.do()
    rig.time.pass_s(5)
    assert rig.ask(Check(request_id="r1")).verified_ns == rig.time.wall_ns
    (rig.files.directory / HOSTILE).unlink()
    assert rig.ask(Check(request_id="r1")).detail == "no file"


def test_a_block_of_a_mapped_address_blocks_the_v4_one(rig: Rig) -> None:
    assert (rig.do(address=f"::ffff:{HOSTILE}").state, rig.files.names()) == ("active", [HOSTILE])
