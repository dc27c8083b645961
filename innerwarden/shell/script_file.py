# SPDX-License-Identifier: Apache-2.0
"""The beginning of a script in a place where anybody may have prepared something for its reader.

The sensor is root and has one thread here: a named pipe, a link to a device or a file system whose server never answers
(FUSE) must not hold it up. So the path is walked name by name without following links, and is given up where another
file system begins; that is read from /proc/self/fdinfo, which asks no file system (proc(5), mnt_id).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from innerwarden.shell.reader import MAX_TEXT_BYTES

MAX_NAMES = 32


def script_beginning(pid: int, path: str, places: tuple[str, ...]) -> str | None:
    """At most 8 KiB of an absolute path below one of `places`, as process `pid` sees it; None without one."""
    place = next((one for one in places if path.startswith(one)), None)
    if place is None:
        return None
    names = [name for name in path[len(place) :].split("/") if name not in ("", ".")]
    if not names or ".." in names or len(names) > MAX_NAMES:
        return None
    try:
        return _read(f"/proc/{pid}/root{place}", names)
    except (OSError, ValueError):
        return None


def _read(place: str, names: list[str]) -> str | None:
    here = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount = _mount_id(here)
        for name in names:
            below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
            if _mount_id(here) != mount:
                return None
        if not stat.S_ISREG(os.fstat(here).st_mode):
            return None
        file = os.open(f"/proc/self/fd/{here}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(file, MAX_TEXT_BYTES).decode("utf-8", "replace")
        finally:
            os.close(file)
    finally:
        os.close(here)


def _mount_id(descriptor: int) -> int:
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii").splitlines():
        if line.startswith("mnt_id:"):
            return int(line[7:])
    raise ValueError("no mnt_id")
