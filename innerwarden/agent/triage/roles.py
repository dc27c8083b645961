# SPDX-License-Identifier: Apache-2.0
"""Who came here: what the evidence says of each address.

An outbound destination is no attacker: a machine that fetched something hostile talks to mirrors and clouds as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from innerwarden.agent.triage.facts import Role
from innerwarden.model.finding import Evidence
from innerwarden.trust.networks import address_of

#: `src_ip` is the peer of a connection that was completed, as a server of this machine or the kernel saw it.
INBOUND_KINDS = frozenset(
    {
        *(
            "ssh.login_failed",
            "ssh.login_success",
            "ssh.probe",
            "ssh.disconnect",
            "auth.failed",
            "auth.session",
        ),
        *("web.request", "web.error", "network.accept"),
    }
)
#: `src_ip` is what one packet, or a line that anybody may write, claims.
CLAIMED_KINDS = frozenset({"firewall.packet", "network.xdp_drop", "log.line", "audit.record"})


def roles_of(addresses: Iterable[str], evidence: Iterable[Evidence]) -> dict[str, Role]:
    """A role for each of the addresses."""
    wanted = {address_of(text): text for text in addresses}
    roles = {text: Role.OTHER for text in wanted.values()}
    for one in evidence:
        source = one.details.get("src_ip")
        if not isinstance(source, str):
            continue
        address = address_of(source)
        text = wanted.get(address) if address is not None else None
        if text is None:
            continue
        if one.kind in INBOUND_KINDS:
            roles[text] = Role.INBOUND
        elif one.kind in CLAIMED_KINDS and roles[text] is Role.OTHER:
            roles[text] = Role.CLAIMED
    return roles
