# SPDX-License-Identifier: Apache-2.0
"""Blocks by nftables: a real responder, real rules, real packets between network namespaces."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.respond.client import Client
from innerwarden.config import ResponderConfig
from innerwarden.model.responder import (
    PACKET_BYTES,
    AnyReply,
    Check,
    Clear,
    Cleared,
    Do,
    Hello,
    Problem,
    Undo,
    Welcome,
)
from innerwarden.model.verb import BlockAddress
from tests.kernel.net import BEHIND_V4, DAEMON, FAR_V4, FAR_V6, HERE_V4, OTHER_V4, ROOT, Daemon, Net, wait

pytestmark = [pytest.mark.kernel, pytest.mark.apart]

#: Everything is let in, early and late.
ACCEPTING = """
table inet other {
    set blocked_v4 { type ipv4_addr; elements = { 192.0.2.1 } }
    chain early { type filter hook prerouting priority -400; policy accept; accept; }
    chain input { type filter hook input priority -500; policy accept; tcp dport 1-65535 accept; }
    chain forward { type filter hook forward priority -500; policy accept; accept; }
}
"""

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
    """Whoever is logged in on this machine meanwhile is no operator."""
    socket_path = str(tmp_path / "r.sock")
    return ResponderConfig(enabled=True, dry_run=False, socket=socket_path, operators=("nobody",))


@pytest.fixture
def start(net: Net, tmp_path: Path, live: ResponderConfig) -> Iterator[Start]:
    started: list[Daemon] = []

    def begin(config: ResponderConfig = live) -> Daemon:
        started.append(Daemon(net, tmp_path, config))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.end()


@pytest.mark.parametrize("address", [FAR_V4, FAR_V6])
def test_a_block_drops_ahead_of_every_accept_and_undo_lets_through(
    net: Net, start: Start, address: str
) -> None:
    net.nft(ACCEPTING)
    before = net.rules()
    daemon = start()
    assert net.connect(address) == "passes"
    answer = daemon.block(address)
    assert (answer.state, answer.ttl_s) == ("active", 600)
    assert net.connect(address) == "dropped"
    assert net.connect(OTHER_V4) == "passes"
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    assert (net.connect(address), net.blocked()) == ("passes", [])
    assert daemon.ask(Clear()) == Cleared(undone_count=0)
    assert net.rules() == before


def test_a_mapped_address_is_the_v4_one(net: Net, start: Start) -> None:
    assert start().block(f"::ffff:{FAR_V4}").state == "active"
    assert (net.blocked(), net.connect()) == ([FAR_V4], "dropped")


def test_forwarded_packets_are_dropped_too(net: Net, start: Start) -> None:
    net.nft(ACCEPTING)
    assert net.connect(FAR_V4, BEHIND_V4) == "passes"
    start().block()
    assert net.connect(FAR_V4, BEHIND_V4) == "dropped"
    assert net.connect(OTHER_V4, BEHIND_V4) == "passes"


def test_a_connection_that_stands_already_is_cut(net: Net, start: Start) -> None:
    """As an established one is accepted first by nearly every firewall."""
    rule = "ct state established accept"
    net.nft(f"table inet fw {{ chain input {{ type filter hook input priority 0; {rule}; }}\n}}\n")
    daemon = start()
    listen = (
        "import socket; s=socket.create_server(('0.0.0.0', 7001)); print('up', flush=True); c,_=s.accept();"
    )
    listen += "c.settimeout(1.5)\nwhile True:\n  print(c.recv(9).decode(), flush=True)"
    server = subprocess.Popen(
        ["ip", "netns", "exec", net.here, sys.executable, "-c", listen], stdout=-1, stderr=-3, text=True
    )
    assert server.stdout and server.stdout.readline() == "up\n"
    talk = (
        f"import socket,sys; s=socket.create_connection(('{HERE_V4}',7001),2,('{FAR_V4}',0)); s.send(b'one');"
    )
    talk += "print('sent',flush=True); input(); s.send(b'two'); input()"
    client = subprocess.Popen(
        ["ip", "netns", "exec", net.far, sys.executable, "-c", talk], stdin=-1, stdout=-1, text=True
    )
    assert client.stdin and client.stdout
    try:
        assert client.stdout.readline() == "sent\n"
        assert daemon.block().state == "active"
        client.stdin.write("\n")
        client.stdin.flush()
        assert server.stdout.read().split() == ["one"]
    finally:
        for one in (client, server):
            one.kill()
            one.wait()


def test_it_ends_in_time_by_itself(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(ttl_s=2)
    assert net.connect() == "dropped"
    wait(lambda: daemon.answer(Check(request_id="r1")).state == "undone")
    assert (net.connect(), daemon.answer(Check(request_id="r1")).why) == ("passes", "expired")


def test_the_kernel_ends_it_with_all_of_us_dead(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(ttl_s=3)
    daemon.kill()
    assert net.connect() == "dropped"
    wait(lambda: net.connect() == "passes")
    assert net.blocked() == []


def test_what_was_there_without_an_end_gets_one(net: Net, start: Start) -> None:
    """Added to our set by hand, say; `nft add element` would leave an element as it is."""
    daemon = start()
    daemon.block(OTHER_V4, "r0")
    net.nft(f"add element inet innerwarden blocked_v4 {{ {FAR_V4} }}")
    daemon.block(ttl_s=3)
    daemon.kill()
    assert net.connect() == "dropped"
    wait(lambda: net.connect() == "passes")
    assert net.blocked() == [OTHER_V4]


def test_a_killed_responder_takes_up_where_it_was(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(ttl_s=100)
    daemon.kill()
    daemon = start()
    assert daemon.answer(Check(request_id="r1")).state == "active"
    daemon.block(ttl_s=100)
    assert (net.blocked(), net.connect()) == ([FAR_V4], "dropped")


def test_a_reboot_loses_the_rules_and_gets_them_back(net: Net, start: Start) -> None:
    daemon = start()
    daemon.block(ttl_s=100)
    daemon.kill()
    net.nft("flush ruleset")
    start()
    wait(lambda: net.connect() == "dropped")


@pytest.mark.parametrize(
    "harm",
    [
        "flush ruleset",
        "add table inet innerwarden { flags dormant; }",
        "insert rule inet innerwarden block accept",
        "flush chain inet innerwarden block",
        f"delete element inet innerwarden blocked_v4 {{ {FAR_V4} }}",
        "delete table inet innerwarden\nadd table inet innerwarden\n"
        "add set inet innerwarden blocked_v4 { type ipv6_addr; }",
        "delete chain inet innerwarden block\n"
        "add chain inet innerwarden block { type filter hook output priority 0; }",
    ],
)
def test_what_others_do_to_our_rules_is_noticed_and_mended(net: Net, start: Start, harm: str) -> None:
    daemon = start()
    daemon.block()
    net.nft(harm)
    wait(lambda: net.connect() == "dropped")
    wait(lambda: daemon.answer(Check(request_id="r1")).detail == "")


def test_many_that_vanish_come_back_at_once(net: Net, start: Start) -> None:
    daemon = start()
    for n in range(20, 50):
        daemon.block(f"203.0.113.{n}", f"r{n}", ttl_s=600 + n)
    daemon.block(FAR_V6, "r6")
    daemon.kill()
    net.nft("flush ruleset")
    daemon = start()
    wait(lambda: len(net.blocked()) == 31)
    said = daemon.log.read_text()
    assert "brought back" not in said, said
    assert net.connect(FAR_V6) == "dropped"
    ends = [
        element["elem"]["timeout"]
        for one in net.rules()
        for element in one.get("set", {}).get("elem", [])
        if element["elem"]["val"].startswith("203.")
    ]
    assert len(ends) == 30
    assert all(560 <= end <= 650 for end in ends)


@pytest.mark.parametrize("made", [False, True])
def test_a_dry_run_touches_nothing_and_says_what_it_would_do(
    net: Net, start: Start, live: ResponderConfig, made: bool
) -> None:
    net.nft(ACCEPTING)
    if made:
        daemon = start()
        daemon.block(OTHER_V4, "r0")
        daemon.end()
    before = net.rules()
    daemon = start(msgspec.structs.replace(live, dry_run=True))
    answer = daemon.block()
    assert answer.state == "dry_run"
    assert answer.plan[-1] == f"nft add element inet innerwarden blocked_v4 {{ {FAR_V4} timeout 600s }}"
    assert (len(answer.plan) > 1) is not made
    assert (net.rules(), net.connect()) == (before, "passes")
    daemon.end()  # it would take the next lines for an orphan
    # What it said is what a person could run.
    net.nft("\n".join(line.removeprefix("nft ") for line in answer.plan))
    assert net.connect() == "dropped"


def test_a_switch_flipped_under_a_live_block(net: Net, start: Start, live: ResponderConfig) -> None:
    daemon = start()
    daemon.block(FAR_V4, "r1", ttl_s=6)
    daemon.block(OTHER_V4, "r2", ttl_s=500)
    daemon.end()
    daemon = start(msgspec.structs.replace(live, enabled=False))
    assert (net.connect(), net.connect(OTHER_V4)) == ("dropped", "dropped")
    assert daemon.block("203.0.113.77", "r3").rule == "responder.enabled"
    assert daemon.answer(Undo(request_id="r2")).state == "undone"
    assert net.connect(OTHER_V4) == "passes"
    wait(lambda: daemon.answer(Check(request_id="r1")).state == "undone")
    assert net.connect() == "passes"


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        (f"{FAR_V4}/32", "target"),
        ("203.0.113.0/24", "target"),
        ("::ffff:127.0.0.1", "loopback"),
        (HERE_V4, "own_address"),
        ("198.51.100.1", "own_address"),
        ("10.1.2.3", "private"),
        ("fe80::1%far", "not_an_address"),
    ],
)
def test_targets_that_are_none(net: Net, start: Start, address: str, rule: str) -> None:
    before = net.rules()
    answer = start().block(address)
    assert (answer.state, answer.rule) == ("refused", rule)
    assert net.rules() == before


def test_a_gateway_is_never_blocked(net: Net, start: Start) -> None:
    net.at(net.here, "ip", "route", "add", "default", "via", FAR_V4)
    assert start().block().rule == "gateway"


def test_clear_removes_all_of_ours_and_nothing_else(net: Net, start: Start, tmp_path: Path) -> None:
    net.nft(ACCEPTING)
    before = net.rules()
    daemon = start()
    for n in range(20, 30):
        daemon.block(f"203.0.113.{n}", f"r{n}")
    assert len(net.blocked()) == 10
    assert daemon.ask(Clear()) == Cleared(undone_count=10)
    assert net.rules() == before
    assert daemon.answer(Check(request_id="r20")).why == "cleared"


STRANGER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    link.connect(sys.argv[1])
    link.send(b'{"request":"hello"}')
    print(link.recv(9).decode() or "refused")
except OSError as error:
    print("refused")
"""


@pytest.mark.parametrize(
    ("agent", "opened", "said"),
    [("nobody-else", True, "refused"), ("nobody", True, '{"reply":'), ("nobody", False, "refused")],
)
def test_only_root_and_the_agent_are_answered(
    net: Net, tmp_path: Path, live: ResponderConfig, agent: str, opened: bool, said: str
) -> None:
    code = DAEMON.replace(
        "upkeep.SWEEP_S",
        f"from innerwarden.responder import server\nserver.AGENT = {agent!r}\nupkeep.SWEEP_S",
    )
    daemon = Daemon(net, tmp_path, live, code)
    try:
        assert Path(daemon.socket).stat().st_mode & 0o777 == 0o660
        if opened:
            Path(daemon.socket).chmod(0o666)
        for part in list(Path(daemon.socket).parents)[:-2]:
            part.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, daemon.socket], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == said
        assert isinstance(daemon.ask(Hello()), Welcome)
    finally:
        daemon.end()


@pytest.mark.parametrize(
    "packet",
    [
        b"x",
        b"{}",
        b"\xff" * 100,
        b'{"request":"do"}',
        b'{"request":"do","request_id":"../x","verb":{"verb":"block_address","address":"1.2.3.4"},"ttl_s":60}',
        b'{"request":"do","request_id":"r1\\n","verb":{"verb":"block_address","address":"1.2.3.4"},"ttl_s":60}',
        b'{"request":"do","request_id":"r1","verb":{"verb":"run_shell","command":"id"},"ttl_s":60}',
        b'{"request":"undo","request_id":"r1","why":"' + b"y" * 201 + b'"}',
        b"[" * 60_000,
        b'{"request":"hello"}' + b" " * PACKET_BYTES,
    ],
)
def test_bad_packets_are_answered_and_end_nothing(start: Start, packet: bytes) -> None:
    daemon = start()
    with daemon.connect() as link:
        link.send(packet)
        assert isinstance(msgspec.json.decode(link.recv(PACKET_BYTES), type=AnyReply), Problem)
        link.send(b'{"request":"hello"}')
        assert isinstance(msgspec.json.decode(link.recv(PACKET_BYTES), type=AnyReply), Welcome)


def test_clients_are_bounded_and_the_silent_make_room(start: Start) -> None:
    daemon = start()
    links: list[socket.socket] = []
    for _ in range(40):
        links.append(daemon.connect())
        assert isinstance(daemon.ask(Hello()), Welcome)
    open_fds = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
    for link in links:
        link.close()
    assert open_fds < 40


def test_a_client_that_never_reads_harms_nobody(start: Start) -> None:
    daemon = start()
    with daemon.connect() as link:
        link.setblocking(False)
        try:
            for _ in range(100_000):
                link.send(b'{"request":"hello"}')
        except OSError:
            pass
        assert isinstance(daemon.ask(Hello()), Welcome)


def test_a_second_responder_is_refused(net: Net, start: Start, live: ResponderConfig, tmp_path: Path) -> None:
    start()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for directory, said in ((tmp_path, "another responder uses"), (elsewhere, "another responder listens")):
        second = Daemon(net, directory, live)
        assert second.process.wait(20) == 1
        assert said in second.log.read_text()


CONFIG = """
[responder]
enabled = true
dry_run = false
operators = ["nobody"]
socket = "{socket}"
"""


def command(net: Net, config: Path, data_dir: Path, *more: str) -> list[str]:
    words = ["ip", "netns", "exec", net.here, sys.executable, "-m", "innerwarden", "responder"]
    return [*words, "--config", str(config), "--data-dir", str(data_dir), *more]


def test_the_command_serves_and_clears(net: Net, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(socket=tmp_path / "r.sock"))
    before = net.rules()
    daemon = subprocess.Popen(command(net, config, tmp_path), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        client = Client(str(tmp_path / "r.sock"))
        wait((tmp_path / "r.sock").exists)
        answer = client.answer(Do(request_id="r1", verb=BlockAddress(address=FAR_V4), ttl_s=600))
        assert (answer.state, net.connect()) == ("active", "dropped")
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0
    assert net.connect() == "dropped"
    done = subprocess.run(
        command(net, config, tmp_path, "--clear"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "undone: 1\n"), done.stderr
    assert (net.rules(), net.connect()) == (before, "passes")


@pytest.mark.parametrize("which", ["config", "journal"])
def test_what_others_could_change_is_not_obeyed(net: Net, tmp_path: Path, which: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(socket=tmp_path / "r.sock"))
    if which == "config":
        config.chmod(0o666)
    else:
        (tmp_path / "responder").mkdir(mode=0o700)
        os.chown(tmp_path / "responder", 65534, 65534)
    done = subprocess.run(
        command(net, config, tmp_path), cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 3
    said = "decides what root does" if which == "config" else "belongs to uid 65534"
    assert said in done.stderr
