# SPDX-License-Identifier: Apache-2.0
"""What the operator says of targets: never these, and whom to trust."""

from __future__ import annotations

from pathlib import Path

import msgspec

from innerwarden.clock import realtime_ns
from innerwarden.config import Config
from innerwarden.errors import TrustError
from innerwarden.trust.networks import Network, network_of
from innerwarden.trust.store import load


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`trusted` holds (network, entry id); `distrusted` networks end the trust of a shorter prefix.
    `operators` are users whose sessions are kept; none named: everybody's who is logged in."""

    allow_private: bool = False
    never: tuple[Network, ...] = ()
    trusted: tuple[tuple[Network, str], ...] = ()
    distrusted: tuple[Network, ...] = ()
    operators: frozenset[str] = frozenset()
    kept_paths: tuple[str, ...] = ()
    """Directories of ours: nothing below them is a target."""


def policy_of(config: Config, kept_paths: tuple[str, ...] = ()) -> Policy:
    """Of the configuration and the trust entries as they stand now.

    Raises TrustError for trust files that cannot be read whole: half of them would be less than the
    operator asked for.
    """
    placed, problems = load(Path(config.trust.directory))
    if problems:
        raise TrustError(problems)
    active = [one.entry for one in placed if one.entry.is_active(realtime_ns())]
    return Policy(
        allow_private=config.responder.allow_private,
        never=tuple(network_of(text) for text in config.responder.never),
        trusted=tuple((network_of(n), e.id) for e in active if not e.distrust for n in e.networks),
        distrusted=tuple(network_of(n) for e in active if e.distrust for n in e.networks),
        operators=frozenset(config.responder.operators),
        kept_paths=kept_paths,
    )
