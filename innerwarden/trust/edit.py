# SPDX-License-Identifier: Apache-2.0
"""Adding and removing entries: whole files, replaced in one step, so that no reader ever sees half of one."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

from innerwarden import files
from innerwarden.errors import TrustError, UnavailableError, UsageError
from innerwarden.trust.model import Entry, Executable, Placed, stamp
from innerwarden.trust.read import TABLE, problems_of, read, starts_of
from innerwarden.trust.store import SUFFIX, load

DIRECTORY_MODE = 0o750
FILE_MODE = 0o640


def add(directory: Path, entry: Entry) -> Path:
    """Write the entry as a file of its own. Raises TrustError (also for what was wrong before), UsageError when the
    id is taken, UnavailableError when nothing can be written."""
    wrong = problems_of(entry)
    if wrong:
        raise TrustError(f"{key}: {text}" for key, text in wrong)
    placed, problems = load(directory)
    if problems:
        raise TrustError(problems)
    taken = [one for one in placed if one.entry.id == entry.id]
    path = directory / f"{entry.id}{SUFFIX}"
    if taken or os.path.lexists(path):
        where = f"{taken[0].file}:{taken[0].line}" if taken else str(path)
        raise UsageError(
            f"the id {entry.id!r} is taken by {where}", "Choose another, or remove that one first"
        )
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error
    replace(path, text_of(entry))
    return path


def remove(directory: Path, entry_id: str) -> Placed:
    """Take one entry out, and its file when nothing else is in it. Raises TrustError, UsageError, UnavailableError."""
    placed, problems = load(directory)
    if problems:
        raise TrustError(problems)
    found = next((one for one in placed if one.entry.id == entry_id), None)
    if found is None:
        raise UsageError(f"no trust entry has the id {entry_id!r}", "List them: innerwarden trust list")
    path = Path(found.file)
    others = [one for one in placed if one.file == found.file and one is not found]
    try:
        if not others:
            path.unlink()
            files.sync_directory(path.parent)
            return found
        text = without(path.read_text("utf-8"), found)
    except OSError as error:
        raise _unwritable(path, error) from error
    left, wrong = read(text, found.file)
    if wrong or [one.entry for one in left] != [one.entry for one in others]:
        raise UsageError(
            f"{found.file}:{found.line}: the entry cannot be cut out of this file without touching others",
            "Remove it with an editor",
        )
    replace(path, text)
    return found


def without(text: str, placed: Placed) -> str:
    """The text less the lines of one entry: from its header to the next one's."""
    lines = text.splitlines(keepends=True)
    later = [line for line in starts_of(text) if line > placed.line]
    end = later[0] - 1 if later else len(lines)
    return "".join(lines[: placed.line - 1] + lines[end:])


def replace(path: Path, text: str) -> None:
    """Write, sync, rename, sync the directory. Raises UnavailableError and leaves what was there."""
    try:
        files.replace_whole(path, text.encode(), FILE_MODE)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot write {path}: {error.strerror}", "Run as root, or name another with --config"
    )


def text_of(entry: Entry) -> str:
    """One entry as TOML."""
    lines = [f"[[{TABLE}]]"]
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if isinstance(value, Executable) or value is None or value in ((), False):
            continue
        lines.append(f"{name} = {_value(name, value)}")
    for name in ("exe", "ancestor"):
        executable = getattr(entry, name)
        if executable is None:
            continue
        lines += ["", f"[{TABLE}.{name}]"]
        for key in executable.__struct_fields__:
            if (value := getattr(executable, key)) is not None:
                lines.append(f"{key} = {_value(key, value)}")
    text = "\n".join(lines) + "\n"
    tomllib.loads(text)
    return text


def _value(name: str, value: object) -> str:
    if name in ("created", "expires"):
        return stamp(value)  # type: ignore[arg-type]
    if isinstance(value, tuple):
        return "[" + ", ".join(_value("", item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # A JSON string is a TOML basic string, but for the one control character that JSON leaves as it is.
    return re.sub("\x7f", r"\\u007F", json.dumps(str(value), ensure_ascii=False))
