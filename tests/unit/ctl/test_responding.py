# SPDX-License-Identifier: Apache-2.0
"""What doctor says of a responder that answers over a real socket, and of one that does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.state.responses import Order, intend
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import Config, ResponderConfig
from innerwarden.ctl.responding import responder_checks
from innerwarden.ctl.sources import Check
from innerwarden.model.record import Decided, Outcome
from innerwarden.model.responder import AnyRequest, Hello, Listing, Live, State, Way, Welcome
from innerwarden.model.verb import BlockAddress
from innerwarden.paths import state_db

WELCOME = Welcome(
    version="0",
    pid=7,
    enabled=True,
    dry_run=False,
    verbs=("block_address",),
    live_count=0,
    ways={"block_address": Way(name="ufw", why="ufw rules this host")},
)


def effect(
    request_id: str, detail: str = "", state: State = "active", age_s: float | None = 1.0, number: int = 1
) -> Live:
    now = realtime_ns()
    return Live(
        number=number,
        request_id=request_id,
        verb=BlockAddress(address="203.0.113.9"),
        state=state,
        expires_ns=now + 600 * NS,
        verified_ns=None if age_s is None else now - int(age_s * NS),
        detail=detail,
    )


@contextmanager
def answering(path: Path, welcome: Welcome, *live: Live) -> Iterator[None]:
    """A responder that knows two answers, for one connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            link, _ = server.accept()
            with link:
                while packet := link.recv(65536):
                    hello = isinstance(msgspec.json.decode(packet, type=AnyRequest), Hello)
                    link.send(msgspec.json.encode(welcome if hello else Listing(live=live)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(5)


def config(tmp_path: Path, **changes: object) -> Config:
    base = ResponderConfig(enabled=True, dry_run=False, socket=str(tmp_path / "r.sock"), operators=("ana",))
    return Config(responder=msgspec.structs.replace(base, **changes))


def told(tmp_path: Path, welcome: Welcome, *live: Live) -> dict[str, Check]:
    with answering(tmp_path / "r.sock", welcome, *live):
        return {check.name: check for check in responder_checks(config(tmp_path), tmp_path)}


class Wanted(msgspec.Struct, frozen=True):
    """Operation: a response that the agent wants."""

    durable: bool = False

    def apply(self, tx: Tx) -> str | None:
        decided = Decided(incident_id="x", outcome=Outcome.ACT, by="rule:x", reason="test")
        return intend(tx, Order(decided=decided, verb=BlockAddress(address="203.0.113.9"), ttl_s=60))


def test_switched_off_nobody_misses_it(tmp_path: Path) -> None:
    (check,) = responder_checks(Config(), tmp_path)
    assert (check.name, check.state) == ("responder", "ok")
    assert "off" in check.detail


def test_away_it_is_told_with_a_remedy(tmp_path: Path) -> None:
    (check,) = responder_checks(config(tmp_path), tmp_path)
    assert (check.name, check.state) == ("responder", "failed")
    assert "r.sock cannot be asked" in check.detail
    assert check.remedy.startswith("Start it: innerwarden responder")


def test_all_is_well_and_the_backend_is_named_with_its_reason(tmp_path: Path) -> None:
    found = told(tmp_path, WELCOME)
    assert {check.state for check in found.values()} == {"ok"}
    assert found["responder.block_address"].detail == "block_address by ufw: ufw rules this host"


@pytest.mark.parametrize(
    ("way", "state", "said"),
    [
        (Way(problem="backend ufw cannot block addresses: ufw is not active"), "failed", "ufw is not active"),
        (
            Way(name="nftables", why="it is asked for by name", problem="ufw rules too"),
            "warning",
            "ufw rules too",
        ),
    ],
)
def test_what_is_wrong_with_the_backend_is_told(tmp_path: Path, way: Way, state: str, said: str) -> None:
    check = told(tmp_path, msgspec.structs.replace(WELCOME, ways={"block_address": way}))[
        "responder.block_address"
    ]
    assert check.state == state
    assert said in check.detail
    assert "responder.backend" in check.remedy


def test_a_journal_that_cannot_be_written_and_other_switches_are_told(tmp_path: Path) -> None:
    broken = told(tmp_path, msgspec.structs.replace(WELCOME, problem="no space left"))["responder"]
    assert (broken.state, "no space left" in broken.detail) == ("failed", True)
    (tmp_path / "r.sock").unlink()
    other = told(tmp_path, msgspec.structs.replace(WELCOME, dry_run=True))["responder"]
    assert (other.state, "dry_run = True" in other.detail) == ("warning", True)


def test_effects_in_trouble_are_named(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    try:
        mine = writer.run(Wanted())
    finally:
        writer.close()
    found = told(
        tmp_path,
        WELCOME,
        effect(f"{mine}-ab12"),
        effect(f"{mine}-ab13", "it is not in table", number=2),
        effect(f"{mine}-ab14", age_s=None, number=3),
        effect(f"{mine}-ab15", age_s=300, number=4),
        effect(f"{mine}-ab16", "nft refused", "undoing", number=5),
        effect("r99-ab17", number=6),
        effect("by-hand", number=7),
    )
    assert found["responder.undo"].detail.startswith(f"1 cannot be undone: {mine}-ab16")
    assert "nft refused" in found["responder.undo"].detail
    assert found["responder.verify"].detail.startswith("3 are not verified to be in effect")
    assert "it is not in table" in found["responder.verify"].detail
    assert found["responder.unknown"].detail.startswith(
        "2 in effect belong to no response of the agent: r99-ab17"
    )
    assert {found[name].state for name in ("responder.undo", "responder.verify")} == {"failed"}
    assert found["responder.unknown"].state == "warning"
    assert all(found[name].remedy for name in ("responder.undo", "responder.verify", "responder.unknown"))


def test_one_effect_that_is_as_it_should_be_is_no_trouble(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    try:
        mine = writer.run(Wanted())
    finally:
        writer.close()
    assert set(told(tmp_path, WELCOME, effect(f"{mine}-ab12"))) == {"responder", "responder.block_address"}


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"operators": ()}, True),
        ({"operators": ("ana",)}, False),
        ({"operators": (), "dry_run": True}, False),
        ({"operators": (), "enabled": False}, False),
    ],
)
def test_acting_with_no_operator_named_is_warned_of(
    tmp_path: Path, changes: dict[str, object], warned: bool
) -> None:
    found = {check.name: check for check in responder_checks(config(tmp_path, **changes), tmp_path)}
    assert ("responder.operators" in found) is warned
    if warned:
        assert found["responder.operators"].state == "warning"
        assert "an intruder" in found["responder.operators"].detail
