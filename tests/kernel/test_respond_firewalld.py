# SPDX-License-Identifier: Apache-2.0
"""Blocks where firewalld runs: a real responder, the real firewalld on a bus of its own, packets between namespaces."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from innerwarden.model.responder import Check, Clear, Cleared, Do, Undo, Way
from innerwarden.model.verb import BlockAddress
from tests.kernel import managed
from tests.kernel.managed import Room, Start, starting, way
from tests.kernel.net import BEHIND_V4, FAR_V4, FAR_V6, OTHER_V4, Net, wait

pytestmark = [pytest.mark.kernel, pytest.mark.apart, pytest.mark.slow]


class Walled(msgspec.Struct):
    net: Net
    room: Room
    daemon: subprocess.Popen[bytes]

    def cmd(self, *words: str) -> str:
        return self.net.at(self.net.here, "firewall-cmd", *words).strip()

    def sources(self) -> tuple[list[str], list[str]]:
        """Of zone drop: at runtime, permanently."""
        words = ("--zone=drop", "--list-sources")
        return self.cmd(*words).split(), self.cmd("--permanent", *words).split()

    def stop(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(15)


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[Walled]:
    for program in ("firewalld", "firewall-cmd", "dbus-daemon", "nft", "ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install firewalld dbus nftables iproute2 util-linux")
    net = Net()
    room = None
    try:
        room = Room(net, tmp_path, ["/etc/firewalld"])
        found = Walled(net, room, managed.firewalld(net, room))
        found.cmd("--set-default-zone=trusted")
        yield found
    finally:
        if room is not None:
            room.close()
        net.close()


@pytest.fixture
def start(wall: Walled, tmp_path: Path) -> Iterator[Start]:
    yield from starting(wall.net, tmp_path)


@pytest.mark.parametrize("address", [FAR_V4, FAR_V6])
def test_a_block_drops_shows_survives_a_reload_and_goes_with_undo(
    wall: Walled, start: Start, address: str
) -> None:
    net = wall.net
    before = wall.cmd("--list-all-zones"), wall.cmd("--permanent", "--list-all-zones")
    daemon = start()
    assert way(daemon) == Way(name="firewalld", why="firewalld rules this host")
    assert net.connect(address) == "passes"
    assert daemon.block(address).state == "active"
    assert net.connect(address) == "dropped"
    assert net.connect(OTHER_V4) == "passes"
    assert wall.sources() == ([address], [address])
    wall.cmd("--reload")
    assert net.connect(address) == "dropped"
    assert wall.sources() == ([address], [address])
    assert daemon.answer(Check(request_id="r1")).detail == ""
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert net.connect(address) == "passes"
    assert daemon.ask(Clear()) == Cleared(undone_count=0)
    assert (wall.cmd("--list-all-zones"), wall.cmd("--permanent", "--list-all-zones")) == before
    assert not [one for one in net.rules() if "innerwarden" in str(one)]


def test_after_a_start_of_firewalld_without_us_the_address_is_dropped(wall: Walled, start: Start) -> None:
    daemon = start()
    daemon.block()
    daemon.kill()
    wall.stop()
    wall.net.nft("flush ruleset")
    assert wall.net.connect() == "passes"
    wall.daemon = managed.again(wall.net, wall.room)
    assert wall.net.connect() == wall.net.connect(FAR_V4, BEHIND_V4) == "dropped"
    assert wall.net.connect(OTHER_V4) == "passes"
    daemon = start()
    wait(lambda: daemon.answer(Check(request_id="r1")).detail == "", 20)
    daemon.answer(Undo(request_id="r1"))
    assert wall.sources() == ([], [])
    assert wall.net.connect() == "passes"


@pytest.mark.parametrize("harm", ["source removed", "table deleted", "all flushed"])
def test_what_others_did_to_it_is_repaired(wall: Walled, start: Start, harm: str) -> None:
    start().block()
    if harm == "source removed":
        wall.cmd("--zone=drop", f"--remove-source={FAR_V4}")
        wall.cmd("--permanent", "--zone=drop", f"--remove-source={FAR_V4}")
    elif harm == "table deleted":
        wall.net.nft("delete table inet innerwarden_firewalld")
    else:
        wall.net.nft("flush ruleset")
    wait(
        lambda: wall.sources() == ([FAR_V4], [FAR_V4]) and "innerwarden_firewalld" in str(wall.net.rules()),
        20,
    )
    wait(lambda: wall.net.connect() == "dropped")


def test_a_lost_journal_leaves_nothing(wall: Walled, start: Start, tmp_path: Path) -> None:
    wall.cmd("--permanent", "--zone=drop", f"--add-source={OTHER_V4}")
    wall.cmd("--zone=drop", f"--add-source={OTHER_V4}")
    daemon = start()
    daemon.block()
    daemon.kill()
    (tmp_path / "responder" / "journal.jsonl").unlink()
    start()
    wait(lambda: wall.sources() == ([OTHER_V4], [OTHER_V4]) and wall.net.connect() == "passes", 20)


def test_undone_while_firewalld_is_off_it_does_not_come_back_with_it(wall: Walled, start: Start) -> None:
    daemon = start()
    daemon.block()
    wall.stop()
    assert wall.net.connect() == "dropped", "the table holds without firewalld"
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert wall.net.connect() == "passes"
    wall.daemon = managed.again(wall.net, wall.room)
    assert wall.sources() == ([], [])


def test_a_dry_run_tells_the_commands_and_runs_none(wall: Walled, start: Start) -> None:
    before = wall.sources(), wall.net.rules()
    verb = BlockAddress(address=FAR_V4)
    answer = start().answer(Do(request_id="r1", verb=verb, ttl_s=600, plan_only=True))
    assert answer.plan[-2:] == (
        f"firewall-cmd --permanent --zone=drop --add-source={FAR_V4}",
        f"firewall-cmd --zone=drop --add-source={FAR_V4}",
    )
    assert (wall.sources(), wall.net.rules()) == before


@pytest.mark.parametrize("zone", ["drop", "trusted"])
def test_a_source_of_the_operators_is_left_to_him(wall: Walled, start: Start, zone: str) -> None:
    wall.cmd(f"--zone={zone}", f"--add-source={FAR_V4}")
    refused = start().block()
    assert (refused.state, refused.rule) == ("refused", "firewalld")
    assert f"{FAR_V4} is a source of firewalld's zone {zone}" in refused.detail
    assert wall.cmd(f"--zone={zone}", "--list-sources") == FAR_V4


def test_asked_for_by_name_and_not_running_is_told(wall: Walled, start: Start) -> None:
    wall.stop()
    daemon = start("firewalld")
    assert "backend firewalld cannot block addresses: firewalld does not run" in way(daemon).problem
    answer = daemon.block()
    assert answer.state == "failed"
    assert "firewalld does not run" in answer.detail
