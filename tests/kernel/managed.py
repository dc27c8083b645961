# SPDX-License-Identifier: Apache-2.0
"""A mount namespace for the middle one of a Net, so that ufw and firewalld rule there and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Hello, Way, Welcome
from tests.kernel.net import Daemon, Net, wait


class Room:
    """Holds the namespaces; /run is empty there, each of `copied` is a copy. Everything of it ends with `close`."""

    def __init__(self, net: Net, copies: Path, copied: Sequence[str]) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        mounts = ["mount -t tmpfs none /run"]
        for place in copied:
            copy = copies / place.strip("/").replace("/", "-")
            if Path(place).is_dir():
                shutil.copytree(place, copy)
            else:
                shutil.copy2(place, copy)
            mounts.append(f"mount --bind {copy} {place}")
        script = "; ".join(["set -e", *mounts, "echo ready", "exec sleep 600"])
        words = [*net.inside, "unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        self._started.append(self._holder)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        pid = str(self._holder.pid)
        assert not Path(f"/proc/{pid}/ns/mnt").samefile("/proc/self/ns/mnt")
        assert not Path(f"/proc/{pid}/ns/net").samefile("/proc/self/ns/net")
        net.inside = ["nsenter", "--target", pid, "--mount", "--net"]
        self._net = net

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A daemon in here."""
        started = subprocess.Popen(
            [*self._net.inside, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._started.append(started)
        return started

    def close(self) -> None:
        for one in reversed(self._started):
            one.terminate()
            try:
                one.wait(5)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def firewalld(net: Net, room: Room) -> subprocess.Popen[bytes]:
    """firewalld, on a system bus of its own, when it answers."""
    net.at(net.here, "mkdir", "-p", "/run/dbus")
    room.start("dbus-daemon", "--system", "--nofork", "--nopidfile")
    time.sleep(0.2)
    return again(net, room)


def again(net: Net, room: Room) -> subprocess.Popen[bytes]:
    """firewalld on the bus that is there."""
    started = room.start("firewalld", "--nofork", "--nopid")

    def runs() -> bool:
        done = subprocess.run([*net.inside, "firewall-cmd", "--state"], check=False, capture_output=True)
        return done.returncode == 0

    wait(runs, 30)
    return started


Start = Callable[..., Daemon]


def starting(net: Net, directory: Path) -> Iterator[Start]:
    """What starts a responder with a backend, and ends all that it started; for a fixture."""
    started: list[Daemon] = []

    def begin(backend: str = "auto") -> Daemon:
        socket = str(directory / "r.sock")
        config = ResponderConfig(enabled=True, dry_run=False, socket=socket, backend=backend)  # type: ignore[arg-type]
        started.append(Daemon(net, directory, config))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.end()


def way(daemon: Daemon) -> Way:
    """How it says that it blocks."""
    welcome = daemon.ask(Hello())
    assert isinstance(welcome, Welcome)
    return welcome.ways["block_address"]
