# SPDX-License-Identifier: Apache-2.0
"""Facts of the sensor's `first_seen` findings: who does what, in words that stay the same from day to day."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from enum import StrEnum
from ipaddress import ip_address, ip_network

import msgspec

from innerwarden import lineage
from innerwarden.clock import NS
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import FACTS, Finding

MAX_TEXT = 300
_NUMBERS = re.compile(r"[0-9]+")

#: Whether this machine has an account of that name.
KnownUser = Callable[[str], bool]


class Part(StrEnum):
    LINEAGE = "lineage"
    DESTINATION = "destination"
    LOGIN = "login"
    RATE = "rate"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` did `object`. `processes` and `addresses` must stay clean for it to be learned."""

    part: Part
    subject: str
    object: str
    shown: str
    """For a person."""
    processes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def fact_of(finding: Finding, ts_ns: int, zone: tzinfo | None, known_user: KnownUser) -> Fact | None:
    """None for any other finding, for one that says too little, and for a login of nobody on this machine."""
    if finding.detector not in FACTS or not finding.fields.evidence:
        return None
    kind = finding.fields.evidence[-1].kind
    if kind == "process.exec":
        return _lineage(finding)
    if kind == "network.connect":
        return _destination(finding)
    if kind == "ssh.login_success":
        return _login(finding, ts_ns, zone, known_user)
    return None


def _lineage(finding: Finding) -> Fact | None:
    process = finding.fields.process
    if process is None or not process.exe or not process.ancestors or not process.ancestors[0].exe:
        return None
    parent, child = program(process.ancestors[0].exe), program(process.exe)
    return Fact(
        part=Part.LINEAGE, subject=parent, object=child, shown=f"{parent} started {child}", processes=_tree(finding)
    )  # fmt: skip


def _destination(finding: Finding) -> Fact | None:
    process, details = finding.fields.process, finding.fields.evidence[-1].details
    address, port = details.get("dst_ip"), details.get("dst_port")
    if process is None or not process.exe or not isinstance(address, str) or not isinstance(port, int):
        return None
    try:
        one = ip_address(address)
    except ValueError:
        return None
    # The sensor tells one address of a network; what is learned is the network.
    network = ip_network((one, 24 if one.version == 4 else 48), strict=False)
    name = program(process.exe)
    return Fact(
        part=Part.DESTINATION,
        subject=name,
        object=f"{network} port {port}",
        shown=f"{name} connected to {address} port {port}",
        processes=_tree(finding),
        addresses=(str(one),),
    )


def _login(finding: Finding, ts_ns: int, zone: tzinfo | None, known_user: KnownUser) -> Fact | None:
    by_type = {entity.type: entity.value for entity in finding.fields.entities}
    user = by_type.get(EntityType.USER)
    if not user or not known_user(user):
        return None
    local = datetime.fromtimestamp(ts_ns // NS, zone).astimezone(zone)
    days = "weekend" if local.weekday() >= 5 else "weekday"
    return Fact(
        part=Part.LOGIN,
        subject=user,
        object=f"{days} {local.hour:02d}",
        shown=f"{user} logged in on a {days} at {local:%H:%M}",
        addresses=tuple(filter(None, (by_type.get(EntityType.IP),))),
    )


def program(path: str) -> str:
    """A path without its numbers: versions and process ids change, the program stays."""
    return _NUMBERS.sub("#", path)[:MAX_TEXT]


def _tree(finding: Finding) -> tuple[str, ...]:
    process = finding.fields.process
    return tuple(lineage.identity(p.pid, p.start_ns) for p in lineage.near(process)) if process else ()
