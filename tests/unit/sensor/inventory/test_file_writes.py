# SPDX-License-Identifier: Apache-2.0
"""What an event costs that nobody needs: neither its file's name nor its process is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden.libbpf import fanotify
from innerwarden.sensor.inventory.fact import Actor
from innerwarden.sensor.inventory.file_matches import FileMatches
from innerwarden.sensor.inventory.file_writes import FileWrites

PROGRAM = b"#!/bin/sh\necho an ordinary script\n"


class Asked:
    """Names and processes that were asked for."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def __call__(self, pid: int) -> Actor | None:
        self.pids.append(pid)
        return None


def judged(writes: FileWrites, path: Path, mask: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        assert writes._judge(fanotify.Event(mask, 1, fd), os.fstat(fd)) is None
    finally:
        os.close(fd)


@pytest.mark.parametrize("mask", [fanotify.OPEN_EXEC, fanotify.CLOSE_WRITE])
def test_who_runs_or_writes_a_file_that_is_known_is_not_asked(tmp_path: Path, mask: int) -> None:
    path, asked, matches = tmp_path / "a.sh", Asked(), FileMatches()
    writes = FileWrites(asked, matches.offer, matches.wants)
    path.write_bytes(PROGRAM)
    judged(writes, path, fanotify.OPEN_EXEC)
    assert (asked.pids, len(matches._queue)) == ([1], 1)
    judged(writes, path, mask)
    assert (asked.pids, len(matches._queue)) == ([1], 1)
    path.write_bytes(PROGRAM + b"echo more\n")
    judged(writes, path, mask)
    assert (asked.pids, len(matches._queue)) == ([1, 1], 2)
    for waiting in matches._queue:
        os.close(waiting.fd)
