# SPDX-License-Identifier: Apache-2.0
"""Reading small files by the fewest calls, and the device of an open one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden import files
from innerwarden.files import Devices, kernel_dev, read_quickly


@pytest.mark.parametrize("size", [0, 1, files._READ_BYTES - 1, files._READ_BYTES, 3 * files._READ_BYTES + 1])
def test_a_file_is_read_whole_whatever_its_size(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert read_quickly(str(tmp_path / "file")) == content


def test_a_mount_that_is_not_in_the_table_falls_back_to_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def counted() -> dict[bytes, int]:
        reads.append(1)
        return {}

    monkeypatch.setattr(files, "_mount_table", counted)
    devices = Devices()
    with (tmp_path / "file").open("wb") as file:
        found = os.fstat(file.fileno())
        expected = os.major(found.st_dev) << 20 | os.minor(found.st_dev)
        assert [devices.of(file.fileno(), found) for _ in range(3)] == [expected] * 3
    assert len(reads) == 1


def test_the_table_says_which_device_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("wb") as file:
        found = os.fstat(file.fileno())
        info = Path(f"/proc/self/fdinfo/{file.fileno()}").read_text()
        mount = info.split("mnt_id:")[1].split()[0].encode()
        monkeypatch.setattr(files, "_mount_table", lambda: {mount: 8 << 20 | 3})
        assert kernel_dev(file.fileno(), found) == 8 << 20 | 3
