# SPDX-License-Identifier: Apache-2.0
"""Blocks by XDP: a real responder, the shipped kernel object, real packets between network namespaces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Check, Undo
from tests.kernel.net import FAR_V4, FAR_V6, HERE_V4, OTHER_V4, Daemon, Net, wait

pytestmark = pytest.mark.kernel

Start = Callable[..., Daemon]


@pytest.fixture
def net() -> Iterator[Net]:
    if shutil.which("nft") is None or shutil.which("ip") is None:
        pytest.skip("needs nft and ip: apt-get install nftables iproute2")
    made = Net()
    yield made
    made.close()


@pytest.fixture
def live(tmp_path: Path) -> ResponderConfig:
    return ResponderConfig(
        enabled=True, dry_run=False, socket=str(tmp_path / "r.sock"), backend="xdp", xdp_interfaces=("far",)
    )


@pytest.fixture
def start(net: Net, live: ResponderConfig, tmp_path: Path) -> Iterator[Start]:
    started = []

    def one(config: ResponderConfig = live) -> Daemon:
        daemon = Daemon(net, tmp_path, config)
        started.append(daemon)
        return daemon

    yield one
    for daemon in started:
        daemon.end()


def attached(net: Net) -> bool:
    """Whether an XDP program sits on the interface, as the kernel tells."""
    (link,) = json.loads(net.at(net.here, "ip", "-j", "link", "show", "dev", "far"))
    return "xdp" in link


@pytest.mark.parametrize("address", [FAR_V4, FAR_V6])
def test_a_block_drops_in_the_driver_and_undo_lets_through(net: Net, start: Start, address: str) -> None:
    daemon = start()
    assert not attached(net), "nothing is loaded before it is needed"
    assert daemon.block(address).state == "active"
    assert attached(net)
    assert net.rules() == [], "no rule of nftables is made"
    assert net.connect(address) == "dropped"
    assert net.connect(OTHER_V4) == "passes"
    assert daemon.answer(Check(request_id="r1")).verified_ns is not None
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    wait(lambda: net.connect(address) == "passes", 10)  # neighbour discovery was dropped as well
    assert not attached(net), "without a block nothing stands in the way of packets"


def test_it_ends_in_time_by_itself(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(ttl_s=2)
    assert net.connect() == "dropped"
    wait(lambda: net.connect() == "passes", 10)
    wait(lambda: daemon.answer(Check(request_id="r1")).state == "undone", 10)


def test_a_killed_responder_takes_up_where_it_was(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block()
    daemon.kill()
    wait(lambda: not attached(net), 10)
    again = start()
    wait(lambda: attached(net) and net.connect() == "dropped", 15)
    assert again.answer(Check(request_id="r1")).state == "active"


def test_an_interface_that_goes_and_comes_is_guarded_again(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block()
    net.at(net.here, "ip", "link", "del", "far")
    net.at(net.far, "ip", "link", "add", "out", "type", "veth", "peer", "name", "far", "netns", net.here)
    for name, link, address in ((net.far, "out", f"{FAR_V4}/24"), (net.here, "far", f"{HERE_V4}/24")):
        net.at(name, "ip", "addr", "add", address, "dev", link)
        net.at(name, "ip", "link", "set", link, "up")
    wait(lambda: attached(net) and net.connect() == "dropped", 20)


@pytest.mark.parametrize("change", [{"enabled": False}, {"dry_run": True}])
def test_with_a_switch_off_nothing_is_attached(
    net: Net, start: Start, live: ResponderConfig, change: dict[str, bool]
) -> None:
    daemon = start(msgspec.structs.replace(live, **change))
    answer = daemon.block()
    assert answer.state in ("refused", "dry_run")
    assert not attached(net)
    assert net.connect() == "passes"
    if answer.state == "dry_run":
        assert answer.plan == ("attach XDP to far", f"drop {FAR_V4} there for 600 s")


def test_an_interface_that_is_not_there_is_told(net: Net, start: Start, live: ResponderConfig) -> None:
    answer = start(msgspec.structs.replace(live, xdp_interfaces=("nothing0",))).block()
    assert answer.state == "failed"
    assert "nothing0" in answer.detail or "interface" in answer.detail
    assert net.connect() == "passes"
