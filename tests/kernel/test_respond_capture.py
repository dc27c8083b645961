# SPDX-License-Identifier: Apache-2.0
"""Recording real packets with the real tcpdump in a network namespace."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Answer, Check, Do, Undo
from innerwarden.model.verb import CapturePackets
from innerwarden.responder import command
from innerwarden.responder.evidence import Evidence
from innerwarden.responder.skill import Effect, Refusal, SkillError
from innerwarden.responder.skills.capture_packets import Capture
from tests.kernel.net import FAR_V4, FAR_V6, OTHER_V4, Daemon, Net, wait

pytestmark = pytest.mark.kernel

Start = Callable[[], Daemon]


@pytest.fixture
def net() -> Iterator[Net]:
    for program in ("tcpdump", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install tcpdump iproute2")
    made = Net()
    yield made
    made.close()


@pytest.fixture
def daemon(net: Net, tmp_path: Path) -> Iterator[Daemon]:
    socket = str(tmp_path / "r.sock")
    config = ResponderConfig(enabled=True, dry_run=False, socket=socket, verbs=("capture_packets",))
    made = Daemon(net, tmp_path, config)
    yield made
    made.end()


def capture(daemon: Daemon, address: str = FAR_V4, seconds: int = 30, packet_count: int = 200) -> Answer:
    return daemon.do(CapturePackets(address=address, seconds=seconds, packet_count=packet_count))


def packets(tmp_path: Path) -> list[str]:
    """What tcpdump reads in the one file."""
    (place,) = (tmp_path / "responder" / "captures").glob("*/packets.pcap")
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    words = ["tcpdump", "-n", "-Z", "root", "-r", str(place)]
    return subprocess.run(words, check=False, capture_output=True, text=True).stdout.splitlines()


def running(net: Net) -> list[str]:
    """Programs of tcpdump in the namespace."""
    pids = net.at(net.here, "ip", "netns", "pids", net.here).split()
    return [
        pid for pid in pids if (exe := Path(f"/proc/{pid}/exe")).exists() and exe.readlink().name == "tcpdump"
    ]


@pytest.mark.parametrize(("address", "other"), [(FAR_V4, OTHER_V4), (FAR_V6, FAR_V4)])
def test_packets_of_one_address_are_recorded_until_undo(
    net: Net, daemon: Daemon, tmp_path: Path, address: str, other: str
) -> None:
    assert capture(daemon, address).state == "active"
    assert len(running(net)) == 1
    net.connect(other)
    net.connect(address)
    wait(lambda: len(packets(tmp_path)) >= 2)
    assert daemon.answer(Check(request_id="r1")).detail == ""
    assert daemon.answer(Undo(request_id="r1")).state == "undone"
    wait(lambda: running(net) == [])
    lines = packets(tmp_path)
    assert all(f"{address}." in line or f"{address} " in line or f"{address}:" in line for line in lines)
    assert any("Flags [S]" in line for line in lines)
    before = len(lines)
    net.connect(address)
    assert len(packets(tmp_path)) == before


@pytest.mark.parametrize(("seconds", "packet_count"), [(1, 200), (30, 1)])
def test_it_ends_by_time_and_by_count(
    net: Net, daemon: Daemon, tmp_path: Path, seconds: int, packet_count: int
) -> None:
    capture(daemon, seconds=seconds, packet_count=packet_count)
    if packet_count == 1:
        net.connect()
    wait(lambda: running(net) == [])
    net.connect()
    assert len(packets(tmp_path)) == (1 if packet_count == 1 else 0)


def test_it_ends_when_the_responder_was_killed(net: Net, daemon: Daemon) -> None:
    capture(daemon, seconds=2)
    daemon.kill()
    assert len(running(net)) == 1
    wait(lambda: running(net) == [])


def test_a_dry_run_starts_nothing(net: Net, daemon: Daemon, tmp_path: Path) -> None:
    verb = CapturePackets(address=FAR_V4, seconds=10**9, packet_count=10**9)
    answer = daemon.answer(Do(request_id="r1", verb=verb, ttl_s=60, plan_only=True))
    assert " 300 /usr/bin/tcpdump -i any " in answer.plan[0]
    assert f" -c 10000 -w - host {FAR_V4} >" in answer.plan[0]
    assert (running(net), (tmp_path / "responder" / "captures").exists()) == ([], False)


@pytest.mark.parametrize(
    "address", ["fe80::1%-w/etc/passwd", "-w", "1.2.3.4 or host 5.6.7.8", "", "10.0.0.0/8"]
)
def test_what_is_not_one_address_starts_nothing(tmp_path: Path, address: str) -> None:
    skill = Capture(Evidence(tmp_path, "captures", 1 << 30))
    effect = Effect(request_id="r1", verb=CapturePackets(address=address), ttl_s=60)
    with pytest.raises(Refusal):
        skill.do(effect, lambda handle: None)
    assert list(tmp_path.iterdir()) == []


def test_a_tcpdump_that_does_not_start_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command, "find", lambda program: Path("/usr/bin") / program.replace("tcpdump", "false")
    )
    skill = Capture(Evidence(tmp_path, "captures", 1 << 30))
    verb = CapturePackets(address=FAR_V4)
    kept: list[str] = []
    with pytest.raises(SkillError, match="does not record"):
        skill.do(Effect(request_id="r1", verb=verb, ttl_s=60), kept.append)
    skill.undo(Effect(request_id="r1", verb=verb, ttl_s=60, handle=kept[-1]))
    assert list((tmp_path / "captures").iterdir()) == []
    skill.clear()
    assert list(tmp_path.iterdir()) == []
