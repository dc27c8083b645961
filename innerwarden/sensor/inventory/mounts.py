# SPDX-License-Identifier: Apache-2.0
"""The mount table of a process, as proc_pid_mountinfo(5) writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from innerwarden.sensor.inventory import files

_OCTAL = re.compile(r"\\([0-7]{3})")
BYTES = 4 << 20


class Mount(NamedTuple):
    """`root` is the part of the file system that is mounted on `place`."""

    number: int
    dev: str
    root: str
    place: str
    fs_type: str
    options: str


def table(path: str) -> list[Mount]:
    """Every mount that `path` (a mountinfo file) lists. Raises OSError when it cannot be read."""
    found = []
    for line in files.read(path, BYTES).decode("utf-8", "surrogateescape").splitlines():
        left, bar, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if not bar or len(fields) < 6 or len(kind) < 3:
            continue
        found.append(Mount(int(fields[0]), fields[2], _plain(fields[3]), _plain(fields[4]), kind[0], kind[2]))
    return found


def _plain(text: str) -> str:
    """Space, tab, line feed and backslash are written in octal."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
