# SPDX-License-Identifier: Apache-2.0
"""The directory: read again when it changed, void with any problem, refused when others may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden.errors import TrustError
from innerwarden.trust.store import TrustStore
from tests.unit.trust.support import needs_root, text


def ids(store: TrustStore) -> list[str]:
    return [placed.entry.id for placed in store.current.entries]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o750)
    (tmp_path / "a.toml").write_text(text())
    return tmp_path


def test_changes_are_followed(directory: Path) -> None:
    store = TrustStore(directory)
    store.require()
    assert ids(store) == ["one"]
    assert store.refresh() is False
    (directory / "b.toml").write_text(text(id='"two"'))
    (directory / "ignored.txt").write_text("none")
    assert store.refresh() is True
    assert ids(store) == ["one", "two"]
    (directory / "a.toml").unlink()
    assert store.refresh() is True
    assert ids(store) == ["two"]


def test_no_directory_trusts_nobody(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "none")
    store.require()
    assert ids(store) == []


def test_one_broken_file_voids_all_until_it_is_right_again(directory: Path) -> None:
    store = TrustStore(directory)
    store.require()
    broken = directory / "b.toml"
    broken.write_text(text(id='"two"', owner='""') + text(id='"one"'))
    assert store.refresh() is True
    assert ids(store) == []
    assert [problem.partition(": ")[0] for problem in store.problems] == [f"{broken}:5", f"{broken}:9"]
    with pytest.raises(TrustError, match="owner is empty") as raised:
        TrustStore(directory).require()
    assert len(raised.value.problems) == 2
    broken.write_text(text(id='"two"'))
    assert store.refresh() is True
    assert ids(store) == ["one", "two"]


@pytest.mark.parametrize("mode", [0o666, 0o660])
def test_a_file_that_others_may_write_is_refused(directory: Path, mode: int) -> None:
    store = TrustStore(directory)
    store.require()
    (directory / "a.toml").chmod(mode)
    assert store.refresh() is True
    assert ids(store) == []
    assert "chmod go-w" in store.problems[0]
    (directory / "a.toml").chmod(0o640)
    store.refresh()
    assert ids(store) == ["one"]
    directory.chmod(0o770)
    store.refresh()
    assert ids(store) == []


@needs_root
def test_a_file_of_somebody_else_is_refused(directory: Path) -> None:
    os.chown(directory / "a.toml", 12345, 0)
    store = TrustStore(directory)
    store.refresh()
    assert "belongs to uid 12345" in store.problems[0]


def test_a_link_and_what_is_no_file_are_refused(directory: Path) -> None:
    (directory / "b.toml").symlink_to(directory / "a.toml")
    store = TrustStore(directory)
    store.refresh()
    assert "symbolic link" in store.problems[0]
    (directory / "b.toml").unlink()
    os.mkfifo(directory / "b.toml", 0o600)
    store.refresh()
    assert "no regular file" in store.problems[0]
