# SPDX-License-Identifier: Apache-2.0
"""Shell commands as facts instead of text: parsed by a grammar, folded where everything is constant.

Three ways in: an argument vector, a script, and the joined command line of a log. Each is bounded (see reader.py),
takes 50 us to some milliseconds, keeps no state and raises for no input.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from innerwarden.shell.facts import UNKNOWN, Analysis, Command, Pipeline, Redirection, Word
from innerwarden.shell.files import downloaded, ran
from innerwarden.shell.grammar import require
from innerwarden.shell.reader import MAX_TEXT_BYTES, Reader
from innerwarden.shell.script_file import script_beginning
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
    "downloaded",
    "ran",
    "require",
    "script_beginning",
    "tools",
    "traits_of",
]


def analyse_argv(argv: Sequence[str], exe_path: str | None = None) -> Analysis:
    """A process's arguments; the text of `sh -c TEXT`, also behind wrappers, is read as a script.

    `exe_path` is the executed file: a process is what it is, whatever argv[0] calls it.
    """
    words = list(argv)
    if exe_path:
        own = [exe_path] if basename(exe_path) not in ("busybox", "toybox") else [exe_path, *argv[:1]]
        words = [*own, *argv[1:]]
    reader = Reader()
    reader.command([Word(text) for text in words], 0)
    return reader.analysis()


def analyse_script(text: str) -> Analysis:
    """A script's text."""
    reader = Reader()
    reader.script(text, 0)
    return reader.analysis()


def analyse_line(line: str) -> Analysis:
    """A command line as sudo logs it.

    sudo quotes arguments since 1.9.13 (`bash -c 'a | b'`); before that it joined them by blanks, so what follows
    `sh -c` is one text, and other arguments with blanks read as several.
    """
    words = line.split(" ")
    _, rest = unwrap([Word(word) for word in words])
    found = script_of(basename(rest[0].text), [word.text for word in rest[1:]]) if rest else None
    if found is None or rest[1 + found[0]].text[:1] == "'" or "\\ " in line:
        return analyse_argv(_quoted(line))
    place = len(words) - len(rest) + 1 + found[0]
    return analyse_argv([*words[:place], " ".join(words[place:])])


def _quoted(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
