# SPDX-License-Identifier: Apache-2.0
"""What this host is and who works on it, looked at when something is about to be done."""

from __future__ import annotations

import grp
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from innerwarden.files import read_quickly
from innerwarden.safety.routes import own_and_gateways
from innerwarden.safety.sessions import Session, sessions
from innerwarden.trust.networks import Address, address_of

_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD, include/linux/sched.h; field 9 of proc_pid_stat(5)."""
_SUDO_GROUPS = ("sudo", "wheel", "admin")
_RESOLVER_FILES = ("etc/resolv.conf", "run/systemd/resolve/resolv.conf", "run/NetworkManager/resolv.conf")


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One look; never older than the action that it is asked about."""

    own_addresses: frozenset[Address]
    gateways: frozenset[Address]
    resolvers: frozenset[Address]
    sessions: tuple[Session, ...] = ()
    own_pids: frozenset[int] = frozenset()
    """Ours: the responder, the agent, the sensor and what runs them."""
    parents: Mapping[int, int] = msgspec.field(default_factory=dict)
    kernel_threads: frozenset[int] = frozenset()
    sudoers: frozenset[str] = frozenset()
    """Members of the groups that sudo is given to."""

    def ancestors(self, pid: int) -> Iterator[int]:
        """Parent, its parent, and so on to process 1."""
        seen = {pid}
        while (pid := self.parents.get(pid, 0)) and pid not in seen:
            seen.add(pid)
            yield pid


def look(own_pids: Collection[int] = (), root: Path = Path("/")) -> HostFacts:
    """Take all facts now. `own_pids` are processes of ours that the caller knows of, besides itself.

    Takes some milliseconds for a thousand processes. Raises UnavailableError when the kernel's routes
    cannot be read.
    """
    own, gateways = own_and_gateways()
    parents, kernel_threads = _processes(root / "proc")
    return HostFacts(
        own_addresses=own,
        gateways=gateways,
        resolvers=frozenset(_resolvers(root)),
        sessions=sessions(root / "proc", root / "run"),
        own_pids=frozenset({os.getpid(), *own_pids}),
        parents=parents,
        kernel_threads=frozenset(kernel_threads),
        sudoers=frozenset(_sudoers()),
    )


def _processes(proc: Path) -> tuple[dict[int, int], set[int]]:
    parents: dict[int, int] = {}
    kernel_threads: set[int] = set()
    for name in os.listdir(proc):  # noqa: PTH208 - names only, of a directory with many entries
        if not name.isdigit():
            continue
        try:
            words = read_quickly(f"{proc}/{name}/stat").rpartition(b")")[2].split(None, 7)
        except OSError:
            continue
        parents[int(name)] = int(words[1])
        if int(words[6]) & _KERNEL_THREAD:
            kernel_threads.add(int(name))
    return parents, kernel_threads


def _resolvers(root: Path) -> Iterator[Address]:
    for name in _RESOLVER_FILES:
        try:
            lines = (root / name).read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                address = address_of(words[1].partition("%")[0])
                if address is not None:
                    yield address


def _sudoers() -> Iterator[str]:
    for name in _SUDO_GROUPS:
        try:
            yield from grp.getgrnam(name).gr_mem
        except KeyError:
            continue
