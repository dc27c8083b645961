# SPDX-License-Identifier: Apache-2.0
"""Commands over the real socket into a real state.db."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.operate.control import MAX_CLIENTS, Control
from innerwarden.agent.operate.operator import Operator
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.responses import Order, intend
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.config import Config, ResponderConfig
from innerwarden.ctl.operating import tell
from innerwarden.errors import UnavailableError
from innerwarden.model.command import (
    Answer,
    Approve,
    Block,
    Close,
    Deny,
    Reopen,
    Unblock,
    Undo,
)
from innerwarden.model.record import AnyEntry, Decided, Operated, Outcome
from innerwarden.model.verb import BlockAddress
from tests.unit.agent.support import append, finding, ingest_all

ATTACKER = "198.51.100.99"


class Propose(msgspec.Struct, frozen=True):
    """Operation: a block that waits for the operator's word."""

    address: str
    state: str = "proposed"
    durable: bool = False

    def apply(self, tx: Tx) -> str | None:
        verb = BlockAddress(address=self.address)
        decided = Decided(incident_id="i", outcome=Outcome.PROPOSE, by="rule:x", reason="r", verb=verb)
        made = intend(tx, Order(decided=decided, verb=verb, ttl_s=600, proposed=True))
        tx.db.execute("UPDATE responses SET state = ? WHERE response_id = ?", (self.state, made))
        return made


class Entries(msgspec.Struct, frozen=True):
    durable: bool = False

    def apply(self, tx: Tx) -> list[AnyEntry]:
        rows = tx.db.execute("SELECT body FROM record ORDER BY seq")
        return [msgspec.json.decode(body, type=AnyEntry) for (body,) in rows]


class Desk:
    """An agent's command socket and what is behind it."""

    def __init__(self, data_dir: Path, responder: ResponderConfig) -> None:
        self.data_dir = data_dir
        self.writer = Writer(paths.state_db(data_dir))
        config = Config(responder=responder)
        self.control = Control(paths.agent_socket(data_dir), Operator(self.writer, config).run)

    def state(self, response_id: str) -> str:
        with Reader(paths.state_db(self.data_dir)) as reader:
            return {one.response_id: one.state for one in reader.responses()}[response_id]

    def told(self) -> list[tuple[str, str, str]]:
        entries = self.writer.run(Entries())
        return [(e.who, e.what, e.subject) for e in entries if isinstance(e, Operated)]

    def close(self) -> None:
        self.control.close()
        self.writer.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, ResponderConfig(enabled=True))
    yield made
    made.close()


def test_a_proposal_is_approved_once(desk: Desk) -> None:
    made = desk.writer.run(Propose(ATTACKER))
    assert made is not None
    answer = tell(desk.data_dir, Approve(response_id=made))
    assert answer == Answer(done=True, text=f"{made} is approved", response_ids=(made,))
    assert desk.state(made) == "intended"
    again = tell(desk.data_dir, Approve(response_id=made))
    assert (again.done, again.text) == (False, f"{made} is intended, not proposed")
    assert [(what, subject) for _who, what, subject in desk.told()] == [("approve", made)]
    assert desk.told()[0][0] == f"operator:{'root' if os.getuid() == 0 else os.getlogin()}"


def test_a_proposal_is_denied(desk: Desk) -> None:
    made = desk.writer.run(Propose(ATTACKER))
    assert tell(desk.data_dir, Deny(response_id=made, reason="a customer")).done
    assert desk.state(made) == "denied"
    assert not tell(desk.data_dir, Approve(response_id=made)).done


def test_two_proposals_for_one_effect(desk: Desk) -> None:
    first, second = desk.writer.run(Propose(ATTACKER)), desk.writer.run(Propose(ATTACKER))
    assert tell(desk.data_dir, Approve(response_id=first)).done
    answer = tell(desk.data_dir, Approve(response_id=second))
    assert not answer.done and "already does block_address" in answer.text
    assert desk.state(second) == "proposed"


def test_an_active_response_is_undone_and_nothing_else_is(desk: Desk) -> None:
    made = desk.writer.run(Propose(ATTACKER, "active"))
    assert tell(desk.data_dir, Undo(response_id=made)).done
    assert desk.state(made) == "undoing"
    assert not tell(desk.data_dir, Undo(response_id=made)).done
    assert not tell(desk.data_dir, Undo(response_id="r999")).done


def test_an_address_is_blocked_and_let_in_again(desk: Desk) -> None:
    answer = tell(desk.data_dir, Block(address=f"::ffff:{ATTACKER}", ttl_s=600, reason="spam"))
    assert answer.done and ATTACKER in answer.text
    (made,) = answer.response_ids
    assert desk.state(made) == "intended"
    assert not tell(desk.data_dir, Block(address=ATTACKER)).done, "one owner of one effect"
    assert tell(desk.data_dir, Unblock(address=ATTACKER)).response_ids == (made,)
    assert desk.state(made) == "denied"
    assert not tell(desk.data_dir, Unblock(address=ATTACKER)).done


@pytest.mark.parametrize(
    ("address", "ttl_s", "word"),
    [
        ("127.0.0.1", 600, "loopback"),
        ("169.254.169.254", 600, "cloud_control"),
        ("10.0.0.9", 600, "private"),
        ("198.51.100.0/24", 600, "198.51.100.0/24"),
        (ATTACKER, 59, "60 to 604800"),
        (ATTACKER, 604_801, "60 to 604800"),
    ],
)
def test_what_may_not_be_blocked_is_said(desk: Desk, address: str, ttl_s: int, word: str) -> None:
    answer = tell(desk.data_dir, Block(address=address, ttl_s=ttl_s))
    assert not answer.done
    assert word in answer.text
    assert desk.writer.run(Entries()) == []


@pytest.mark.parametrize(
    ("responder", "word"),
    [(ResponderConfig(), "responder.enabled"), (ResponderConfig(enabled=True, verbs=()), "responder.verbs")],
)
def test_the_switches_hold_for_people_too(tmp_path: Path, responder: ResponderConfig, word: str) -> None:
    desk = Desk(tmp_path, responder)
    try:
        answer = tell(tmp_path, Block(address=ATTACKER))
        assert not answer.done and word in answer.text
        assert desk.writer.run(Entries()) == []
    finally:
        desk.close()


def test_an_incident_is_closed_and_reopened(tmp_path: Path) -> None:
    append(tmp_path, one := finding("ssh_bruteforce"))
    ingest_all(tmp_path)
    incident_id = one.fields.incident_id
    desk = Desk(tmp_path, ResponderConfig())
    try:
        assert tell(tmp_path, Close(incident_id=incident_id, reason="done")).done
        with Reader(paths.state_db(tmp_path)) as reader:
            assert [row.status for row in reader.incidents()] == ["closed"]
        assert tell(tmp_path, Reopen(incident_id=incident_id)).done
        assert not tell(tmp_path, Close(incident_id="nothing")).done
        assert [what for _who, what, _subject in desk.told()] == ["close", "reopen"]
    finally:
        desk.close()


@pytest.mark.parametrize(
    "data", [b"{}", b"\xff", b'{"command":"reboot"}', b'{"command":"approve"}', b"[" * 60000]
)
def test_nonsense_is_answered_and_harms_nobody(desk: Desk, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(5)
        client.connect(str(paths.agent_socket(desk.data_dir)))
        client.send(data)
        answer = msgspec.json.decode(client.recv(65536), type=Answer)
    assert not answer.done and "not a command" in answer.text
    assert not tell(desk.data_dir, Unblock(address=ATTACKER)).done


def test_clients_are_bounded_and_come_back(desk: Desk) -> None:
    crowd = []
    while len(crowd) < MAX_CLIENTS + 4:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.settimeout(5)
        with suppress(BlockingIOError):  # the queue of the unaccepted is full for a moment
            client.connect(str(paths.agent_socket(desk.data_dir)))
            crowd.append(client)
    assert crowd[-1].recv(16) == b"", "one too many is turned away"
    for client in crowd:
        client.close()
    for _ in range(50):
        try:
            assert not tell(desk.data_dir, Unblock(address=ATTACKER)).done
            return
        except UnavailableError:
            continue
    pytest.fail("the socket did not come back")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_another_user_is_refused(desk: Desk) -> None:
    socket_path = paths.agent_socket(desk.data_dir)
    desk.data_dir.chmod(0o755)
    socket_path.chmod(0o666)
    script = (
        "import os, socket, sys\nos.setresuid(65534, 65534, 65534)\n"  # where it is by then: what is above is closed
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5); s.connect(sys.argv[1])\n"
        "try:\n s.send(b'{}'); print(s.recv(100))\nexcept OSError as e: print('closed')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, socket_path.name],
        cwd=desk.data_dir,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert said.stdout.strip() in ("b''", "closed")


def test_without_an_agent_the_way_out_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="start the agent first"):
        tell(tmp_path, Unblock(address=ATTACKER))
