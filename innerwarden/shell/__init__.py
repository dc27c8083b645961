# SPDX-License-Identifier: Apache-2.0
"""Shell commands as facts instead of text: parsed by a grammar, folded where everything is constant.

Three ways in: an argument vector, a script, and the joined command line of a log. Each is bounded (see reader.py),
takes 50 us to some milliseconds, keeps no state and raises for no input.
"""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden.shell.facts import UNKNOWN, Analysis, Command, Pipeline, Redirection, Word
from innerwarden.shell.grammar import require
from innerwarden.shell.reader import MAX_TEXT_BYTES, Reader
from innerwarden.shell.tools import Tools, tools
from innerwarden.shell.traits import NAMES, Trait, traits_of
from innerwarden.shell.wrappers import basename, script_of, unwrap

__all__ = [
    "MAX_TEXT_BYTES",
    "NAMES",
    "UNKNOWN",
    "Analysis",
    "Command",
    "Pipeline",
    "Redirection",
    "Tools",
    "Trait",
    "analyse_argv",
    "analyse_line",
    "analyse_script",
    "basename",
    "require",
    "tools",
    "traits_of",
]


def analyse_argv(argv: Sequence[str]) -> Analysis:
    """A process's arguments; the text of `sh -c TEXT`, also behind wrappers, is read as a script."""
    reader = Reader()
    reader.command([Word(text) for text in argv], 0)
    return reader.analysis()


def analyse_script(text: str) -> Analysis:
    """A script's text."""
    reader = Reader()
    reader.script(text, 0)
    return reader.analysis()


def analyse_line(line: str) -> Analysis:
    """A command line whose arguments a log joined by blanks (sudo): what follows `sh -c` is one text there.

    The quotes that the person typed are gone, so a word with blanks reads as several.
    """
    words = line.split(" ")
    _, rest = unwrap([Word(word) for word in words])
    found = script_of(basename(rest[0].text), [word.text for word in rest[1:]]) if rest else None
    if found is None:
        return analyse_argv([word for word in words if word])
    place = len(words) - len(rest) + 1 + found[0]
    return analyse_argv([*words[:place], " ".join(words[place:])])
