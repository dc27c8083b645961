# SPDX-License-Identifier: Apache-2.0
"""Blocks on a host whose packet filter a program such as ufw manages: a table of ours drops, a rule of that program's
shows and keeps.

Neither alone does. A deny rule of these programs stands behind their accept of connections that exist, so whoever is in
stays in; a table of ours drops ahead of all of it and is not touched by their reload, but who asks the program does
not see it, and after a start of the machine it is gone until the responder runs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.backends.nftables import TABLE, Nftables
from innerwarden.responder.skill import Keep


class Managed(Backend):
    """Below it: one class a program. While that does not run, the table alone holds."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    handle: ClassVar[str] = ""
    """What `show` keeps."""
    manages = True

    def __init__(self) -> None:
        self._table = Nftables(f"{TABLE}_{self.name}")
        self._doubts: dict[str, str | None] = {}

    @abstractmethod
    def resist(self, address: str, handle: str) -> None:
        """Raises Refusal where a rule of the operator's stands against a block of `address`."""

    @abstractmethod
    def show(self, address: str, handle: str, keep: Keep) -> None:
        """Make the program's own rule."""

    @abstractmethod
    def hide(self, address: str, handle: str) -> None:
        """Remove it, whether the program runs or not; that it is not there is fine."""

    @abstractmethod
    def unseen(self, address: str) -> str | None:
        """What is wrong with the program's own rule, None when it is as it should be."""

    @abstractmethod
    def shown(self, dropped: frozenset[str]) -> dict[str, str | None]:
        """What is wrong with the rule of each address of `dropped`, and of what else has a rule of ours; one look."""

    @abstractmethod
    def steps(self, address: str) -> list[str]:
        """What `show` would run, a line each. Changes nothing."""

    def missing(self) -> str | None:
        for program in self.programs:
            if command.find(program) is None:
                return f"{program} is not installed"
        return self._table.missing()

    def plan(self, address: str, ttl_s: int) -> list[str]:
        self.resist(address, "")
        return [*self._table.plan(address, ttl_s), *self.steps(address)]

    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        awake = self.asleep() is None
        if awake:
            self.resist(address, handle)
        self._table.block(address, ttl_s, "", keep)
        if awake:
            self.show(address, handle, keep)

    def unblock(self, address: str, handle: str) -> None:
        self._table.unblock(address, "")
        self.hide(address, handle)

    def check(self, address: str, handle: str) -> str | None:
        problem = self._table.check(address, "")
        return problem or (self.unseen(address) if self.asleep() is None else None)

    def present(self) -> Iterable[tuple[str, str]]:
        dropped = frozenset(address for address, _ in self._table.present())
        found = self.shown(dropped) if self.asleep() is None else dict.fromkeys(dropped)
        lacking = f"it is not in table inet {TABLE}_{self.name}"
        self._doubts = {one: problem if one in dropped else lacking for one, problem in found.items()}
        return [(address, self.handle) for address in found]

    def doubt(self, address: str) -> str | None:
        return self._doubts.get(address)

    def restore(self, addresses: Sequence[tuple[str, int]]) -> None:
        self._table.restore(addresses)

    def clear(self) -> None:
        self._table.clear()
