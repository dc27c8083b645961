# SPDX-License-Identifier: Apache-2.0
"""Only a regular file on the place's own file system is read, whatever somebody laid there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden.shell import MAX_TEXT_BYTES, script_beginning


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"{tmp_path}/"


def read(place: str, name: str) -> str | None:
    return script_beginning(os.getpid(), place + name, (place,))


def test_the_beginning_of_a_script(place: str) -> None:
    Path(place, "deep").mkdir()
    Path(place, "deep/x.sh").write_text("id\n" * MAX_TEXT_BYTES)
    text = read(place, "deep/x.sh")
    assert text is not None
    assert text.startswith("id\n")
    assert len(text) == MAX_TEXT_BYTES


def test_a_link_a_pipe_and_a_directory_are_left_alone(place: str) -> None:
    Path(place, "real").write_text("id")
    Path(place, "link").symlink_to("real")
    Path(place, "directory").mkdir()
    Path(place, "directory-link").symlink_to("directory")
    Path(place, "directory/x").write_text("id")
    os.mkfifo(Path(place, "pipe"))
    assert read(place, "real") == "id"
    assert read(place, "directory/x") == "id"
    assert [read(place, name) for name in ("link", "pipe", "directory", "directory-link/x", "none")] == [
        None
    ] * 5


def test_another_file_system_is_left_alone() -> None:
    here = "/"
    assert Path("/proc/version").is_file()
    assert script_beginning(os.getpid(), "/proc/version", (here,)) is None


def test_paths_that_climb_or_lie_elsewhere_are_refused(place: str) -> None:
    Path(place, "x").write_text("id")
    name = Path(place).name
    assert read(place, f"../{name}/x") is None
    assert script_beginning(os.getpid(), f"{place}x", ("/srv/other/",)) is None
    assert script_beginning(2**22 + 1, f"{place}x", (place,)) is None


def test_no_descriptor_is_left_open(place: str) -> None:
    Path(place, "x").write_text("id")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("x", "none", "x/y", ""):
        read(place, name)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
