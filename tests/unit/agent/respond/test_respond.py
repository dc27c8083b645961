# SPDX-License-Identifier: Apache-2.0
"""Responses from decision to end: a real state.db, a real socket, a responder whose effects are files."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.respond import respond as module
from innerwarden.agent.respond.client import Away, Client
from innerwarden.agent.respond.respond import Respond
from innerwarden.agent.state.commands import MoveResponse, UnblockByHand
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.responses import Ask, Order, intend, request
from innerwarden.agent.state.rows import ResponseRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, boot_to_realtime_ns, realtime_ns
from innerwarden.config import Config, ResponderConfig
from innerwarden.model.record import Answered, AnyEntry, Decided, Outcome, Requested, Undone
from innerwarden.model.responder import AnyReply, AnyRequest, Do, Hello, Undo, Way
from innerwarden.model.verb import AnyVerb, BlockAddress, KillProcessTree
from innerwarden.responder.server import Server
from tests.unit.responder.support import HOSTILE, LIVE, Crash, Rig, broken, refuse

OTHER = "203.0.113.10"


class Decide(msgspec.Struct, frozen=True):
    """Operation: as triage orders a response. `age_s`: how long ago."""

    verb: AnyVerb
    ttl_s: int = 600
    age_s: int = 0
    at_once: bool = False
    durable: bool = True

    def apply(self, tx: Tx) -> str:
        decided = Decided(incident_id="i", outcome=Outcome.ACT, by="rule:x", reason="r", verb=self.verb)
        tx.now_ns -= self.age_s * NS
        made = intend(tx, Order(decided=decided, verb=self.verb, ttl_s=self.ttl_s))
        assert made is not None
        if self.at_once:
            request(tx, made, dry_run=False)
        return made


class Entries(msgspec.Struct, frozen=True):
    durable: bool = False

    def apply(self, tx: Tx) -> list[AnyEntry]:
        rows = tx.db.execute("SELECT body FROM record ORDER BY seq").fetchall()
        return [msgspec.json.decode(row[0], type=AnyEntry) for row in rows]


class Side:
    """The agent's side, with the responder of a Rig behind a real socket while it is `up`."""

    def __init__(self, directory: Path, config: ResponderConfig = LIVE) -> None:
        self.directory = directory
        self.path = directory / "r.sock"
        self.rig = Rig(directory)
        self.rig.time.wall_ns = realtime_ns()
        self.asked: list[AnyRequest] = []
        self.before: Callable[[AnyRequest], None] = lambda request: None
        self.after: Callable[[AnyRequest], None] = lambda request: None
        self.monotonic = 1000.0
        self.writer = Writer(paths.state_db(directory))
        self.reader = Reader(paths.state_db(directory))
        self.restart(config)

    def restart(self, config: ResponderConfig = LIVE) -> None:
        """Another agent over the same database."""
        self.client = Client(str(self.path), timeout_s=5)
        self.respond = Respond(self.writer, Config(responder=config), self.client, lambda: self.monotonic)

    def answer(self, request: AnyRequest, uid: int) -> AnyReply:
        self.asked.append(request)
        self.before(request)
        reply = self.rig.executor.answer(request, uid)
        self.after(request)
        return reply

    @contextmanager
    def up(self) -> Iterator[None]:
        server = Server(self.path, frozenset({0, os.geteuid()}), self.answer)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                server.serve(0.02)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            server.close()

    def decide(self, verb: AnyVerb | None = None, ttl_s: int = 600, age_s: int = 0) -> str:
        verb = verb or BlockAddress(address=HOSTILE)
        return self.writer.run(Decide(verb=verb, ttl_s=ttl_s, age_s=age_s))

    def row(self, response_id: str = "r1") -> ResponseRow:
        return next(row for row in self.reader.responses() if row.response_id == response_id)

    def state(self, response_id: str = "r1") -> str:
        return self.row(response_id).state

    def entries(self, kind: type[AnyEntry]) -> list[AnyEntry]:
        return [entry for entry in self.writer.run(Entries()) if isinstance(entry, kind)]

    def operator_undoes(self, response_id: str = "r1") -> None:
        undo = MoveResponse(
            who="operator:ana",
            what="undo",
            response_id=response_id,
            before="active",
            after="undoing",
            said="",
        )
        assert self.writer.run(undo).done

    def later(self, seconds: float) -> None:
        """Both sides' time passes, and the responder does what is due."""
        self.monotonic += seconds
        self.rig.time.pass_s(seconds)
        self.rig.upkeep.step()

    def reconcile(self) -> None:
        self.monotonic += module.RECONCILE_S
        self.respond.step()

    def new_database(self) -> None:
        """state.db was lost; the agent begins again from nothing."""
        self.reader.close()
        self.writer.close()
        for file in self.directory.glob("state.db*"):
            file.unlink()
        self.writer = Writer(paths.state_db(self.directory))
        self.reader = Reader(paths.state_db(self.directory))
        self.restart()

    def close(self) -> None:
        self.client.close()
        self.reader.close()
        self.writer.close()
        self.rig.journal.close()


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    made = Side(tmp_path)
    yield made
    made.close()


def test_a_decision_becomes_an_effect_and_both_are_in_the_record(side: Side) -> None:
    side.decide()
    with side.up():
        assert side.respond.step()
        assert not side.respond.step()
    row = side.row()
    assert (row.state, row.attempts, side.rig.files.names()) == ("active", 1, [HOSTILE])
    assert row.expires_ns == pytest.approx(side.rig.time.wall_ns + 600 * NS, abs=1000)
    assert row.verified_ns == side.rig.time.wall_ns
    (asked,) = side.entries(Requested)
    assert isinstance(asked, Requested)
    assert (asked.response_id, asked.verb, asked.dry_run) == ("r1", BlockAddress(address=HOSTILE), False)
    assert side.entries(Answered) == [Answered(response_id="r1", state="active")]


def test_what_its_order_recorded_is_not_recorded_again(side: Side) -> None:
    side.writer.run(Decide(verb=BlockAddress(address=HOSTILE), at_once=True))
    before = len(side.entries(Requested))
    waits: list[int] = []
    side.before = lambda request: (
        waits.append(len(side.writer.run(Entries()))) if isinstance(request, Do) else None
    )
    with side.up():
        assert side.respond.step()
    assert (before, waits, len(side.entries(Requested))) == (1, [2], 1)
    assert (side.state(), side.row().attempts, side.rig.files.names()) == ("active", 1, [HOSTILE])


def test_an_order_that_was_not_asked_for_before_a_crash_is_asked_for_later(side: Side) -> None:
    side.writer.run(Decide(verb=BlockAddress(address=HOSTILE), at_once=True))
    side.restart()
    with side.up():
        side.respond.step()
    assert (side.state(), len(side.entries(Requested)), side.rig.files.names()) == ("active", 1, [HOSTILE])


def test_it_is_recorded_before_the_responder_is_asked(side: Side) -> None:
    side.decide()
    found: list[int] = []
    side.before = lambda request: (
        found.append(len(side.entries(Requested))) if isinstance(request, Do) else None
    )
    with side.up():
        side.respond.step()
    assert found == [1]


def test_switched_off_nothing_is_asked(side: Side) -> None:
    side.restart(ResponderConfig())
    side.decide()
    with side.up():
        assert side.respond.step()
        assert not side.respond.step()
    assert (side.state(), side.row().detail) == ("refused", "responder.enabled is off")
    assert (side.asked, side.entries(Requested)) == ([], [])
    assert side.entries(Answered) == [
        Answered(response_id="r1", state="refused", detail="responder.enabled is off")
    ]


@pytest.mark.parametrize("dry", ["agent", "responder"])
def test_a_dry_run_of_either_side_says_what_would_be_done(side: Side, dry: str) -> None:
    config = msgspec.structs.replace(LIVE, dry_run=True)
    if dry == "agent":
        side.restart(config)
    else:
        side.rig.restart(config)
    side.decide()
    with side.up():
        side.respond.step()
    assert (side.state(), side.row().detail, side.rig.files.names()) == (
        "dry_run",
        f"write {HOSTILE} for 600",
        [],
    )


def test_a_refusal_names_its_rule_and_is_final(side: Side) -> None:
    side.rig.judge = refuse("gateway")
    side.decide()
    with side.up():
        side.respond.step()
        side.later(300)
        side.respond.step()
    assert (side.state(), side.row().detail) == ("refused", "gateway: gateway says no")
    assert len([one for one in side.asked if isinstance(one, Do)]) == 1


def test_a_failure_is_tried_again_with_pauses_and_a_bound(side: Side) -> None:
    side.rig.files.fails = lambda step: broken(step) if step == "after keep" else None
    side.decide(ttl_s=10_000)
    with side.up():
        for _ in range(200):
            side.respond.step()
            side.monotonic += 0.5
    assert (side.state(), side.row().attempts) == ("failed", 5)
    assert len([one for one in side.asked if isinstance(one, Do)]) == 5
    assert len(side.entries(Requested)) == 1
    assert [one.state for one in side.entries(Answered) if isinstance(one, Answered)] == ["failed"] * 5


def test_a_failure_that_passes_is_no_failure(side: Side) -> None:
    side.rig.files.fails = lambda step: broken(step) if step == "after keep" else None
    side.decide()
    with side.up():
        side.respond.step()
        assert side.state() == "intended"
        side.rig.files.fails = lambda step: None
        side.respond.step()
        assert side.state() == "intended"
        side.monotonic += 1
        side.respond.step()
    assert side.state() == "active"


def test_without_a_responder_it_waits_and_says_so(side: Side) -> None:
    side.decide()
    assert not side.respond.step()
    assert "cannot be asked: No such file or directory" in (side.respond.problem or "")
    assert (side.state(), side.row().detail) == ("intended", side.respond.problem)
    side.monotonic += 1
    with side.up():
        assert side.respond.step()
    assert (side.state(), side.respond.problem) == ("active", "")


def test_status_says_by_what_it_blocks_once_it_answers(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(name="ufw", why="ufw rules this host")
    monkeypatch.setattr(side.rig.files, "way", lambda: way)

    def row() -> tuple[bool, str]:
        (found,) = [check for check in side.reader.checks() if check.name == "responder"]
        return found.ok, found.detail

    side.respond.step()
    assert (row()[0], "cannot be asked" in row()[1]) == (False, True)
    side.monotonic += 1
    with side.up():
        side.respond.step()
        side.respond.step()
    assert row() == (True, "block_address by ufw: ufw rules this host")
    assert sum(isinstance(one, Hello) for one in side.asked) == 1


def test_a_responder_that_is_away_is_not_asked_all_the_time(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    ask = side.client.ask
    monkeypatch.setattr(side.client, "ask", lambda request: (tries.append(side.monotonic), ask(request))[1])
    side.decide(ttl_s=10_000)
    for _ in range(1000):
        side.respond.step()
        side.monotonic += 1
    assert 15 <= len(tries) <= 25


def test_what_comes_too_late_does_not_come(side: Side) -> None:
    side.decide(ttl_s=60, age_s=61)
    with side.up():
        side.respond.step()
    assert (side.state(), side.rig.files.names(), side.entries(Requested)) == ("failed", [], [])


def test_a_process_from_before_the_last_boot_is_nobody(side: Side) -> None:
    since_boot_s = (realtime_ns() - boot_to_realtime_ns()) // NS
    side.decide(KillProcessTree(pid=4242, start_ns=7), ttl_s=since_boot_s + 1000, age_s=since_boot_s + 10)
    with side.up():
        side.respond.step()
    assert (side.state(), side.rig.kills.killed) == ("failed", [])
    assert side.row().detail == "the machine was restarted since"


def test_a_kill_is_done_and_stays_done(side: Side) -> None:
    side.decide(KillProcessTree(pid=4242, start_ns=7))
    with side.up():
        side.respond.step()
        side.reconcile()
    assert (side.state(), side.rig.kills.killed) == ("done", [4242])


def test_an_operator_undoes(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.operator_undoes()
        side.respond.step()
    assert (side.state(), side.rig.files.names()) == ("undone", [])
    assert side.entries(Undone) == [Undone(response_id="r1", state="undone", why="operator:ana")]
    (asked,) = [one for one in side.asked if isinstance(one, Undo)]
    assert asked.why == "operator:ana"


def test_an_undo_that_fails_is_tried_until_it_works(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.rig.files.fails = broken
        side.operator_undoes()
        side.respond.step()
        assert side.state() == "undoing"
        side.rig.files.fails = lambda step: None
        side.later(2)
        side.respond.step()
    assert (side.state(), side.rig.files.names()) == ("undone", [])
    assert len(side.entries(Undone)) == 1


def test_what_the_responder_ended_in_time_is_ended_here(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    side.decide(ttl_s=60)
    with side.up():
        side.respond.step()
        side.later(61)
        monkeypatch.setattr("innerwarden.agent.state.writer.realtime_ns", lambda: side.rig.time.wall_ns)
        side.respond.step()
    assert (side.state(), side.row().detail) == ("undone", "expired")
    assert side.entries(Undone) == [Undone(response_id="r1", state="undone", why="expired")]


def test_the_same_number_in_a_new_database_is_another_request(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.new_database()
        side.decide(BlockAddress(address=OTHER))
        side.respond.step()
    assert (side.state("r1"), side.rig.files.names()) == ("active", [OTHER])


def test_denied_between_the_look_and_the_asking_it_is_not_asked(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    side.decide()
    run = side.writer.run

    def deny_first(operation: Any, timeout_s: float | None = None) -> Any:
        if isinstance(operation, Ask):
            run(UnblockByHand(who="operator:ana", what="unblock", address=HOSTILE))
        return run(operation, timeout_s)

    monkeypatch.setattr(side.writer, "run", deny_first)
    with side.up():
        side.respond.step()
    assert (side.state(), side.rig.files.names(), side.rig.files.calls) == ("denied", [], [])
    assert side.entries(Requested) == []


def test_what_a_lost_database_left_behind_is_undone(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.new_database()
        side.respond.step()
    assert side.rig.files.names() == []
    (ended,) = side.entries(Undone)
    assert isinstance(ended, Undone)
    assert (ended.why, ended.response_id.startswith("r1-")) == ("lost", True)


def test_what_others_asked_for_is_left_alone(side: Side) -> None:
    side.rig.do("by-hand")
    with side.up():
        side.reconcile()
    assert side.rig.files.names() == [HOSTILE]


def test_what_the_responder_forgot_is_asked_for_again_for_the_rest_of_its_time(side: Side) -> None:
    side.decide(ttl_s=600)
    with side.up():
        side.respond.step()
        side.rig.journal.close()
        (side.directory / "responder" / "journal.jsonl").unlink()
        side.rig.restart()
        assert side.rig.files.names() == []
        side.reconcile()
        side.respond.step()
    assert (side.state(), side.rig.files.names()) == ("active", [HOSTILE])
    last = [one for one in side.asked if isinstance(one, Do)][-1]
    assert 590 <= last.ttl_s <= 600
    assert Counter(e.state for e in side.entries(Answered) if isinstance(e, Answered)) == {
        "active": 2,
        "lost": 1,
    }


def test_what_the_responder_gave_up_is_over(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.rig.judge = refuse("operator_session")
        side.rig.restart()
        side.reconcile()
    assert (side.state(), side.rig.files.names()) == ("undone", [])
    (ended,) = side.entries(Undone)
    assert isinstance(ended, Undone)
    assert ended.why == "refused:operator_session"


def test_a_reconciliation_tells_when_it_was_last_seen(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.later(20)
        side.reconcile()
    assert side.row().verified_ns == side.rig.time.wall_ns


def test_killed_after_asking_it_adopts_the_answer(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(request: AnyRequest) -> None:
        if isinstance(request, Do):
            monkeypatch.setattr(side.writer, "run", die)

    def die(_operation: object) -> None:
        raise Crash

    side.decide()
    side.after = crash
    with side.up():
        with pytest.raises(Crash):
            side.respond.step()
        monkeypatch.undo()
        side.after = lambda request: None
        side.restart()
        side.respond.step()
    assert (side.state(), side.rig.files.names(), side.rig.files.calls.count("do")) == (
        "active",
        [HOSTILE],
        1,
    )
    assert len(side.entries(Requested)) == 1


def test_unblocked_while_it_is_being_blocked(side: Side) -> None:
    side.decide()

    def unblock(request: AnyRequest) -> None:
        if isinstance(request, Do):
            side.writer.run(UnblockByHand(who="operator:ana", what="unblock", address=HOSTILE))

    side.after = unblock
    with side.up():
        side.respond.step()
    assert (side.state(), side.rig.files.names()) == ("denied", [])
    assert [one.why for one in side.entries(Undone) if isinstance(one, Undone)] == ["operator"]


def test_unblocked_and_killed_before_it_was_undone(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.writer.run(UnblockByHand(who="operator:ana", what="unblock", address=HOSTILE))

        class Deny(msgspec.Struct, frozen=True):
            durable: bool = False

            def apply(self, tx: Tx) -> None:
                tx.db.execute("UPDATE responses SET state = 'denied'")

        side.writer.run(Deny())
        side.restart()
        side.respond.step()
    assert side.rig.files.names() == []


def test_a_switch_turned_off_while_it_is_in_effect(side: Side) -> None:
    side.decide()
    with side.up():
        side.respond.step()
        side.restart(ResponderConfig())
        side.reconcile()
        assert (side.state(), side.rig.files.names()) == ("active", [HOSTILE])
        side.operator_undoes()
        side.respond.step()
    assert (side.state(), side.rig.files.names()) == ("undone", [])


def test_an_agent_that_never_acts_never_asks(side: Side) -> None:
    side.restart(ResponderConfig())
    assert not side.respond.step()
    assert side.respond.problem == ""
    with side.up():
        side.reconcile()
    assert side.asked == []


def test_one_request_that_breaks_the_responder_holds_up_nobody(side: Side) -> None:
    side.decide()
    side.decide(BlockAddress(address=OTHER))

    def fail(request: AnyRequest) -> None:
        if isinstance(request, Do) and request.verb == BlockAddress(address=HOSTILE):
            raise RuntimeError("a fault of ours")

    side.before = fail
    with side.up():
        side.respond.step()
    assert (side.state("r1"), side.state("r2")) == ("intended", "active")


def test_who_listens_must_be_root_or_the_same_user(side: Side) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to listen as somebody else")
    directory = side.directory / "open"
    directory.mkdir()
    directory.chmod(0o777)
    for part in list(directory.parents)[:4]:
        part.chmod(part.stat().st_mode | 0o755)
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(directory / "r.sock"))
        listener.listen()
        os.write(told, b"x")
        listener.accept()
        os._exit(0)
    try:
        os.read(ready, 1)
        with pytest.raises(Away, match="uid 65534 listens there"):
            Client(str(directory / "r.sock")).ask(Undo(request_id="r1"))
    finally:
        os.waitpid(pid, 0)
