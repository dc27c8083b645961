# SPDX-License-Identifier: Apache-2.0
"""What a finding says about its actor: whom it is about, a token of behaviour, and things that actors bring along."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from innerwarden import lineage
from innerwarden.agent.tactics import TACTICS, tactics_of
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity

#: A finding about more addresses than this is about a crowd, not about an actor.
MAX_ADDRESSES = 4
MAX_USERS = 8
TEXT = 48
#: Kinds whose address is the other end of a connection from here.
OUTWARD = frozenset({"network.connect", "network.dns", "network.tls"})
SERVICES = {
    **dict.fromkeys((22,), "ssh"),
    **dict.fromkeys((80, 443, 8080, 8443), "web"),
    **dict.fromkeys((25, 110, 143, 465, 587, 993, 995), "mail"),
    **dict.fromkeys((1433, 3306, 5432, 6379, 9200, 27017), "database"),
    **dict.fromkeys((139, 445, 3389, 5900), "desktop"),
}
#: Members of details that name what somebody brought along.
INDICATORS = ("sha256", "dns_query", "tls_sni")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """`addresses` are canonical; `local` is the entity of a story without one."""

    addresses: tuple[str, ...]
    local: str | None
    token: str
    tactic: str
    users: tuple[str, ...]
    indicators: tuple[str, ...]


def act_of(finding: Finding) -> Act | None:
    """None for what says nothing about an actor: facts, what trust lowered, weak findings about a destination."""
    if not finding.severity.at_least(Severity.LOW):
        return None
    kind = finding.fields.evidence[-1].kind if finding.fields.evidence else ""
    addresses = _addresses(finding)
    if kind in OUTWARD and not finding.severity.at_least(Severity.MEDIUM):
        addresses = ()
    local = None if addresses else _local(finding)
    if not addresses and local is None:
        return None
    users = tuple(e.value for e in finding.fields.entities if e.type is EntityType.USER)[:MAX_USERS]
    tactic = next((t for t in TACTICS if t in tactics_of(finding.fields.attack)), "before")
    return Act(
        addresses=addresses,
        local=local,
        token="|".join((finding.detector, tactic, _service(finding, kind), _who(users), _tool(finding))),
        tactic=tactic,
        users=users,
        indicators=_indicators(finding),
    )


def detector_of(token: str) -> str:
    return token.partition("|")[0]


def tactic_of(token: str) -> str:
    return token.split("|")[1]


def _addresses(finding: Finding) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for entity in finding.fields.entities:
        if entity.type is not EntityType.IP:
            continue
        try:
            address = ip_address(entity.value)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_multicast):
            found[str(address)] = None
    return tuple(found) if len(found) <= MAX_ADDRESSES else ()


def _local(finding: Finding) -> str | None:
    process = finding.fields.process
    if process is None:
        return None
    if process.login_uid is not None and process.login_uid != lineage.UNSET:
        return f"login:{process.login_uid}"
    near = lineage.near(process)
    return f"tree:{lineage.identity(near[-1].pid, near[-1].start_ns)}" if near else None


def _service(finding: Finding, kind: str) -> str:
    """What was aimed at: a service by port or source, a range of ports, or nothing."""
    family = kind.partition(".")[0]
    if family in ("ssh", "web"):
        return family
    for evidence in reversed(finding.fields.evidence):
        port = evidence.details.get("dst_port")
        if isinstance(port, int) and port > 0:
            return SERVICES.get(port, "low" if port < 1024 else "high")
    return ""


def _who(users: tuple[str, ...]) -> str:
    if not users:
        return ""
    return "root" if "root" in users else "one" if len(users) == 1 else "many"


def _tool(finding: Finding) -> str:
    """The product that a request named, without its version."""
    for evidence in reversed(finding.fields.evidence):
        agent = evidence.details.get("user_agent")
        if isinstance(agent, str) and agent:
            return agent.partition("/")[0].strip().lower()[:TEXT].replace("|", " ")
    return ""


def _indicators(finding: Finding) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for evidence in finding.fields.evidence:
        for name in INDICATORS:
            value = evidence.details.get(name)
            if isinstance(value, str) and 3 < len(value) <= 255:
                found[f"{name}:{value.lower()}"] = None
    return tuple(found)[:MAX_ADDRESSES]
