# SPDX-License-Identifier: Apache-2.0
"""What a shell text says, as values: commands, pipelines, redirections."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

#: Stands in a word for a part that only the running shell knows.
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Word(msgspec.Struct, frozen=True):
    """One field after expansion. `hidden`: it was spelled so that its plain text does not stand in the source."""

    text: str
    constant: bool = True
    hidden: bool = False


class Redirection(msgspec.Struct, frozen=True):
    """`operator` is the shell's (`>`, `>>`, `<`, `>&`, `<<`, `<<<`); of the last two `target` is the text itself."""

    operator: str
    target: str
    constant: bool = True

    @property
    def writes(self) -> bool:
        return self.operator in (">", ">>", ">|", "&>", "&>>", "<>") or (
            self.operator == ">&" and not self.target.rstrip("-").isdigit()
        )


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One simple command after its wrappers (`env`, `nice`, `sudo`, ...) were taken off.

    `path` is its first word, `name` the last component of it. `sources` are the pipelines of substitutions in its
    words; `depth` counts the scripts around it (`sh -c`, `eval`, decoded text).
    """

    name: str
    path: str
    arguments: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    redirections: tuple[Redirection, ...] = ()
    sources: tuple[Pipeline, ...] = ()
    constant: bool = True
    hidden: bool = False
    depth: int = 0


class Pipeline(msgspec.Struct, frozen=True):
    """Stages in order; a stage that is a compound (`( ... )`, `while`) holds all of its commands."""

    stages: tuple[tuple[Command, ...], ...]

    def commands(self) -> Iterator[Command]:
        """The stages' commands and those of their substitutions."""
        for stage in self.stages:
            for command in stage:
                yield command
                for source in command.sources:
                    yield from source.commands()


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """`decoded` are texts that the script holds in encoded form; `problems` counts what could not be read, by reason:
    syntax, cut (text beyond the bound), slow (made to take long), depth, size (nodes or commands beyond the bound)."""

    pipelines: tuple[Pipeline, ...] = ()
    hidden_words: tuple[str, ...] = ()
    decoded: tuple[str, ...] = ()
    assignments: tuple[tuple[str, str], ...] = ()
    problems: dict[str, int] = msgspec.field(default_factory=dict)

    def commands(self) -> Iterator[Command]:
        for pipeline in self.pipelines:
            yield from pipeline.commands()
