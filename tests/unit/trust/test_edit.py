# SPDX-License-Identifier: Apache-2.0
"""Entries written and removed: what is read back is what was written, and others' text stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.errors import TrustError, UnavailableError, UsageError
from innerwarden.trust import Executable
from innerwarden.trust.edit import add, remove, replace, text_of
from innerwarden.trust.read import read
from innerwarden.trust.store import load
from tests.unit.trust.support import DAY, entry, text

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda t: t.strip() != "")


@given(reason=TEXT, owner=TEXT)
def test_what_is_written_is_read_back(reason: str, owner: str) -> None:
    one = entry(
        reason=reason, owner=owner, networks=("192.0.2.0/24",), uids=(0, 7),
        exe=Executable(path="/usr/bin/x", inode=5, dev="8:1", sha256="a" * 64),
        ancestor=Executable(package="cron"),
    )  # fmt: skip
    placed, problems = read(text_of(one), "t")
    assert problems == []
    assert [p.entry for p in placed] == [one]


def test_add_and_remove(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    directory = tmp_path / "trust.d"
    one, two = entry("one", networks=("192.0.2.0/24",)), entry("two", networks=("10.0.0.0/8",))
    path = add(directory, one)
    add(directory, two)
    assert [p.entry for p in load(directory)[0]] == [one, two]
    assert path.stat().st_mode & 0o7777 == 0o640
    assert directory.stat().st_mode & 0o7777 & ~0o750 == 0
    assert remove(directory, "one").entry == one
    assert [p.name for p in directory.iterdir()] == ["two.toml"]
    with pytest.raises(UsageError, match="no trust entry"):
        remove(directory, "one")
    with pytest.raises(UsageError, match="is taken by"):
        add(directory, two)


def test_the_rest_of_a_file_stays_as_it_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    path = tmp_path / "mine.toml"
    head, tail = "# by hand\n" + text(), "# the last\n" + text(id='"three"')
    path.write_text(head + text(id='"two"') + tail)
    remove(tmp_path, "two")
    assert path.read_text() == head + tail.removeprefix("# the last\n")
    assert [p.entry.id for p in load(tmp_path)[0]] == ["one", "three"]


def test_an_entry_that_cannot_be_cut_out_is_left(tmp_path: Path) -> None:
    """A header inside a text looks like one."""
    tmp_path.chmod(0o750)
    path = tmp_path / "mine.toml"
    source = text(reason='"""a\n[[trust]]\nb"""') + text(id='"two"')
    path.write_text(source)
    with pytest.raises(UsageError, match="with an editor"):
        remove(tmp_path, "one")
    assert path.read_text() == source


def test_nothing_is_added_beside_a_broken_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    (tmp_path / "a.toml").write_text("[[trust]\n")
    with pytest.raises(TrustError, match=r"a\.toml:1"):
        add(tmp_path, entry(networks=("192.0.2.0/24",)))
    with pytest.raises(TrustError):
        add(tmp_path / "new", entry(networks=("192.0.2.0/24",), expires=DAY))


def test_a_refused_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("before")

    def full(fd: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space"):
        replace(path, "after")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.toml"]
