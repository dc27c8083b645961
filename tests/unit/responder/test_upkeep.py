# SPDX-License-Identifier: Apache-2.0
"""Expiry, repair, restart, reboot, switches that were flipped, orphans."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Check, Do
from innerwarden.model.verb import AnyVerb, KillProcessTree
from innerwarden.safety import Verdict
from tests.unit.responder.support import HOSTILE, LIVE, Crash, Rig, allow, refuse

DRY = msgspec.structs.replace(LIVE, dry_run=True)
OFF = msgspec.structs.replace(LIVE, enabled=False)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def state(rig: Rig, request_id: str = "r1") -> tuple[str, str]:
    answer = rig.ask(Check(request_id=request_id))
    return answer.state, answer.why


def test_it_ends_in_time_and_not_before(rig: Rig) -> None:
    rig.do(ttl_s=100)
    rig.upkeep.step()
    assert rig.upkeep.wait_s() <= 15
    rig.time.pass_s(99.5)
    rig.upkeep.step()
    assert rig.files.names() == [HOSTILE]
    assert rig.upkeep.wait_s() == pytest.approx(0.5)
    rig.time.pass_s(0.5)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([], ("undone", "expired"))


def test_setting_the_clock_neither_shortens_nor_lengthens(rig: Rig) -> None:
    rig.do(ttl_s=100)
    rig.time.wall_ns += 10**9 * 86400 * 365
    rig.upkeep.step()
    assert rig.files.names() == [HOSTILE]
    rig.time.wall_ns = 0
    rig.time.boot_ns += 100 * 10**9
    rig.upkeep.step()
    assert rig.files.names() == []


def test_what_others_remove_comes_back(rig: Rig) -> None:
    rig.do()
    rig.upkeep.step()
    (rig.files.directory / HOSTILE).unlink()
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([HOSTILE], ("active", ""))


def test_a_repair_that_fails_is_tried_at_the_next_look(rig: Rig) -> None:
    rig.do()
    rig.upkeep.step()
    (rig.files.directory / HOSTILE).unlink()

    def fail(step: str) -> None:
        raise OSError("not now")

    rig.files.fails = fail
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([], ("active", ""))
    rig.files.fails = lambda step: None
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert rig.files.names() == [HOSTILE]


def test_many_that_vanish_are_judged_by_one_look(rig: Rig) -> None:
    for n in range(5):
        rig.do(f"r{n}", f"203.0.113.{n}")
    for name in rig.files.names():
        (rig.files.directory / name).unlink()
    looks = rig.looks
    rig.judge = lambda verb: allow(verb) if verb.target().value != "203.0.113.3" else refuse("never")(verb)
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert rig.looks == looks + 1
    assert rig.files.names() == [f"203.0.113.{n}" for n in (0, 1, 2, 4)]
    assert state(rig, "r3") == ("undone", "refused:never")


def test_a_restoration_that_fails_is_done_one_by_one(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_effects: object) -> None:
        raise OSError("not at once")

    rig.do()
    rig.do("r2", "203.0.113.10")
    for name in rig.files.names():
        (rig.files.directory / name).unlink()
    monkeypatch.setattr(rig.files, "restore", fail)
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert rig.files.names() == ["203.0.113.10", HOSTILE]


def test_nothing_comes_back_to_a_target_that_is_protected_by_now(rig: Rig) -> None:
    rig.do()
    rig.upkeep.step()
    (rig.files.directory / HOSTILE).unlink()
    rig.judge = refuse("operator_session")
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([], ("undone", "refused:operator_session"))


def test_a_restart_judges_again(rig: Rig) -> None:
    rig.do()
    rig.judge = refuse("trusted")
    rig.restart()
    assert (rig.files.names(), state(rig)) == ([], ("undone", "refused:trusted"))


def test_without_facts_what_is_in_effect_stays_and_nothing_comes_back(rig: Rig) -> None:
    def blind(_verb: AnyVerb) -> Verdict:
        raise OSError("not now")

    rig.do()
    rig.do("r2", "203.0.113.10")
    (rig.files.directory / "203.0.113.10").unlink()
    judge, rig.judge = rig.judge, blind
    rig.restart()
    assert (rig.files.names(), state(rig), state(rig, "r2")) == ([HOSTILE], ("active", ""), ("active", ""))
    rig.judge = judge
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert rig.files.names() == ["203.0.113.10", HOSTILE]


def test_what_was_interrupted_is_finished_once_there_are_facts(rig: Rig) -> None:
    def crash(at: str) -> None:
        raise Crash

    def blind(_verb: AnyVerb) -> Verdict:
        raise OSError("not now")

    rig.files.fails = crash
    with pytest.raises(Crash):
        rig.do()
    rig.files.fails = lambda step: None
    judge, rig.judge = rig.judge, blind
    rig.restart()
    assert rig.files.names() == []
    rig.judge = judge
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([HOSTILE], ("active", ""))


@pytest.mark.parametrize("config", [DRY, OFF])
def test_a_switch_that_is_turned_off_orphans_nothing(rig: Rig, config: ResponderConfig) -> None:
    rig.do("r1", ttl_s=100)
    rig.do("r2", "203.0.113.10")
    rig.restart(config)
    assert rig.files.names() == ["203.0.113.10", HOSTILE]
    assert rig.undo("r2").state == "undone"
    rig.time.pass_s(100)
    rig.upkeep.step()
    assert (rig.files.names(), state(rig)) == ([], ("undone", "expired"))


def test_with_a_switch_off_nothing_is_brought_back(rig: Rig) -> None:
    rig.do()
    (rig.files.directory / HOSTILE).unlink()
    rig.restart(DRY)
    assert (rig.files.names(), state(rig)) == ([], ("lost", "removed"))


def test_a_reboot_brings_back_what_is_left_of_it(rig: Rig) -> None:
    rig.do(ttl_s=1000)
    rig.do("r2", "203.0.113.10", ttl_s=100)
    for name in rig.files.names():
        (rig.files.directory / name).unlink()
    rig.time.reboot(after_s=400)
    rig.restart()
    assert (rig.files.names(), state(rig, "r2")) == ([HOSTILE], ("undone", "expired"))
    rig.time.pass_s(599)
    rig.upkeep.step()
    assert rig.files.names() == [HOSTILE]
    rig.time.pass_s(1)
    rig.upkeep.step()
    assert rig.files.names() == []


def test_a_clock_that_went_back_over_a_reboot_gives_the_whole_ttl_at_most(rig: Rig) -> None:
    rig.do(ttl_s=1000)
    rig.time.reboot(after_s=-86400 * 365)
    rig.restart()
    assert rig.files.names() == [HOSTILE]
    rig.time.pass_s(1000)
    rig.upkeep.step()
    assert rig.files.names() == []


def test_a_process_of_an_earlier_boot_is_never_acted_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise Crash

    request = Do(request_id="r1", verb=KillProcessTree(pid=42, start_ns=7), ttl_s=600)
    monkeypatch.setattr(rig.kills, "do", crash)
    with pytest.raises(Crash):
        rig.ask(request)
    monkeypatch.undo()
    rig.time.reboot(after_s=30)
    rig.restart()
    assert (rig.kills.killed, state(rig)) == ([], ("lost", "restarted"))
    assert (rig.ask(request).state, rig.kills.killed) == ("lost", [])


def test_a_kill_that_was_interrupted_is_finished_in_the_same_boot(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(rig.kills, "do", crash)
    with pytest.raises(Crash):
        rig.ask(Do(request_id="r1", verb=KillProcessTree(pid=42, start_ns=7), ttl_s=600))
    monkeypatch.undo()
    rig.restart()
    assert (rig.kills.killed, state(rig)) == ([42], ("done", "done"))


def test_orphans_of_a_lost_journal_go(rig: Rig) -> None:
    rig.do()
    rig.do("r2", "203.0.113.10")
    rig.journal.close()
    (rig.directory / "responder" / "journal.jsonl").unlink()
    rig.restart()
    assert rig.files.names() == []


def test_an_orphan_that_comes_later_goes_too(rig: Rig) -> None:
    rig.upkeep.start()
    (rig.files.directory / HOSTILE).write_text("put there by a restored backup of the rules")
    rig.time.pass_s(15)
    rig.upkeep.step()
    assert rig.files.names() == [HOSTILE]
    rig.time.pass_s(285)
    rig.upkeep.step()
    assert rig.files.names() == []


def test_a_responder_that_is_off_leaves_what_it_does_not_know(rig: Rig) -> None:
    (rig.files.directory / HOSTILE).write_text("of another responder on this host")
    rig.restart(OFF)
    assert rig.files.names() == [HOSTILE]


STEPS = ["before keep", "after keep", "after effect"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("config", [LIVE, DRY])
def test_killed_while_doing(rig: Rig, step: str, config: ResponderConfig) -> None:
    def crash(at: str) -> None:
        if at == step:
            raise Crash

    rig.files.fails = crash
    with pytest.raises(Crash):
        rig.do()
    rig.files.fails = lambda step: None
    rig.restart(config)
    if config is LIVE:
        assert (rig.files.names(), state(rig)) == ([HOSTILE], ("active", ""))
        assert (rig.do().state, rig.journal.begun_last_hour()) == ("active", 1)
    else:
        assert (rig.files.names(), state(rig)) == ([], ("undone", "interrupted"))


def test_killed_while_undoing(rig: Rig) -> None:
    def crash(at: str) -> None:
        if at == "before undo":
            raise Crash

    rig.do()
    rig.files.fails = crash
    with pytest.raises(Crash):
        rig.undo()
    rig.files.fails = lambda step: None
    rig.restart(OFF)
    assert (rig.files.names(), state(rig)) == ([], ("undone", "asked"))
