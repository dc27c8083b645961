# SPDX-License-Identifier: Apache-2.0
"""A program that is something else in memory than on the disk: a disk of the test's own, written past its files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.sensor.inventory.page_cache import PageCache
from tests.unit.sensor.inventory.support import looked

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

MARK = b"telling words of the program " * 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """(the disk, the directory where its file system is mounted)."""
    if shutil.which("mkfs.ext4") is None or shutil.which("losetup") is None:
        pytest.skip("e2fsprogs and util-linux are needed")
    image, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as out:
        out.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True, capture_output=True)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr}")
    device = Path(made.stdout.strip())
    try:
        done = subprocess.run(["mount", device, place], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no mount here: {done.stderr}")
        try:
            yield device, place
        finally:
            subprocess.run(["umount", place], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_a_page_in_memory_that_is_not_on_the_disk(disk: tuple[Path, Path]) -> None:
    device, place = disk
    program = place / "su"
    program.write_bytes(b"\x7fELF" + bytes(8188) + MARK + bytes(9000))
    program.chmod(0o4755)
    os.sync()
    one = PageCache(floor=(str(program),))
    assert looked(one) == []
    assert one._compared == 1, "this file system can be read past its cache"

    # The disk gets other bytes under the mounted file system; its cache keeps what it read, and no stamp moves.
    at = device.read_bytes().find(MARK)
    assert at > 0
    with device.open("r+b") as out:
        out.seek(at)
        out.write(b"X")
        out.flush()
        os.fsync(out.fileno())
    (fact,) = looked(one)
    assert fact["path"] == str(program)
    assert fact["reason"] == "memory and disk differ from byte 8192 on"
    assert fact["value"] != fact["old_value"]
    assert looked(one) == [], "told once"

    fd = os.open(program, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    assert looked(one) == [], "read anew, both are the same"
