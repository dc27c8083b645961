# SPDX-License-Identifier: Apache-2.0
"""The interface of a skill, and how skills are found.

To add one: write `responder/skills/<verb id>.py` with a class below Skill and `make(means) -> Skill`; the verb itself
is in `innerwarden.model.verb`. Nothing else is edited. What the executor does for every skill, so that none does it:
switches, `may_act`, the hourly cap, the journal, expiry, retries of an undo, repair of what vanished, orphans.

What a skill owes:
- `plan` reads and changes nothing. It is all that happens in a dry run.
- `do` and `undo` may be called again after a crash at any point between or inside them: both are idempotent.
- What `undo` needs to know beyond the verb is in the handle, and `keep(handle)` puts it on the disk. Call it *before*
  the effect that it is about, as often as needed; the last one counts. A handle is text of the skill's own making.
- A call returns within seconds. Something that takes longer is started by `do`, with what ends it in the handle.
- Commands run through `responder.command.run`: an argument list, never a shell.
- Errors: TargetGone when there is nothing left to act on, Refusal when it must not be done, SkillError when it did not
  work. Anything else is taken for SkillError. After an error of `do` the executor calls `undo`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from innerwarden.config import ResponderConfig
from innerwarden.errors import InnerWardenError
from innerwarden.model.responder import Way
from innerwarden.model.verb import AnyVerb, Verb

V = TypeVar("V", bound=Verb)

#: Journals a handle, on the disk when it returns. Raises JournalError: then the effect must not happen.
Keep = Callable[[str], None]


class SkillError(InnerWardenError):
    """It did not work; trying again may help."""


class TargetGone(SkillError):
    """There is nothing left to act on, or somebody else stands in its place."""


class Refusal(SkillError):
    """It must not be done, whatever the switches say. `rule` is its short name."""

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(problem)
        self.rule = rule


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What a skill may use: the responder's settings, and a directory that only root can read and write."""

    config: ResponderConfig
    directory: Path


class Effect(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """One effect. `ttl_s`: seconds that it has left, at least 1. `handle`: what was kept last, "" before."""

    request_id: str
    verb: V
    ttl_s: int
    handle: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that is there and carries our mark, as `undo` needs it. `problem`: why it is not in force all the same,
    so that its owner is asked to repair it."""

    verb: AnyVerb
    handle: str = ""
    problem: str = ""


class Skill(ABC, Generic[V]):
    """How one verb is done. `lasting`: False when it is over as soon as it is done; then `undo` only clears up after an
    interrupted `do`. `one_boot`: a restart of the machine ends it, and its target means nothing afterwards."""

    verb: ClassVar[type[Verb]]
    lasting: ClassVar[bool] = True
    one_boot: ClassVar[bool] = False

    @abstractmethod
    def plan(self, verb: V, ttl_s: int) -> list[str]:
        """What `do` would do, a line each, as commands where it runs some."""

    @abstractmethod
    def do(self, effect: Effect[V], keep: Keep) -> None:
        """Bring the effect about."""

    @abstractmethod
    def undo(self, effect: Effect[V]) -> None:
        """End the effect; that it is not there (any more) is fine. Exactly what `do` made goes, nothing else."""

    @abstractmethod
    def check(self, effect: Effect[V]) -> str | None:
        """What is wrong with the effect as the system shows it, None when it is in force."""

    def present(self) -> Sequence[Found] | None:
        """All effects in the system that carry our mark, from one look; None where there is no mark to find them by."""
        return None

    def way(self) -> Way | None:
        """How it would be done here now, where there is more than one way to. Changes nothing."""
        return None

    def restore(self, effects: Sequence[Effect[V]]) -> None:
        """Bring back many effects that vanished, with the handles that they have. Where that can be done at once, do it
        here; it need not succeed, and each one that is still missing is brought back by `do`."""

    def clear(self) -> None:
        """Remove what is left of ours once nothing is in effect: tables, directories."""


Skills = dict[str, Skill[Any]]


def scan(package: ModuleType) -> list[tuple[str, ModuleType]]:
    """(name, module) of every file in a package, sorted by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [(name, importlib.import_module(f"{package.__name__}.{name}")) for name in names]


def find_skills(means: Means) -> Skills:
    """Verb id -> skill. Raises SkillError for a file that is not named by its verb."""
    from innerwarden.responder import skills

    found: Skills = {}
    for name, module in scan(skills):
        skill: Skill[Any] = module.make(means)
        if str(skill.verb.__struct_config__.tag) != name:
            raise SkillError(
                f"responder/skills/{name}.py is not named by its verb", "Name it by the verb's id"
            )
        found[name] = skill
    return found
