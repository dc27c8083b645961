# SPDX-License-Identifier: Apache-2.0
"""Who could change what the sensor is about to load: nobody but its own user and root may."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def problems_of(directory: Path) -> list[str]:
    """`file:line: text; remedy` for the directory, those above it and everything in it; none when all is well.

    A directory above may be writable by everybody when it is sticky, as /tmp is: nobody else can rename in it what is
    ours.
    """
    trusted = {0, os.geteuid()}
    out = problems_of_file(directory)
    for path in _below(directory.resolve()):
        out += _problem(path, path.lstat(), trusted)
    return out


def problems_of_file(path: Path) -> list[str]:
    """The same of one file and the directories above it."""
    trusted = {0, os.geteuid()}
    whole = path.resolve()
    out = [
        p for above in reversed(whole.parents) for p in _problem(above, above.lstat(), trusted, above=True)
    ]
    return [*out, *_problem(whole, whole.lstat(), trusted)]


def _below(directory: Path) -> Iterator[Path]:
    """Everything in it; links are not followed. Raises OSError for what cannot be listed."""
    for entry in sorted(directory.iterdir()):
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)


def _problem(path: Path, found: os.stat_result, trusted: set[int], *, above: bool = False) -> list[str]:
    if not above and not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        return [f"{path}:1: is neither a file nor a directory; remove it"]
    if found.st_uid not in trusted:
        return [f"{path}:1: belongs to user id {found.st_uid}, who could change it; run: chown root {path}"]
    if above and found.st_mode & stat.S_ISVTX:
        return []
    mode = found.st_mode & (stat.S_IWOTH | (0 if found.st_gid in (0, os.getegid()) else stat.S_IWGRP))
    if mode:
        shown = f"{stat.S_IMODE(found.st_mode):o}"
        return [f"{path}:1: may be changed by others (mode {shown}); run: chmod go-w {path}"]
    return []
