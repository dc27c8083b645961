# SPDX-License-Identifier: Apache-2.0
"""Baselines: whole or not at all; a restart forgets nothing, a damaged file is never taken for the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden import clock
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline, Item


def said(one: Baseline, seen: dict[str, Item]) -> dict[str, Change]:
    return {difference.key: difference.change for difference in one.compare(seen)}


def test_the_four_changes(tmp_path: Path) -> None:
    one = Baseline("x", tmp_path / "x.json")
    first = {"a": Item("1"), "b": Item("1"), "c": Item("1")}
    assert said(one, first) == dict.fromkeys("abc", Change.BASELINE)
    second = {"a": Item("1", stamp="touched"), "b": Item("2"), "d": Item("1")}
    assert said(one, second) == {"b": Change.CHANGED, "d": Change.APPEARED, "c": Change.VANISHED}
    assert said(one, second) == {}


def test_an_empty_first_look_is_a_baseline_too(tmp_path: Path) -> None:
    one = Baseline("x", tmp_path / "x.json")
    assert said(one, {}) == {}
    one.save()
    assert said(Baseline("x", tmp_path / "x.json"), {"a": Item("1")}) == {"a": Change.APPEARED}


def test_a_restart_sees_what_changed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "inventory" / "x.json"
    one = Baseline("x", path)
    said(one, {"a": Item("1", sha256="f", stamp="s", note="n", number=9)})
    one.save()
    again = Baseline("x", path)
    assert again.items == {"a": Item("1", sha256="f", stamp="s", note="n", number=9)}
    assert said(again, {"a": Item("2")}) == {"a": Change.CHANGED}


def test_what_cannot_be_told_gone_stays(tmp_path: Path) -> None:
    one = Baseline("x", tmp_path / "x.json")
    said(one, {"a": Item("1"), "b": Item("1")})
    told = {d.key: d.change for d in one.compare({}, lambda key: key == "a")}
    assert told == {"a": Change.VANISHED}
    assert one.items == {"b": Item("1")}


@pytest.mark.parametrize(("boot_bound", "expected"), [(True, Change.BASELINE), (False, Change.CHANGED)])
def test_another_boot_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot_bound: bool, expected: Change
) -> None:
    boot, path = tmp_path / "boot_id", tmp_path / "x.json"
    monkeypatch.setattr(clock, "BOOT_ID", boot)
    boot.write_text("first\n")
    one = Baseline("x", path, boot_bound=boot_bound)
    said(one, {"a": Item("1")})
    one.save()
    boot.write_text("second\n")
    again = Baseline("x", path, boot_bound=boot_bound)
    assert said(again, {"a": Item("2")}) == {"a": expected}
    assert again.refused == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\x00",
        b"[]",
        b"\0" * 4096,
        b'{"version":99,"collector":"x","boot_id":"","items":{}}',
        b'{"version":1,"collector":"y","boot_id":"","items":{}}',
        b'{"version":1,"collector":"x","boot_id":"","items":{"a":[1]}}',
    ],
)
def test_a_corrupt_file_is_refused_moved_aside_and_rebuilt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    one = Baseline("x", path)
    assert "refused" in one.refused and "x.json.corrupt" in one.refused
    assert (tmp_path / "x.json.corrupt").read_bytes() == content and not path.exists()
    assert said(one, {"a": Item("1")}) == {"a": Change.BASELINE}
    one.save()
    assert Baseline("x", path).items == {"a": Item("1")}


def test_a_disk_that_refuses_is_counted_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    one = Baseline("x", path)
    said(one, {"a": Item("1")})
    blocker = tmp_path / "x.json.new"
    blocker.mkdir()
    one.save()
    assert one.failures == 1 and not path.exists()
    blocker.rmdir()
    one.save()
    assert Baseline("x", path).items == {"a": Item("1")}


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    one = Baseline("x", path)
    said(one, {"a": Item("1")})
    one.save()
    inode = path.stat().st_ino
    said(one, {"a": Item("1")})
    one.save()
    assert path.stat().st_ino == inode
