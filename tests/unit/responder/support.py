# SPDX-License-Identifier: Apache-2.0
"""A responder's parts over a real directory, with a skill whose effects are files and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from innerwarden.clock import NS
from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Answer, AnyReply, AnyRequest, Do, Undo
from innerwarden.model.verb import AnyVerb, BlockAddress, KillProcessTree
from innerwarden.responder.effects import Effects
from innerwarden.responder.executor import Executor
from innerwarden.responder.journal import Journal
from innerwarden.responder.moments import Clock
from innerwarden.responder.skill import Effect, Found, Keep, Skill, SkillError
from innerwarden.responder.upkeep import Upkeep
from innerwarden.safety import Verdict

LIVE = ResponderConfig(enabled=True, dry_run=False, verbs=("block_address", "kill_process_tree"))
START_NS = 1_767_323_045 * NS
HOSTILE = "203.0.113.9"


class Files(Skill[BlockAddress]):
    """Blocks by a file named as the address; it says what the handle was."""

    verb = BlockAddress

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(exist_ok=True)
        self.fails: Callable[[str], None] = lambda step: None
        self.calls: list[str] = []

    def plan(self, verb: BlockAddress, ttl_s: int) -> list[str]:
        return [f"write {verb.target().value} for {ttl_s}"]

    def do(self, effect: Effect[BlockAddress], keep: Keep) -> None:
        self.calls.append("do")
        self.fails("before keep")
        keep("kept")
        self.fails("after keep")
        self.file(effect).write_text(effect.request_id)
        self.fails("after effect")

    def undo(self, effect: Effect[BlockAddress]) -> None:
        self.calls.append("undo")
        self.fails("before undo")
        self.file(effect).unlink(missing_ok=True)

    def check(self, effect: Effect[BlockAddress]) -> str | None:
        return None if self.file(effect).exists() else "no file"

    def present(self) -> Sequence[Found]:
        return [Found(verb=BlockAddress(address=address), handle="kept") for address in self.names()]

    def clear(self) -> None:
        self.calls.append("clear")

    def file(self, effect: Effect[BlockAddress]) -> Path:
        return self.directory / effect.verb.target().value

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


class Kills(Skill[KillProcessTree]):
    """Counts only."""

    verb = KillProcessTree
    lasting = False
    one_boot = True

    def __init__(self) -> None:
        self.killed: list[int] = []

    def plan(self, verb: KillProcessTree, ttl_s: int) -> list[str]:
        return [f"kill {verb.pid}"]

    def do(self, effect: Effect[KillProcessTree], keep: Keep) -> None:
        self.killed.append(effect.verb.pid)

    def undo(self, effect: Effect[KillProcessTree]) -> None:
        pass

    def check(self, effect: Effect[KillProcessTree]) -> str | None:
        return "never asked"


class Time:
    """Both clocks; `pass_s` moves them, `boot` begins another boot after a time."""

    def __init__(self) -> None:
        self.wall_ns = START_NS
        self.boot_ns = 100 * NS
        self.boot_id = "first"

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall_ns, boot=self._boot, boot_id=self.boot_id)

    def _boot(self) -> int:
        """No two looks at a clock are at the same time."""
        self.boot_ns += 1
        return self.boot_ns

    def pass_s(self, seconds: float) -> None:
        self.wall_ns += int(seconds * NS)
        self.boot_ns += int(seconds * NS)

    def reboot(self, after_s: float) -> None:
        self.wall_ns += int(after_s * NS)
        self.boot_ns = 20 * NS
        self.boot_id += "+"


def allow(_verb: AnyVerb) -> Verdict:
    return Verdict(allowed=True, rule="none", reason="")


def refuse(rule: str) -> Callable[[AnyVerb], Verdict]:
    return lambda _verb: Verdict(allowed=False, rule=rule, reason=f"{rule} says no")


class Rig:
    """`restart` is what a new process does; the files and the journal stay."""

    def __init__(self, directory: Path, config: ResponderConfig = LIVE) -> None:
        self.directory = directory
        self.time = Time()
        self.config = config
        self.judge: Callable[[AnyVerb], Verdict] = allow
        """May be changed at any time."""
        self.looks = 0
        self.files = Files(directory / "effects")
        self.kills = Kills()
        self._make()

    def _make(self) -> None:
        at = self.time.clock()
        self.journal = Journal(self.directory / "responder" / "journal.jsonl", at)
        skills = {"block_address": self.files, "kill_process_tree": self.kills}
        self.effects = Effects(self.journal, skills, at)
        self.executor = Executor(self.config, self.effects, self._facts, at)
        self.upkeep = Upkeep(self.executor, self.effects, at)

    def _facts(self) -> Callable[[AnyVerb], Verdict]:
        self.looks += 1
        return self.judge

    def restart(self, config: ResponderConfig | None = None) -> None:
        """As after kill -9: nothing is finished, closed or said."""
        self.journal.close()
        if config is not None:
            self.config = config
        self._make()
        self.upkeep.start()

    def do(self, request_id: str = "r1", address: str = HOSTILE, ttl_s: int = 600, **more: bool) -> Answer:
        request = Do(request_id=request_id, verb=BlockAddress(address=address), ttl_s=ttl_s, **more)
        return self.ask(request)

    def undo(self, request_id: str = "r1") -> Answer:
        return self.ask(Undo(request_id=request_id))

    def ask(self, request: object) -> Answer:
        """Through JSON both ways, as over the socket."""
        decoded = msgspec.json.decode(msgspec.json.encode(request), type=AnyRequest)
        reply = msgspec.json.decode(msgspec.json.encode(self.executor.answer(decoded, 0)), type=AnyReply)
        assert isinstance(reply, Answer), reply
        return reply


class Crash(BaseException):
    """kill -9 as far as the code can tell: no handler for Exception sees it."""


def broken(_step: str) -> None:
    raise SkillError("the disk of the test is full")
