# SPDX-License-Identifier: Apache-2.0
"""Files, paths and processes as the kernel programs know them."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from innerwarden.errors import UsageError
from innerwarden.sensor.enforcement import identity
from innerwarden.sensor.enforcement.identity import PathHash, file_identity, process_start_ticks

#: Of the authors' reference implementation: key 00..0f, message 00..(n-1), n = 8 and 15. The last word of a message
#: there is its length in the top byte, above the bytes that are left.
REFERENCE = {
    (0x0706050403020100, 8 << 56): 0x93F5F5799A932462,
    (0x0706050403020100, 0x0F0E0D0C0B0A0908): 0xA129CA6149BE45E5,
}
K0, K1 = struct.unpack("<2Q", bytes(range(16)))


@pytest.mark.parametrize("words", REFERENCE)
def test_siphash_is_the_published_one(words: tuple[int, ...]) -> None:
    assert identity._siphash(K0, K1, list(words)) == REFERENCE[words]


def test_different_paths_hash_differently() -> None:
    """Every part's end counts: names that only differ in where they are cut, or in trailing zeros' place."""
    hashes = PathHash(bytes(range(32)))
    paths = [
        "/a",
        "/a/b",
        "/b/a",
        "/ab",
        "/a/b/c",
        "/ab/c",
        "/a/bc",
        "/abcdefgh",
        "/abcdefgh/i",
        "/abcdefghi",
    ]
    for which in (0, 1):
        assert len({hashes(path, which) for path in paths}) == len(paths)
    assert {hashes(path, 0) for path in paths}.isdisjoint({hashes(path, 1) for path in paths})
    other = PathHash(bytes(32))
    assert all(other(path, 0) != hashes(path, 0) for path in paths)
    assert hashes("/", 0) == 0


def test_a_file_is_its_file_system_and_inode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    link, symbolic = tmp_path / "link", tmp_path / "symbolic"
    link.hardlink_to(path)
    symbolic.symlink_to(path)
    found = file_identity(str(path))
    assert found.inode == path.stat().st_ino
    assert file_identity(str(link)) == file_identity(str(symbolic)) == found
    assert found.pack() == struct.pack("<QII", found.inode, found.dev, 0)
    copy = tmp_path / "copy"
    copy.write_text("")
    assert file_identity(str(copy)) != found
    # The mount table's device is the file system's own, also where st_dev is not (btrfs).
    mounted = {line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    assert f"{found.dev >> 20}:{found.dev & 0xFFFFF}" in mounted


@pytest.mark.parametrize(
    ("name", "why"),
    [("missing", "No such file"), ("directory", "not a regular file"), ("pipe", "not a regular file")],
)
def test_what_cannot_be_listed_says_why(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=why):
        file_identity(str(tmp_path / name))


def test_start_time_of_a_process() -> None:
    ticks = process_start_ticks(os.getpid())
    now = time.clock_gettime(time.CLOCK_BOOTTIME) * 100
    assert now - 100 * 3600 * 24 < ticks <= now
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(UsageError, match="there is none"):
        process_start_ticks(pid)
