# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of a directory, and what of it concerns one file."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from innerwarden.libbpf.inotify import Changes


def is_told(changes: Changes) -> bool:
    poll = select.poll()
    poll.register(changes.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def test_each_way_in_which_findings_come_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    path.touch()
    changes = Changes(tmp_path, path.name)
    try:
        assert not is_told(changes) and not changes.take()
        with path.open("ab") as file:
            file.write(b"line\n")
        assert is_told(changes) and changes.take()
        assert not is_told(changes) and not changes.take()
        path.replace(tmp_path / "findings.jsonl.1")
        assert not changes.take()  # nothing new lies there
        path.touch()
        assert changes.take()
        (tmp_path / "whole").write_bytes(b"line\n")
        changes.take()
        (tmp_path / "whole").replace(path)
        assert changes.take()
    finally:
        changes.close()


def test_other_files_are_told_and_do_not_concern_it(tmp_path: Path) -> None:
    changes = Changes(tmp_path, "findings.jsonl")
    try:
        for number in range(300):  # more than one read takes
            (tmp_path / f"findings.jsonl.{number}").write_bytes(b"x")
        assert is_told(changes) and not changes.take() and not is_told(changes)
    finally:
        changes.close()


def test_a_directory_that_is_not_there_is_refused_and_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(FileNotFoundError, match="inotify_add_watch"):
        Changes(tmp_path / "none", "findings.jsonl")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
