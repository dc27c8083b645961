# SPDX-License-Identifier: Apache-2.0
"""What the responder can be asked to do: a fixed set of typed verbs, each with one target."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Literal

import msgspec

from innerwarden.model.entity import EntityRef

Backend = Literal["auto", "nftables", "ufw", "iptables", "firewalld", "xdp"]


class Verb(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="verb"):
    """Base of every verb; its tag is its permanent id."""

    @property
    def id(self) -> str:
        return str(self.__struct_config__.tag)

    def target(self) -> EntityRef:
        """What it acts on."""
        raise NotImplementedError

    def key(self) -> str:
        """Verb and target: two responses with one key are the same effect."""
        target = self.target()
        return f"{self.id}:{target.type}:{target.value}"


def _address(text: str) -> EntityRef:
    """A v4-mapped address is the v4 one. Raises ValueError for what is no address."""
    found = ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return EntityRef.ip(str(mapped or found))


class BlockAddress(Verb, frozen=True, kw_only=True, tag="block_address"):
    """Drop what comes from one address. A network is never a target."""

    address: str
    backend: Backend = "auto"

    def target(self) -> EntityRef:
        return _address(self.address)


class RateLimitAddress(Verb, frozen=True, kw_only=True, tag="rate_limit_address"):
    """Refuse one address in nginx."""

    address: str

    def target(self) -> EntityRef:
        return _address(self.address)


class CapturePackets(Verb, frozen=True, kw_only=True, tag="capture_packets"):
    """Record packets to and from one address, bounded by time and count."""

    address: str
    seconds: int = 30
    packet_count: int = 200

    def target(self) -> EntityRef:
        return _address(self.address)


class _OnProcess(Verb, frozen=True, kw_only=True):
    """`start_ns` is CLOCK_BOOTTIME: with `pid` it names a process for good."""

    pid: int
    start_ns: int

    def target(self) -> EntityRef:
        return EntityRef.process(self.pid, self.start_ns)


class KillProcessTree(_OnProcess, frozen=True, kw_only=True, tag="kill_process_tree"):
    """End a process and all that it started. It cannot be undone."""


class StopProcessTree(_OnProcess, frozen=True, kw_only=True, tag="stop_process_tree"):
    """Suspend a process and all that it started (SIGSTOP); undo lets them go on."""


class CollectForensics(_OnProcess, frozen=True, kw_only=True, tag="collect_forensics"):
    """Copy what /proc says of a process tree into the data directory."""


class SuspendSudo(Verb, frozen=True, kw_only=True, tag="suspend_sudo"):
    """Take sudo away from one user."""

    user: str

    def target(self) -> EntityRef:
        return EntityRef.user(self.user)


class QuarantineFile(Verb, frozen=True, kw_only=True, tag="quarantine_file"):
    """Move one file where nobody can execute or read it. `dev` is major << 20 | minor; with `inode` it pins
    the very file that was seen."""

    path: str
    inode: int
    dev: int

    def target(self) -> EntityRef:
        return EntityRef.path(self.path)


class PauseContainer(Verb, frozen=True, kw_only=True, tag="pause_container"):
    """Freeze one container."""

    container_id: str
    runtime: Literal["docker", "podman"]

    def target(self) -> EntityRef:
        return EntityRef.container(self.container_id)


AnyVerb = (
    BlockAddress
    | RateLimitAddress
    | CapturePackets
    | KillProcessTree
    | StopProcessTree
    | CollectForensics
    | SuspendSudo
    | QuarantineFile
    | PauseContainer
)
VERBS: tuple[type[Verb], ...] = AnyVerb.__args__
VERB_IDS: tuple[str, ...] = tuple(str(verb.__struct_config__.tag) for verb in VERBS)
