# SPDX-License-Identifier: Apache-2.0
"""The cursor file: whole or not at all, and never a reason not to start."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from innerwarden.sensor.collectors.cursors import CursorStore


class Place(msgspec.Struct):
    offset: int


def test_what_is_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cursors.json"
    CursorStore(path).save({"a": Place(1), "b": Place(2)})
    store = CursorStore(path)
    assert msgspec.json.decode(store.get("a") or b"", type=Place) == Place(1)
    store.save({"a": Place(3)})
    again = CursorStore(path)
    assert again.get("a") == b'{"offset":3}'
    assert again.get("b") == b'{"offset":2}', "a collector that is switched off keeps its place"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\x00", b"[]", b'{"version":99,"cursors":{}}', b'{"cursors":{"a":}}', b"\0" * 4096],
)
def test_a_corrupt_file_is_set_aside_and_counted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cursors.json"
    path.write_bytes(content)
    store = CursorStore(path)
    assert store.corrupt == 1 and store.get("a") is None
    assert (tmp_path / "cursors.json.corrupt").read_bytes() == content and not path.exists()
    store.save({"a": Place(1)})
    assert CursorStore(path).get("a") == b'{"offset":1}'


def test_nothing_is_written_when_nothing_moved(tmp_path: Path) -> None:
    path = tmp_path / "cursors.json"
    store = CursorStore(path)
    store.save({"a": Place(1)})
    first = path.stat().st_ino
    store.save({"a": Place(1)})
    assert path.stat().st_ino == first
    store.save({"a": Place(2)})
    assert path.stat().st_ino != first


def test_a_disk_that_refuses_is_counted_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "cursors.json"
    store = CursorStore(path)
    store.save({"a": Place(1)})
    blocker = tmp_path / "cursors.json.new"
    blocker.mkdir()
    store.save({"a": Place(2)})
    assert store.failures == 1 and CursorStore(path).get("a") == b'{"offset":1}'
    blocker.rmdir()
    store.save({"a": Place(2)})
    assert CursorStore(path).get("a") == b'{"offset":2}'
