# SPDX-License-Identifier: Apache-2.0
"""The sensor reads what attackers write, as root: it has no way to the network.

Watched twice: strace names every socket of every process; a seccomp filter kills any thread that asks for an inet
one. The canary, a process of its own, must use sockets to see whether they are noticed: on loopback alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.libbpf import seccomp
from tests.kernel.product import REPOSITORY, wait_for

pytestmark = pytest.mark.kernel

AF_INET, AF_INET6 = 2, 10
CALL = re.compile(r"^(\d+) +(\w+)\((.*)")
ADDRESS = re.compile(r'(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')
#: What is made of AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64: the number of socket(2) there.
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def config(place: Path, *, canary: bool) -> list[str]:
    log = place / "auth.log"
    log.touch()
    file = place / "config.toml"
    file.write_text(
        f'[collectors.auth_log]\npath = "{log}"\n[collectors.journald]\nenabled = false\n'
        "[collectors.inventory.memory_maps]\nenabled = false\n"
        f"[collectors.kernel.canary]\nenabled = {str(canary).lower()}\nperiod_s = 1\n"
    )
    data = place / "data"
    data.mkdir(mode=0o700)
    return [
        sys.executable, "-m", "innerwarden", "sensor", "--data-dir", str(data), "--config", str(file)
    ]  # fmt: skip


def brute_force(place: Path) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    line = f"{now}.000000+00:00 web sshd[77]: Failed password for root from 198.51.100.9 port 4242 ssh2\n"
    with (place / "auth.log").open("a") as file:
        file.writelines([line] * 12)


def live(place: Path, process: subprocess.Popen[bytes], sensor: Callable[[], int]) -> None:
    """Through start, kernel and log sources, a finding, the first looks of the inventory, and the end."""
    data = place / "data"

    def up(file: Path) -> bool:
        assert process.poll() is None, (place / "out").read_text()
        return file.exists()

    wait_for(lambda: up(paths.sensor_health(data)), 90, "the sensor did not get ready")
    brute_force(place)
    wait_for(lambda: found(data), 60, "no finding")
    time.sleep(3)  # inventory
    os.kill(sensor(), signal.SIGTERM)
    process.wait(30)


def found(data: Path) -> bool:
    file = paths.findings(data)
    return file.exists() and "198.51.100.9" in file.read_text()


def traced(place: Path, argv: list[str]) -> subprocess.Popen[bytes]:
    calls = "trace=socket,connect,bind,sendto,sendmsg,sendmmsg,execve"
    with (place / "out").open("wb") as out:
        return subprocess.Popen(
            ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "300", "-e", calls, "-o", str(place / "trace"), *argv],
            stdout=out, stderr=subprocess.STDOUT, cwd=REPOSITORY,
        )  # fmt: skip


def child_of(process: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


class Seen:
    """`families`: of each process the address families of its sockets; `addresses`: whom any inet call named."""

    def __init__(self, trace: Path) -> None:
        self.families: dict[int, set[str]] = {}
        self.addresses: set[str] = set()
        self.canaries = 0
        self.first = 0
        for line in trace.read_text(errors="replace").splitlines():
            call = CALL.match(line)
            if call is None:
                continue
            self.first = self.first or int(call[1])
            if call[2] == "socket":
                self.families.setdefault(int(call[1]), set()).add(call[3].partition(",")[0])
            elif call[2] == "execve":
                self.canaries += "innerwarden.canary" in call[3]
            else:
                self.addresses |= set(ADDRESS.findall(call[3]))

    def far(self) -> set[str]:
        return {address for address in self.addresses if not ip_address(address).is_loopback}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_socket_of_the_sensor_is_local(tmp_path: Path) -> None:
    process = traced(tmp_path, config(tmp_path, canary=True))

    def canary_ran() -> int:
        wait_for(lambda: Seen(tmp_path / "trace").canaries, 60, "no canary ran")
        return child_of(process)

    live(tmp_path, process, canary_ran)
    seen = Seen(tmp_path / "trace")
    assert process.returncode == 0, (tmp_path / "out").read_text()
    assert seen.families.get(seen.first, set()) <= {"AF_UNIX", "AF_NETLINK"}
    assert any("AF_INET" in families for families in seen.families.values()), "the canary's are seen"
    assert seen.far() == set()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_PACKET"])
def test_the_watch_sees_one(tmp_path: Path, family: str) -> None:
    act = f"import socket as s; s.socket(s.{family}, s.SOCK_DGRAM)"
    if family == "AF_INET":
        act += ".connect(('192.0.2.1', 9))"
    process = traced(tmp_path, [sys.executable, "-c", act])
    process.wait(30)
    seen = Seen(tmp_path / "trace")
    assert family in seen.families[seen.first]
    assert seen.far() == ({"192.0.2.1"} if family == "AF_INET" else set())


def deadly() -> bytes:
    """A filter: socket(2) with AF_INET or AF_INET6 kills the process, all else is allowed."""
    arch, number = SOCKET[os.uname().machine]
    load, equal, give = 0x20, 0x15, 0x06  # linux/filter.h: LD|W|ABS, JMP|JEQ|K, RET|K
    steps = (
        (load, 0, 0, 4), (equal, 0, 6, arch),
        (load, 0, 0, 0), (equal, 0, 4, number),
        (load, 0, 0, 16), (equal, 1, 0, AF_INET), (equal, 0, 1, AF_INET6),
        (give, 0, 0, 0x80000000), (give, 0, 0, 0x7FFF0000),
    )  # fmt: skip
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def confined(place: Path, argv: list[str]) -> subprocess.Popen[bytes]:
    with (place / "out").open("wb") as out:
        return subprocess.Popen(
            argv, stdout=out, stderr=subprocess.STDOUT, cwd=REPOSITORY,
            preexec_fn=lambda: seccomp.install(deadly()),  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip


def test_the_sensor_lives_where_an_inet_socket_is_death(tmp_path: Path) -> None:
    """Threads and children too, with nothing done by a canary."""
    process = confined(tmp_path, config(tmp_path, canary=False))
    live(tmp_path, process, lambda: process.pid)
    assert process.returncode == 0, (tmp_path / "out").read_text()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_the_filter_kills(tmp_path: Path, family: str) -> None:
    act = f"import socket as s, threading as t; x = t.Thread(target=s.socket, args=(s.{family},)); x.start(); x.join()"
    process = confined(tmp_path, [sys.executable, "-c", act])
    assert process.wait(30) == -signal.SIGSYS


def test_the_filter_lets_others_through(tmp_path: Path) -> None:
    process = confined(tmp_path, [sys.executable, "-c", "import socket; socket.socket(socket.AF_UNIX)"])
    assert process.wait(30) == 0
