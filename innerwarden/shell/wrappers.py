# SPDX-License-Identifier: Apache-2.0
"""Taking off programs that only run another one, and finding the text that a command hands to a shell."""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden.shell.facts import Word
from innerwarden.shell.tools import Wrapper, tools

MAX_WRAPPERS = 16


def basename(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def unwrap(words: Sequence[Word]) -> tuple[tuple[str, ...], tuple[Word, ...]]:
    """(names of the wrappers, the words of the command itself); a wrapper with no command stays the command."""
    taken: list[str] = []
    rest = list(words)
    while rest and len(taken) < MAX_WRAPPERS:
        name = basename(rest[0].text)
        wrapper = tools().wrappers.get(name)
        inner = _behind(rest[1:], wrapper) if wrapper else []
        if not inner:
            break
        taken.append(name)
        rest = inner
    return tuple(taken), tuple(rest)


def _behind(words: list[Word], wrapper: Wrapper) -> list[Word]:
    """What follows a wrapper's own options and positional words."""
    place, left, options = 0, wrapper.positional, True
    while place < len(words):
        text = words[place].text
        if options and text == "--":
            options = False
        elif options and len(text) > 1 and text[0] in "-+":
            place += text in wrapper.value_options
        elif wrapper.assignments and _is_assignment(text):
            pass
        elif left:
            left -= 1
        else:
            break
        place += 1
    return words[place:]


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()


def script_of(name: str, arguments: Sequence[str]) -> tuple[int, tuple[str, ...]] | None:
    """Index of the argument that is a script's text, and the positional words ($0, $1, ...) given with it.

    `sh -c TEXT`, `su -c TEXT`, `script -c TEXT`, `watch TEXT`. None when the command runs no text.
    """
    if name in tools().programs.shells:
        return _dash_c(arguments)
    if name in ("su", "script", "runuser", "flock"):
        for index, text in enumerate(arguments[:-1]):
            if text in ("-c", "--command", "-qc", "-lc"):
                return index + 1, ()
    return None


def _dash_c(arguments: Sequence[str]) -> tuple[int, tuple[str, ...]] | None:
    wanted, index = False, 0
    while index < len(arguments):
        text = arguments[index]
        if text.startswith("--") and len(text) > 2:
            index += 2 if text in ("--rcfile", "--init-file") else 1
        elif len(text) > 1 and text[0] in "-+" and text != "--":
            wanted = wanted or (text[0] == "-" and "c" in text)
            index += 2 if text[-1] in "oO" else 1
        else:
            if text == "--":
                index += 1
            break
    if not wanted or index >= len(arguments):
        return None
    return index, tuple(arguments[index + 1 :])


def reads_standard_input(name: str, arguments: Sequence[str]) -> bool:
    """Whether a shell or interpreter started so takes its program from standard input."""
    if name not in tools().programs.shells and name not in tools().programs.interpreters:
        return False
    for text in arguments:
        if text in ("-", "-s", "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"):
            return True
        if text.startswith("-") and not text.startswith("--"):
            if "c" in text[1:] or (name in tools().programs.interpreters and text[1:2] in "ermn"):
                return False
            continue
        if not text.startswith("-"):
            return False
    return True
