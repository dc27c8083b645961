# SPDX-License-Identifier: Apache-2.0
"""Files below the places of a table."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator


def starts(root: str, path: str) -> Iterator[str]:
    """A place's paths on this machine; `*` stands for one component, `root` before all of it."""
    if "*" not in path:
        yield root + path
        return
    before, _, after = (root + path).partition("*")
    try:
        names = os.listdir(before)  # noqa: PTH208 - names only
    except OSError:
        return
    yield from (f"{before}{name}{after}" for name in sorted(names))


def files_below(start: str, depth: int, walked: set[tuple[int, int]]) -> Iterator[str]:
    """Files and links below `start`, a directory reached twice (/lib is /usr/lib) once."""
    try:
        state = os.stat(start)  # noqa: PTH116 - a string, like all of the walk
    except OSError:
        return
    if not stat.S_ISDIR(state.st_mode):
        yield start
        return
    key = (state.st_dev, state.st_ino)
    if key in walked or depth == 0:
        return
    walked.add(key)
    try:
        with os.scandir(start) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(entry.path, depth - 1, walked)
        else:
            yield entry.path


def is_gone(path: str) -> bool:
    """A directory that could not be read says nothing about its files."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
