# SPDX-License-Identifier: Apache-2.0
"""Drop what comes from one address, by the backend that is asked for, configured, or fits this host."""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden.model.responder import Way
from innerwarden.model.verb import BlockAddress
from innerwarden.responder import backends
from innerwarden.responder.backend import Backend
from innerwarden.responder.choice import choose
from innerwarden.responder.skill import Effect, Found, Keep, Means, Skill, SkillError, scan


class Block(Skill[BlockAddress]):
    """The handle is `backend:` and the backend's own handle, so that the one that blocked also unblocks."""

    verb = BlockAddress

    def __init__(self, means: Means, found: dict[str, Backend]) -> None:
        self._wanted = means.config.backend
        self._backends = found

    def plan(self, verb: BlockAddress, ttl_s: int) -> list[str]:
        _name, backend = self._choose(verb)
        return backend.plan(verb.target().value, ttl_s)

    def do(self, effect: Effect[BlockAddress], keep: Keep) -> None:
        if not effect.handle:
            name, backend = self._choose(effect.verb)
            keep(f"{name}:")
            inner = ""
        else:
            name, backend, inner = self._of(effect.handle)
        backend.block(
            effect.verb.target().value, effect.ttl_s, inner, lambda handle: keep(f"{name}:{handle}")
        )

    def undo(self, effect: Effect[BlockAddress]) -> None:
        if effect.handle:
            _name, backend, inner = self._of(effect.handle)
            backend.unblock(effect.verb.target().value, inner)

    def check(self, effect: Effect[BlockAddress]) -> str | None:
        _name, backend, inner = self._of(effect.handle)
        return backend.check(effect.verb.target().value, inner)

    def present(self) -> Sequence[Found]:
        return [
            Found(
                verb=BlockAddress(address=address),
                handle=f"{name}:{handle}",
                problem=backend.doubt(address) or "",
            )
            for name, backend in self._backends.items()
            if backend.missing() is None
            for address, handle in backend.present()
        ]

    def restore(self, effects: Sequence[Effect[BlockAddress]]) -> None:
        groups: dict[str, list[tuple[str, int]]] = {}
        for effect in effects:
            name, _backend, inner = self._of(effect.handle)
            if not inner:
                groups.setdefault(name, []).append((effect.verb.target().value, effect.ttl_s))
        for name, addresses in groups.items():
            self._backends[name].restore(addresses)

    def clear(self) -> None:
        for backend in self._backends.values():
            if backend.missing() is None:
                backend.clear()

    def way(self) -> Way:
        try:
            return choose(self._backends, self._wanted)
        except SkillError as error:
            return Way(problem=f"{error.problem}. {error.remedy}")

    def _choose(self, verb: BlockAddress) -> tuple[str, Backend]:
        name = choose(self._backends, verb.backend if verb.backend != "auto" else self._wanted).name
        return name, self._backends[name]

    def _of(self, handle: str) -> tuple[str, Backend, str]:
        name, _colon, inner = handle.partition(":")
        backend = self._backends.get(name)
        if backend is None:
            raise SkillError(
                f"backend {name!r} is not known to this version", "Install the version that blocked"
            )
        return name, backend, inner


def make(means: Means) -> Block:
    return Block(means, {name: module.make(means) for name, module in scan(backends)})
