# SPDX-License-Identifier: Apache-2.0
"""The interface of a way to block single addresses.

To add one: `responder/backends/<name>.py` with `make(means) -> Backend`; the name is one of `model.verb.Backend`. A
skill's duties hold (innerwarden.responder.skill): idempotent, exact undo, what undo needs kept before the effect.
Addresses are canonical text of single v4 or v6 addresses, a v4-mapped one as v4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from innerwarden.responder.skill import Keep


class Backend(ABC):
    """`rank`: with `auto` the lowest one that is neither missing nor asleep is used. `manages`: it is the front of a
    program that rules a host's packet filter."""

    rank: ClassVar[int]
    manages: ClassVar[bool] = False

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be used here, None when it can. Changes nothing."""

    def asleep(self) -> str | None:
        """Why what it needs is there and not in charge of this host, None when it is. Changes nothing."""
        return None

    @abstractmethod
    def plan(self, address: str, ttl_s: int) -> list[str]:
        """What `block` would run, a line each. Changes nothing."""

    @abstractmethod
    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        """Drop what comes from `address`, ahead of every rule that accepts. `handle`: what was kept before."""

    @abstractmethod
    def unblock(self, address: str, handle: str) -> None:
        """End it; that it is not there is fine."""

    @abstractmethod
    def check(self, address: str, handle: str) -> str | None:
        """What is wrong, None when the address is really dropped."""

    @abstractmethod
    def present(self) -> Iterable[tuple[str, str]]:
        """(address, handle) of every address that we block here, from one look."""

    def restore(self, addresses: Sequence[tuple[str, int]]) -> None:  # noqa: B027 - a backend need not have it
        """(address, ttl_s) of blocks that vanished: bring back all at once, where that is possible; it need not
        succeed."""

    def doubt(self, address: str) -> str | None:
        """Why what the last `present` listed for `address` may not be in force, None when it is."""
        return None

    @abstractmethod
    def clear(self) -> None:
        """Remove everything of ours."""
