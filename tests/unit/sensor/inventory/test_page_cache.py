# SPDX-License-Identifier: Apache-2.0
"""Files of this machine, which are in memory as they are on disk. A real difference is in tests/kernel."""

from __future__ import annotations

from pathlib import Path

from innerwarden.sensor.inventory import page_cache
from innerwarden.sensor.inventory.page_cache import PageCache
from tests.unit.sensor.inventory.support import looked


def test_what_is_the_same_is_not_told(tmp_path: Path) -> None:
    for size in (0, 1, 511, 4096, page_cache.CHUNK, page_cache.CHUNK * 2 + 7):
        (tmp_path / str(size)).write_bytes(bytes(range(256)) * (size // 256 + 1))
        (tmp_path / str(size)).open("r+b").truncate(size)
    one = PageCache(lambda: map(str, tmp_path.iterdir()), floor=())
    assert looked(one) == []
    assert one._compared + one._skipped == 6


def test_a_memory_file_system_is_counted_and_skipped() -> None:
    import tempfile

    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(b"x")
        file.flush()
        one = PageCache(floor=(file.name,))
        assert looked(one) == []
        # Linux 6.6 lets tmpfs files be opened so, and then reads the cache.
        assert one._compared or one.remark() == "1 of 1 files cannot be read past the cache here"


def test_links_and_what_is_missing_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr/bin/su")
    one = PageCache(floor=(str(tmp_path / "link"), str(tmp_path / "missing"), str(tmp_path)))
    assert looked(one) == []
    assert one._compared == 0
