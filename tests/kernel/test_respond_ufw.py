# SPDX-License-Identifier: Apache-2.0
"""Blocks where ufw is active: a real responder, the real ufw on copies of its files, real packets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.model.responder import Check, Clear, Cleared, Do, Undo, Way
from innerwarden.model.verb import BlockAddress
from tests.kernel.managed import Room, Start, starting, way
from tests.kernel.net import BEHIND_V4, FAR_V4, FAR_V6, HERE_V4, OTHER_V4, Net, wait

pytestmark = [pytest.mark.kernel, pytest.mark.apart, pytest.mark.slow]

#: Connects, then says every 0.1 s whether a byte came back.
TALK = """
import socket, sys, time
link = socket.create_connection((sys.argv[2], 7), 3, (sys.argv[1], 0))
link.settimeout(1.5)
for line in sys.stdin:
    link.send(b'x')
    try:
        print('passes' if link.recv(1) else 'ended', flush=True)
    except TimeoutError:
        print('dropped', flush=True)
"""
ECHO = """
import socket
server = socket.create_server(('0.0.0.0', 7))
print('ready', flush=True)
link, _ = server.accept()
while data := link.recv(9):
    link.send(data)
"""


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    for program in ("ufw", "nft", "ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install ufw nftables iproute2 util-linux")
    made = Net()
    room = None
    try:
        room = Room(made, tmp_path, ["/etc/ufw", "/etc/default/ufw"])
        ufw(made, "--force", "enable")
        ufw(made, "allow", "1:100/tcp")
        ufw(made, "route", "allow", "from", "any")
        yield made
    finally:
        if room is not None:
            room.close()
        made.close()


def ufw(net: Net, *words: str) -> str:
    return net.at(net.here, "ufw", *words)


def rows(net: Net) -> list[str]:
    """Addresses that ufw shows with our mark."""
    lines = ufw(net, "status").splitlines()
    return [line.split()[-3] for line in lines if "DENY" in line and line.rstrip().endswith("# innerwarden")]


@pytest.fixture
def start(net: Net, tmp_path: Path) -> Iterator[Start]:
    yield from starting(net, tmp_path)


@pytest.mark.parametrize("address", [FAR_V4, FAR_V6])
def test_a_block_drops_shows_survives_a_reload_and_goes_with_undo(
    net: Net, start: Start, address: str
) -> None:
    before = ufw(net, "status", "numbered")
    daemon = start()
    assert way(daemon) == Way(name="ufw", why="ufw rules this host")
    assert net.connect(address) == "passes"
    assert daemon.block(address).state == "active"
    assert net.connect(address) == "dropped"
    assert net.connect(OTHER_V4) == "passes"
    assert rows(net) == [address]
    ufw(net, "reload")
    assert net.connect(address) == "dropped"
    assert daemon.answer(Check(request_id="r1")).detail == ""
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert net.connect(address) == "passes"
    assert daemon.ask(Clear()) == Cleared(undone_count=0)
    assert ufw(net, "status", "numbered") == before
    assert not [one for one in net.rules() if "innerwarden" in str(one)]


def test_who_is_in_already_and_what_is_forwarded_is_dropped(net: Net, start: Start) -> None:
    """A deny of ufw's alone stands behind its accept of what is established, and does not see what is forwarded."""
    server = subprocess.Popen([*net.inside, sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    words = ["ip", "netns", "exec", net.far, sys.executable, "-uc", TALK, FAR_V4, HERE_V4]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None

    def talk() -> str:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write("\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    try:
        assert talk() == "passes"
        ufw(net, "prepend", "deny", "from", FAR_V4)
        assert talk() == "passes", "as the operator's own rule leaves it"
        ufw(net, "delete", "deny", "from", FAR_V4)
        assert net.connect(FAR_V4, BEHIND_V4) == "passes"
        start().block()
        assert talk() == "dropped"
        assert net.connect(FAR_V4, BEHIND_V4) == "dropped"
    finally:
        for one in (client, server):
            one.kill()
            one.wait()


@pytest.mark.parametrize("harm", ["allowed first", "rule deleted", "table deleted", "reset by reload"])
def test_what_others_did_to_it_is_repaired(net: Net, start: Start, harm: str) -> None:
    start().block()
    if harm == "allowed first":
        ufw(net, "prepend", "allow", "from", "203.0.113.0/24")
    elif harm == "rule deleted":
        ufw(net, "delete", "deny", "from", FAR_V4)
    elif harm == "table deleted":
        net.nft("delete table inet innerwarden_ufw")
    else:
        net.nft("flush ruleset")
        ufw(net, "reload")
    wait(lambda: _first_row(net).endswith("# innerwarden") and bool(_dropped(net)), 20)
    assert net.connect() == "dropped"
    assert rows(net) == [FAR_V4]


def _first_row(net: Net) -> str:
    return (
        [line for line in ufw(net, "status", "numbered").splitlines() if line.startswith("[ 1]")] or [""]
    )[0].strip()


def _dropped(net: Net) -> list[str]:
    return [
        element["elem"]["val"]
        for one in net.rules()
        if one.get("set", {}).get("table") == "innerwarden_ufw"
        for element in one["set"].get("elem", [])
    ]


def test_a_killed_responder_takes_up_and_a_lost_journal_leaves_nothing(
    net: Net, start: Start, tmp_path: Path
) -> None:
    daemon = start()
    daemon.block()
    daemon.block(FAR_V6, "r2")
    once = ufw(net, "status", "numbered")
    daemon.kill()
    daemon = start()
    assert net.connect() == "dropped"
    assert ufw(net, "status", "numbered") == once
    daemon.kill()
    (tmp_path / "responder" / "journal.jsonl").unlink()
    start()
    wait(lambda: rows(net) == [] and net.connect() == net.connect(FAR_V6) == "passes", 20)


def test_undone_while_ufw_is_off_it_does_not_come_back_with_it(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block()
    ufw(net, "disable")
    assert net.connect() == "dropped", "the table holds without ufw"
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert net.connect() == "passes"
    ufw(net, "--force", "enable")
    assert rows(net) == []


def test_a_dry_run_tells_the_commands_and_runs_none(net: Net, start: Start) -> None:
    before = ufw(net, "status", "numbered")
    verb = BlockAddress(address=FAR_V4)
    answer = start().answer(Do(request_id="r1", verb=verb, ttl_s=600, plan_only=True))
    assert answer.plan[0] == "nft add table inet innerwarden_ufw"
    assert answer.plan[-1] == f"ufw prepend deny from {FAR_V4} comment innerwarden"
    assert ufw(net, "status", "numbered") == before
    assert "innerwarden" not in str(net.rules())


def test_rules_of_the_operator_stand(net: Net, start: Start) -> None:
    ufw(net, "allow", "from", FAR_V4)
    ufw(net, "deny", "from", OTHER_V4, "comment", "mine")
    before = ufw(net, "status", "numbered")
    daemon = start()
    refused = daemon.block(FAR_V4)
    assert (refused.state, refused.rule) == ("refused", "ufw")
    assert refused.detail == f"a rule of ufw lets {FAR_V4} in; remove it: ufw delete allow from {FAR_V4}"
    assert net.connect(FAR_V4) == "passes"
    daemon.block(OTHER_V4, "r2")
    daemon.answer(Undo(request_id="r2"))
    after = ufw(net, "status", "numbered")
    assert sorted(line.split("] ")[-1] for line in after.splitlines()) == sorted(
        line.split("] ")[-1] for line in before.splitlines()
    )


def test_asked_for_by_name_and_not_active_is_told(net: Net, start: Start) -> None:
    ufw(net, "disable")
    daemon = start("ufw")
    assert "backend ufw cannot block addresses: ufw is not active" in way(daemon).problem
    answer = daemon.block()
    assert answer.state == "failed"
    assert "ufw is not active" in answer.detail
    assert net.connect() == "passes"


def test_another_one_asked_for_by_name_is_used_and_told_of(net: Net, start: Start) -> None:
    daemon = start("nftables")
    assert way(daemon) == Way(
        name="nftables",
        why="it is asked for by name",
        problem="ufw rules this host too and does not show what nftables blocks",
    )
    daemon.block()
    assert net.connect() == "dropped"
    assert rows(net) == []
    assert net.blocked() == [FAR_V4]
