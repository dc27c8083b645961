# SPDX-License-Identifier: Apache-2.0
"""Suspend a process and all below it; the handle lists them, and undo lets exactly these go on."""

from __future__ import annotations

from innerwarden.model.verb import StopProcessTree
from innerwarden.responder import processes
from innerwarden.responder.processes import Tree
from innerwarden.responder.skill import Effect, Keep, Means, Skill


class Stop(Skill[StopProcessTree]):
    verb = StopProcessTree
    one_boot = True

    def plan(self, verb: StopProcessTree, ttl_s: int) -> list[str]:
        return [f"SIGSTOP to {one}" for one in processes.described(verb.pid, verb.start_ns)]

    def do(self, effect: Effect[StopProcessTree], keep: Keep) -> None:
        with Tree(effect.verb.pid, effect.verb.start_ns) as tree:
            tree.join(processes.read(effect.handle))
            tree.stop(lambda members: keep(processes.written(members)))

    def undo(self, effect: Effect[StopProcessTree]) -> None:
        processes.resume(processes.read(effect.handle))

    def check(self, effect: Effect[StopProcessTree]) -> str | None:
        members = processes.read(effect.handle)
        if not processes.alive(members):
            return "all its processes have ended"
        running = processes.running(members)
        return f"process {running[0]} runs" if running else None


def make(means: Means) -> Stop:
    return Stop()
