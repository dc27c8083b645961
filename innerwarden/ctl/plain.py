# SPDX-License-Identifier: Apache-2.0
"""Start a daemon without the command tree, which would stay in its memory for as long as it runs.

Typer, once it parses, brings pydantic: 7 MiB and half a second. A plain command line (options of the daemon by their
long names, each with its value behind it) is read here by the declarations that typer reads; whatever else is
there, help and mistakes among it, is left to typer.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import typer
from typer.models import OptionInfo

DAEMONS = ("sensor", "agent", "responder")
READERS: dict[Any, Callable[[str], object]] = {Path: Path, str: str, float: float}
#: glibc's settings that stand in the environment are the operator's, and stay.
SET_OUTSIDE = ("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
#: Measured by `python -m bench.heap --allocator`; docs/memory.md has the figures.
ARENAS = 1
THRESHOLD_BYTES = 128 << 10


def run(words: Sequence[str]) -> bool:
    """Run the daemon that `words` plainly ask for until it ends; False when they ask for something else.

    Raises SystemExit with the daemon's code, and what the daemon raises.
    """
    if not words or words[0] not in DAEMONS:
        return False
    if not any(name in os.environ for name in SET_OUTSIDE):
        from innerwarden_core.memory import limit

        limit(ARENAS, THRESHOLD_BYTES)
    function = getattr(import_module(f"innerwarden.ctl.commands.{words[0]}"), words[0])
    given = arguments_of(function, words[1:])
    if given is None:
        return False
    try:
        function(**given)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    return True


def arguments_of(function: Callable[..., None], words: Sequence[str]) -> dict[str, object] | None:
    """Keyword arguments for `function`; None where typer has to look."""
    given: dict[str, object] = {}
    readers: dict[str, tuple[str, Callable[[str], object]]] = {}
    flags: dict[str, tuple[str, bool]] = {}
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        declared, option, word, default = _declaration(hints[name], parameter.default)
        given[name] = default
        if declared is bool:
            on, _, off = word.partition("/")
            flags |= {on: (name, True)} | ({off: (name, False)} if off else {})
            continue
        readers[word] = (name, READERS[declared])
        if isinstance(option.envvar, str) and os.environ.get(option.envvar):
            given[name] = READERS[declared](os.environ[option.envvar])
    return _read(list(words), given, readers, flags)


def _declaration(hint: Any, default: Any) -> tuple[Any, OptionInfo, str, object]:
    """(type, option, its long name, default) of a parameter, which declares its option by annotation or by its
    default; in an annotation the name stands where the default would."""
    if isinstance(default, OptionInfo):
        option, word, default = default, (default.param_decls or ("",))[0], default.default
    else:
        hint, option = get_args(hint)
        word = option.default
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    return kinds[0], option, word, default


def _read(
    words: list[str],
    given: dict[str, object],
    readers: dict[str, tuple[str, Callable[[str], object]]],
    flags: dict[str, tuple[str, bool]],
) -> dict[str, object] | None:
    while words:
        word = words.pop(0)
        option, equals, value_text = word.partition("=")
        if equals and option in readers:
            words.insert(0, value_text)
            word = option
        if word in flags:
            name, value = flags[word]
            given[name] = value
        elif word in readers and words and not words[0].startswith("-"):
            name, reader = readers[word]
            try:
                given[name] = reader(words.pop(0))
            except ValueError:
                return None
        else:
            return None
    return given
