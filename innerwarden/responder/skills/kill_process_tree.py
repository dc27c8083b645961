# SPDX-License-Identifier: Apache-2.0
"""End a process and all below it: all are stopped, so that none starts another, then killed from the leaves up."""

from __future__ import annotations

from innerwarden.model.verb import KillProcessTree
from innerwarden.responder import processes
from innerwarden.responder.processes import Tree
from innerwarden.responder.skill import Effect, Keep, Means, Skill, TargetGone


class Kill(Skill[KillProcessTree]):
    """The handle lists who was stopped. `undo`, which only follows an attempt that failed, lets those go on."""

    verb = KillProcessTree
    lasting = False
    one_boot = True

    def plan(self, verb: KillProcessTree, ttl_s: int) -> list[str]:
        found = processes.described(verb.pid, verb.start_ns)
        return [f"SIGSTOP, then SIGKILL to {one}" for one in found]

    def do(self, effect: Effect[KillProcessTree], keep: Keep) -> None:
        known = processes.read(effect.handle)
        try:
            tree = Tree(effect.verb.pid, effect.verb.start_ns)
        except TargetGone:
            if not known:
                raise
            return  # the root dies last, so an interrupted attempt had come to its end
        with tree:
            tree.join(known)
            tree.stop(lambda members: keep(processes.written(members)))
            tree.kill()

    def undo(self, effect: Effect[KillProcessTree]) -> None:
        processes.resume(processes.read(effect.handle))

    def check(self, effect: Effect[KillProcessTree]) -> str | None:
        left = processes.alive(processes.read(effect.handle))
        return f"process {left[0]} lives" if left else None


def make(means: Means) -> Kill:
    return Kill()
