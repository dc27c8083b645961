# SPDX-License-Identifier: Apache-2.0
"""Files that give rights: real ones, in a directory of the test."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import suid_files
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.suid_files import SuidFiles
from tests.unit.sensor.inventory.support import changes, looked, write


def make(path: Path, mode: int, text: str = "x") -> Path:
    write(path, text).chmod(mode)
    return path


def collector(root: Path, path: Path | None = None) -> SuidFiles:
    return SuidFiles(Baseline("suid_files", path), [str(root)])


def test_only_what_gives_rights_is_listed(tmp_path: Path) -> None:
    suid = make(tmp_path / "a/suid", 0o4755)
    sgid = make(tmp_path / "a/b/sgid", 0o2755)
    make(tmp_path / "plain", 0o755)
    make(tmp_path / "locking", 0o2644)
    make(tmp_path / "no_execute", 0o4644)
    (tmp_path / "directory").mkdir(mode=0o755)
    (tmp_path / "directory").chmod(0o2755)
    (tmp_path / "link").symlink_to(suid)
    found = looked(collector(tmp_path))
    assert changes(found) == {str(suid): Change.BASELINE, str(sgid): Change.BASELINE}
    by_path = {fact["path"]: fact for fact in found}
    one = by_path[str(suid)]
    assert one["mode"] == 0o104755 and one["inode"] == suid.stat().st_ino
    assert one["target_uid"] == os.getuid()
    assert one["sha256"] == hashlib.sha256(b"x").hexdigest()
    assert "runs as user" in one["reason"] and "runs as group" in by_path[str(sgid)]["reason"]


def test_appeared_changed_vanished(tmp_path: Path) -> None:
    stays, goes, loses = (make(tmp_path / name, 0o4755) for name in ("stays", "goes", "loses"))
    one = collector(tmp_path)
    assert len(looked(one)) == 3
    assert looked(one) == []
    stays.write_text("other")
    stays.chmod(0o4755)
    goes.unlink()
    loses.chmod(0o755)
    new = make(tmp_path / "deep/er/new", 0o4755)
    assert changes(looked(one)) == {
        str(stays): Change.CHANGED,
        str(goes): Change.VANISHED,
        str(loses): Change.VANISHED,
        str(new): Change.APPEARED,
    }
    assert looked(one) == []


def test_a_change_with_the_old_times_is_seen(tmp_path: Path) -> None:
    """mtime can be set back, ctime cannot."""
    path = make(tmp_path / "x", 0o4755, "one")
    before = path.stat()
    one = collector(tmp_path)
    looked(one)
    path.write_text("two")
    path.chmod(0o4755)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert changes(looked(one)) == {str(path): Change.CHANGED}


def test_touching_a_file_is_no_change(tmp_path: Path) -> None:
    path = make(tmp_path / "x", 0o4755)
    one = collector(tmp_path)
    looked(one)
    os.utime(path)
    assert looked(one) == []


def test_a_restart_compares_with_what_was_saved(tmp_path: Path) -> None:
    root, file = tmp_path / "root", tmp_path / "baseline.json"
    make(root / "old", 0o4755)
    one = collector(root, file)
    looked(one)
    one.baseline.save()
    new = make(root / "new", 0o4755)
    assert changes(looked(collector(root, file))) == {str(new): Change.APPEARED}


def test_the_first_walk_is_fast_and_later_ones_are_slow(tmp_path: Path) -> None:
    one = collector(tmp_path)
    first = one.budget_ms
    looked(one)
    assert one.budget_ms < first


def test_the_walk_yields_between_a_few_entries(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"f{number}").touch()
    pauses = sum(step is None for step in collector(tmp_path).look())
    assert pauses > 500 / 50


def test_a_file_too_large_is_listed_without_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suid_files, "HASH_BYTES", 10)
    make(tmp_path / "large", 0o4755, "x" * 11)
    assert [fact.get("sha256") for fact in looked(collector(tmp_path))] == [None]


def test_more_files_than_are_remembered_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suid_files, "FILES", 3)
    for number in range(5):
        make(tmp_path / str(number), 0o4755)
    one = collector(tmp_path)
    assert len(looked(one)) == 3
    assert "2 files more" in one.remark()


def test_other_file_systems_are_left_out(tmp_path: Path) -> None:
    proc = tmp_path / "proc/self"
    root = tmp_path / "root"
    inside, outside = make(root / "local/x", 0o4755), make(root / "remote/x", 0o4755)
    write(
        proc / "mountinfo",
        f"1 0 8:1 / / rw - ext4 d rw\n2 1 8:2 / {root}/local rw - xfs d rw\n3 1 0:9 / {root}/remote rw - nfs4 s:/ rw\n",
    )
    one = SuidFiles(Baseline("suid_files"), [str(root)], str(tmp_path / "proc"))
    assert changes(looked(one)) == {str(inside): Change.BASELINE}
    assert outside.exists()


def test_without_root_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in collector(tmp_path).obstacle()
