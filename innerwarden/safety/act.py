# SPDX-License-Identifier: Apache-2.0
"""`may_act`: the one decision whether a target may be acted on. Every path asks it, the responder last of all."""

from __future__ import annotations

import re
from functools import singledispatch
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import msgspec

from innerwarden.model.verb import (
    BlockAddress,
    CapturePackets,
    CollectForensics,
    KillProcessTree,
    PauseContainer,
    QuarantineFile,
    RateLimitAddress,
    StopProcessTree,
    SuspendSudo,
    Verb,
)
from innerwarden.safety.files import file_objection
from innerwarden.safety.host import HostFacts
from innerwarden.safety.policy import Policy
from innerwarden.trust.networks import Address, address_of

#: Addresses through which a cloud runs its machines; without them a host loses its management or its identity.
#: Source: the providers' documentation of their metadata and platform services.
CLOUD = frozenset(
    {
        IPv4Address("168.63.129.16"),  # Azure: WireServer, DHCP, DNS, health probes
        IPv4Address("169.254.169.254"),  # metadata of AWS, Azure, GCP, OpenStack, Oracle, DigitalOcean
        IPv4Address("169.254.169.253"),  # AWS: resolver
        IPv4Address("169.254.169.123"),  # AWS: time
        IPv4Address("169.254.170.2"),  # AWS ECS: credentials of a task
        IPv4Address("169.254.170.23"),  # AWS EKS: credentials of a pod
        IPv4Address("100.100.100.200"),  # Alibaba: metadata
        IPv4Address("100.100.2.136"),  # Alibaba: resolvers
        IPv4Address("100.100.2.138"),
        IPv4Address("192.0.0.192"),  # Oracle: metadata of old shapes
        IPv4Address("169.254.42.42"),  # Scaleway: metadata
        IPv6Address("fd00:ec2::254"),  # AWS: metadata
        IPv6Address("fd00:ec2::253"),  # AWS: resolver
        IPv6Address("fd00:ec2::23"),  # AWS EKS: credentials of a pod
        IPv6Address("fd20:ce::254"),  # GCP: metadata
        IPv6Address("fd00:42::42"),  # Scaleway: metadata
    }
)
#: IPv6 prefixes that carry an IPv4 address (RFC 6052, RFC 3056), with the bits behind it.
_CARRIERS = ((IPv6Network("64:ff9b::/96"), 0), (IPv6Network("2002::/16"), 80))
#: Shared by many hosts behind one provider (RFC 6598); also Tailscale's.
_SHARED = IPv4Network("100.64.0.0/10")
_CONTAINER = re.compile(r"[0-9a-f]{12,64}")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`rule` is the permanent id of the line that decided, `reason` a sentence."""

    allowed: bool
    rule: str
    reason: str


ALLOWED = Verdict(allowed=True, rule="none", reason="nothing speaks against it")


def may_act(verb: Verb, host: HostFacts, policy: Policy) -> Verdict:
    """Never raises for a bad target: what cannot be judged is refused."""
    return _judge(verb, host, policy)


def _no(rule: str, reason: str) -> Verdict:
    return Verdict(allowed=False, rule=rule, reason=reason)


@singledispatch
def _judge(verb: Verb, host: HostFacts, policy: Policy) -> Verdict:
    return _no("unknown_verb", f"there is no rule for {verb.id}")


@_judge.register(BlockAddress)
@_judge.register(RateLimitAddress)
def _address(verb: BlockAddress | RateLimitAddress, host: HostFacts, policy: Policy) -> Verdict:
    address = address_of(verb.address)
    if address is None or "%" in verb.address:
        return _no("not_an_address", f"{verb.address[:64]!r} is not one address; networks are never a target")
    for one in _carried(address):
        verdict = _of_address(one, host, policy)
        if not verdict.allowed:
            return verdict
    return ALLOWED


@_judge.register(CapturePackets)
def _capture(verb: CapturePackets, _host: HostFacts, _policy: Policy) -> Verdict:
    """Listening cuts nobody off; the target must still be one address."""
    if address_of(verb.address) is None or "%" in verb.address:
        return _no("not_an_address", f"{verb.address[:64]!r} is not one address")
    return ALLOWED


def _carried(address: Address) -> list[Address]:
    """The IPv4 address that it carries, and the address itself."""
    found: list[Address] = []
    if isinstance(address, IPv6Address):
        for network, behind in _CARRIERS:
            if address in network:
                found.append(IPv4Address((int(address) >> behind) & 0xFFFFFFFF))
    return [*found, address]


def _of_address(address: Address, host: HostFacts, policy: Policy) -> Verdict:
    for rule, holds, reason in (
        ("unspecified", address.is_unspecified, "means every address"),
        ("loopback", address.is_loopback, "is this machine itself"),
        ("cloud_control", address in CLOUD, "is a control address of a cloud platform"),
        ("own_address", address in host.own_addresses, "is one of this host's own addresses"),
        ("gateway", address in host.gateways, "is a gateway of this host"),
        ("resolver", address in host.resolvers, "resolves names for this host"),
        ("multicast", address.is_multicast, "is a multicast address"),
        ("link_local", address.is_link_local, "is a link-local address"),
        (
            "reserved",
            address.is_reserved and not isinstance(address, IPv6Address),
            "is reserved or broadcast",
        ),
    ):
        if holds:
            return _no(rule, f"{address} {reason}")
    for session in host.sessions:
        if session.address == address and (not policy.operators or session.user in policy.operators):
            return _no("operator_session", f"{session.user[:32]} is logged in from {address}")
    return _of_policy(address, policy)


def _of_policy(address: Address, policy: Policy) -> Verdict:
    for network in policy.never:
        if address in network:
            return _no("never", f"{address} is in {network}, which responder.never names")
    trusted = max(
        ((network.prefixlen, entry) for network, entry in policy.trusted if address in network), default=None
    )
    distrusted = max((network.prefixlen for network in policy.distrusted if address in network), default=-1)
    if trusted is not None and trusted[0] > distrusted:
        return _no("trusted", f"{address} is covered by the trust entry {trusted[1]!r}")
    private = (address.is_private and not _is_documentation(address)) or address in _SHARED
    if private and not policy.allow_private:
        return _no("private", f"{address} is private and responder.allow_private is off")
    return ALLOWED


def _is_documentation(address: Address) -> bool:
    """Nobody's (RFC 5737, RFC 3849), so blocking it harms nobody; Python counts these as private."""
    return any(address in network for network in _DOCUMENTATION if network.version == address.version)


_DOCUMENTATION = tuple(
    ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


@_judge.register(CollectForensics)
def _look_at(verb: CollectForensics, host: HostFacts, _policy: Policy) -> Verdict:
    if verb.pid <= 0 or verb.pid in host.kernel_threads:
        return _no("not_a_process", f"process {verb.pid} is no program")
    return ALLOWED


@_judge.register(KillProcessTree)
@_judge.register(StopProcessTree)
def _process(verb: KillProcessTree | StopProcessTree, host: HostFacts, policy: Policy) -> Verdict:
    pid = verb.pid
    if pid <= 1 or verb.start_ns <= 0:
        return _no("init", f"process {pid} is never a target" if pid <= 1 else "the start time is missing")
    if pid in host.kernel_threads or pid == 2:
        return _no("kernel_thread", f"process {pid} is the kernel's own")
    if pid in host.own_pids or any(pid in host.ancestors(own) for own in host.own_pids):
        return _no("own_process", f"process {pid} is InnerWarden or what runs it")
    if any(parent in host.own_pids for parent in host.ancestors(pid)):
        return _no("own_process", f"process {pid} was started by InnerWarden")
    for session in host.sessions:
        if policy.operators and session.user not in policy.operators:
            continue
        if pid == session.pid or pid in host.ancestors(session.pid):
            return _no("operator_session", f"the session of {session.user[:32]} hangs on process {pid}")
    return ALLOWED


@_judge.register
def _sudo(verb: SuspendSudo, host: HostFacts, policy: Policy) -> Verdict:
    if verb.user in ("root", "") or not re.fullmatch(r"[a-z_][a-z0-9_.-]{0,31}\$?", verb.user):
        return _no("root", f"{verb.user[:32]!r} is root or no name of a user")
    if verb.user in policy.operators:
        return _no("operator", f"{verb.user} is one of responder.operators")
    if host.sudoers and not host.sudoers - {verb.user}:
        return _no("last_sudoer", f"{verb.user} is the only member of the groups that may use sudo")
    return ALLOWED


@_judge.register
def _file(verb: QuarantineFile, _host: HostFacts, policy: Policy) -> Verdict:
    objection = file_objection(verb.path, policy.kept_paths)
    return ALLOWED if objection is None else _no(*objection)


@_judge.register
def _container(verb: PauseContainer, _host: HostFacts, _policy: Policy) -> Verdict:
    if not _CONTAINER.fullmatch(verb.container_id):
        return _no("not_a_container", f"{verb.container_id[:64]!r} is no container id")
    return ALLOWED
