# SPDX-License-Identifier: Apache-2.0
"""Which backend blocks addresses on this host, and why."""

from __future__ import annotations

from collections.abc import Mapping

from innerwarden.model.responder import Way
from innerwarden.responder.backend import Backend
from innerwarden.responder.skill import SkillError

Backends = Mapping[str, Backend]


def choose(backends: Backends, wanted: str) -> Way:
    """The one that is asked for; with `auto` the front of the program that rules this host, else the lowest rank.

    Raises SkillError when it cannot be used, or none can. `problem` of the answer is what an operator should change all
    the same.
    """
    ruling = [name for name, backend in backends.items() if backend.manages and unfit(backend) is None]
    return _automatic(backends, ruling) if wanted == "auto" else _asked_for(backends, wanted, ruling)


def unfit(backend: Backend) -> str | None:
    """Why it is not used here, None when it may be."""
    return backend.missing() or backend.asleep()


def _asked_for(backends: Backends, wanted: str, ruling: list[str]) -> Way:
    backend = backends.get(wanted)
    reason = "this version does not know it" if backend is None else unfit(backend)
    if reason is not None:
        raise SkillError(
            f"backend {wanted} cannot block addresses: {reason}",
            f"Install or start {wanted}, or set responder.backend to auto",
        )
    others = " and ".join(sorted(set(ruling) - {wanted}))
    blind = f"{others} rules this host too and does not show what {wanted} blocks" if others else ""
    return Way(name=wanted, why="it is asked for by name", problem=blind)


def _automatic(backends: Backends, ruling: list[str]) -> Way:
    if len(ruling) == 1:
        return Way(name=ruling[0], why=f"{ruling[0]} rules this host")
    reasons = []
    for name, backend in sorted(backends.items(), key=lambda item: item[1].rank):
        reason = unfit(backend)
        if reason is None and not backend.manages:
            return _besides(name, ruling)
        reasons.append(f"{name}: {reason or 'not the only one that rules this host'}")
    raise SkillError(
        f"no backend can block addresses here ({'; '.join(reasons)})",
        "Install nftables, or set responder.backend",
    )


def _besides(name: str, ruling: list[str]) -> Way:
    if not ruling:
        return Way(name=name, why="neither ufw nor firewalld rules this host")
    both = " and ".join(sorted(ruling))
    return Way(
        name=name,
        why=f"{both} both rule this host, and {name} drops ahead of them",
        problem=f"{both} are active at the same time; disable one, or name one in responder.backend",
    )
