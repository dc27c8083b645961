# SPDX-License-Identifier: Apache-2.0
"""Watched files in a tree of the test's own, through real looks."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import file_changes
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.file_changes import FileChanges
from innerwarden.sensor.inventory.unit_places import Place
from tests.unit.sensor.inventory.support import changes, looked, write

PLACES = (Place("/etc/passwd", "the list of accounts", 0), Place("/etc/ssh", "the set-up of SSH", 2))


def watching(root: Path, **more: Any) -> FileChanges:
    write(root / "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    write(root / "etc/ssh/sshd_config", "PermitRootLogin no\n")
    one = FileChanges(Baseline("file_changes"), lambda pid: None, root=str(root), places=PLACES, **more)
    assert set(changes(looked(one)).values()) == {Change.BASELINE}
    assert looked(one) == []
    return one


def test_content_is_told_with_both_hashes(tmp_path: Path) -> None:
    one = watching(tmp_path)
    path = write(tmp_path / "etc/ssh/sshd_config", "PermitRootLogin yes\n")
    (fact,) = looked(one)
    assert fact["path"] == str(path)
    assert fact["sha256"] == hashlib.sha256(b"PermitRootLogin yes\n").hexdigest()
    assert hashlib.sha256(b"PermitRootLogin no\n").hexdigest() in fact["old_value"]
    assert fact["reason"].startswith("the set-up of SSH changed: content sha256 ")
    assert looked(one) == []


def test_mode_is_told_alone(tmp_path: Path) -> None:
    one = watching(tmp_path)
    (tmp_path / "etc/passwd").chmod(0o666)
    (fact,) = looked(one)
    assert fact["reason"].startswith("the list of accounts changed: mode 100644, now 100666")
    assert "content" not in fact["reason"]
    assert fact["mode"] == 0o100666


def test_a_rename_over_it_with_an_old_time_stamp(tmp_path: Path) -> None:
    one = watching(tmp_path)
    path = tmp_path / "etc/passwd"
    before = path.stat()
    fresh = write(tmp_path / "new", "evil:x:0:0::/root:/bin/sh\n")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.rename(path)
    assert changes(looked(one)) == {str(path): Change.CHANGED}


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    one = watching(tmp_path)
    path = tmp_path / "etc/passwd"
    same = write(tmp_path / "same", path.read_text())
    path.unlink()
    path.symlink_to(same)
    (fact,) = looked(one)
    assert fact["value"].endswith(f"-> {same}")
    assert "sha256" not in fact
    assert f"now -> {same}" in fact["reason"]


def test_a_pipe_in_its_place_does_not_hold_the_look_up(tmp_path: Path) -> None:
    one = watching(tmp_path)
    (tmp_path / "etc/passwd").unlink()
    os.mkfifo(tmp_path / "etc/passwd")
    assert looked(one) == []  # it is there, and no file: nothing is known of it
    (tmp_path / "etc/passwd").unlink()
    assert changes(looked(one)) == {str(tmp_path / "etc/passwd"): Change.VANISHED}


def test_new_and_gone(tmp_path: Path) -> None:
    one = watching(tmp_path)
    path = write(tmp_path / "etc/ssh/sshd_config.d/evil.conf", "PermitRootLogin yes\n")
    assert changes(looked(one)) == {str(path): Change.APPEARED}
    path.unlink()
    assert changes(looked(one)) == {str(path): Change.VANISHED}


def test_a_host_that_a_client_met_is_passed_over(tmp_path: Path) -> None:
    one = watching(tmp_path)
    write(tmp_path / "etc/ssh/known_hosts", "host key")
    assert looked(one) == []


def test_what_the_package_brought_is_named_so(tmp_path: Path) -> None:
    content = "PermitRootLogin prohibit-password\n"
    path = tmp_path / "etc/ssh/sshd_config"
    digest = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    filler = "Package: x\n" * 20000  # so that the line lies across two pieces of the list
    status = write(tmp_path / "status", f"{filler}Conffiles:\n {path} {digest}\n /etc/other 0\n")
    one = watching(tmp_path, status=str(status))
    write(path, content)
    assert [fact["name"] for fact in looked(one)] == ["package"]
    write(path, content + "PermitRootLogin yes\n")
    assert [fact["name"] for fact in looked(one)] == ["own"]


@pytest.mark.parametrize("cut", range(-3, 4))
def test_a_line_is_found_wherever_the_pieces_end(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "a", "x")
    line = f"\n {path} {hashlib.md5(b'x', usedforsecurity=False).hexdigest()}"
    piece = file_changes.packages.STEP_BYTES
    status = write(tmp_path / "status", "x" * (piece - len(line) // 2 + cut * 20) + line + "\n")
    found = file_changes.packages.is_shipped(str(path), str(status))
    with pytest.raises(StopIteration) as end:
        while True:
            next(found)
    assert end.value.value is True


def test_a_file_beyond_the_bound_still_tells_that_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_changes, "HASH_BYTES", 4)
    one = watching(tmp_path)
    write(tmp_path / "etc/passwd", "other")
    assert changes(looked(one)) == {str(tmp_path / "etc/passwd"): Change.CHANGED}
    assert "1 files cannot be read" in one.remark()


def test_a_baseline_outlives_a_restart(tmp_path: Path) -> None:
    root, kept = tmp_path / "root", tmp_path / "kept.json"
    write(root / "etc/passwd", "a")
    one = FileChanges(Baseline("f", kept), lambda pid: None, root=str(root), places=PLACES)
    looked(one)
    one.baseline.save()
    write(root / "etc/passwd", "b")
    again = FileChanges(Baseline("f", kept), lambda pid: None, root=str(root), places=PLACES)
    assert changes(looked(again)) == {str(root / "etc/passwd"): Change.CHANGED}
