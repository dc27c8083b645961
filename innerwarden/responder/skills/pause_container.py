# SPDX-License-Identifier: Apache-2.0
"""Freeze one container by its engine, and let exactly that one go on.

Source: docker-pause(1), docker-unpause(1), docker-inspect(1), podman-pause(1), podman-inspect(1).
"""

from __future__ import annotations

import re

from innerwarden.model.verb import PauseContainer
from innerwarden.responder import command
from innerwarden.responder.skill import Effect, Keep, Means, Refusal, Skill, SkillError, TargetGone

_ID = re.compile(r"[0-9a-f]{12,64}")
_FORMAT = "{{.Id}} {{.State.Running}} {{.State.Paused}}"
_TIMEOUT_S = 20.0


class Pause(Skill[PauseContainer]):
    """The handle is the whole id, kept when we pause it. `arguments`: in front of all others that the engine gets."""

    verb = PauseContainer

    def __init__(self, arguments: tuple[str, ...] = ()) -> None:
        self._arguments = arguments

    def plan(self, verb: PauseContainer, ttl_s: int) -> list[str]:
        return [f"{verb.runtime} pause {self._to_pause(verb)}"]

    def do(self, effect: Effect[PauseContainer], keep: Keep) -> None:
        verb = effect.verb
        if effect.handle and self._look(verb, effect.handle) == "paused":
            return
        whole = self._to_pause(verb)
        keep(whole)
        ran = self._run(verb, "pause", whole)
        if ran.code != 0:
            raise SkillError(f"{verb.runtime} did not pause {whole[:12]}: {ran.problem}", "Try it by hand")

    def undo(self, effect: Effect[PauseContainer]) -> None:
        verb = effect.verb
        if effect.handle and self._look(verb, effect.handle) == "paused":
            ran = self._run(verb, "unpause", effect.handle)
            if ran.code != 0:
                raise SkillError(
                    f"{verb.runtime} did not unpause {effect.handle[:12]}: {ran.problem}",
                    f"{verb.runtime} unpause {effect.handle}",
                )

    def check(self, effect: Effect[PauseContainer]) -> str | None:
        state = self._look(effect.verb, effect.handle)
        return None if state == "paused" else f"container {effect.handle[:12]} is {state}"

    def _to_pause(self, verb: PauseContainer) -> str:
        """Its whole id. Raises TargetGone, and Refusal when somebody else has paused it: undo would end his pause."""
        whole, state = self._inspect(verb, verb.container_id)
        if state == "paused":
            raise Refusal("paused", f"container {verb.container_id[:12]} is paused by somebody else")
        if state != "running":
            raise TargetGone(f"container {verb.container_id[:12]} is {state}")
        return whole

    def _look(self, verb: PauseContainer, whole: str) -> str:
        return self._inspect(verb, whole)[1]

    def _inspect(self, verb: PauseContainer, container: str) -> tuple[str, str]:
        """(whole id, `running`, `paused`, `stopped` or `gone`). A name that looks like an id is not taken for one."""
        if not _ID.fullmatch(container):
            raise Refusal("not_a_container", f"{container[:64]!r} is no container id")
        ran = self._run(verb, "inspect", "--type", "container", "--format", _FORMAT, container)
        if ran.code != 0:
            if any(one in ran.said.lower() for one in ("no such container", "no such object")):
                return "", "gone"
            raise SkillError(f"{verb.runtime} does not answer: {ran.problem}", f"Try: {verb.runtime} ps")
        words = ran.out.decode("utf-8", "replace").split()
        if len(words) != 3 or not _ID.fullmatch(words[0]):
            raise SkillError(f"{verb.runtime} inspect said what is not understood", f"Try: {verb.runtime} ps")
        if not words[0].startswith(container):
            return "", "gone"
        return words[0], "paused" if words[2] == "true" else "running" if words[1] == "true" else "stopped"

    def _run(self, verb: PauseContainer, *words: str) -> command.Output:
        return command.run(verb.runtime, *self._arguments, *words, timeout_s=_TIMEOUT_S)


def make(means: Means) -> Pause:
    return Pause()
