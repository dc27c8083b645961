# SPDX-License-Identifier: Apache-2.0
"""File systems that a test may fill and break: each in a mount namespace of its own, gone with its last process."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

#: A holder that nobody ends any more goes by itself.
LONGEST_S = 600
BALLAST_BYTES = 64 << 10


def need_root(*programs: str) -> None:
    """Skip where mounting is not possible."""
    if os.geteuid() != 0:
        pytest.skip("needs root: run `sudo make test`")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


class Space:
    """A mount namespace in which `script` was run (its arguments are "$@")."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-ec",
             f"{script}\necho ready\nexec sleep {LONGEST_S}", "sh", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.holder.stdout is not None and self.holder.stderr is not None
        if self.holder.stdout.readline() != b"ready\n":
            self.holder.wait(10)
            raise OSError(self.holder.stderr.read().decode())

    @property
    def inside(self) -> list[str]:
        return ["nsenter", "-t", str(self.holder.pid), "-m", "--"]

    def seen(self, path: Path) -> Path:
        """A path of the namespace as the test reaches it."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def run(self, *argv: str) -> None:
        subprocess.run([*self.inside, *argv], check=True, capture_output=True)

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait(10)


class Disk(Space):
    """A tmpfs at `place`; `options` as mount takes them (size=, nr_inodes=)."""

    def __init__(self, place: Path, options: str) -> None:
        place.mkdir()
        self.place = place
        super().__init__('mount -t tmpfs -o "$1" iw-fault "$2"', options, str(place))

    @property
    def ballast(self) -> Path:
        """What `fill` fills it with."""
        return self.seen(self.place) / "ballast"

    def fill(self) -> None:
        """Take all the room that is left."""
        with self.ballast.open("ab", buffering=0) as file:
            size = BALLAST_BYTES
            while size:
                try:
                    written = file.write(b"x" * size)
                    if written != size:
                        size //= 2
                except OSError:
                    size //= 2

    def take_inodes(self) -> list[Path]:
        """Empty files until there is no inode left."""
        made: list[Path] = []
        while True:
            path = self.seen(self.place) / f"taken-{len(made)}"
            try:
                path.touch()
            except OSError:
                return made
            made.append(path)


class Ext4(Space):
    """An ext4 in a file, at `place`; after an error it takes no writes until it was checked."""

    MOUNT = 'mount -o loop,errors=remount-ro "$1" "$2"'

    def __init__(self, image: Path, place: Path) -> None:
        self.image, self.place = image, place
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        place.mkdir()
        super().__init__(self.MOUNT, str(image), str(place))

    def fail(self) -> None:
        """As the file system does after damage on the disk: everything that writes gets EROFS from now on."""
        mounts = Path(f"/proc/{self.holder.pid}/mountinfo").read_text().splitlines()
        source = next(line for line in mounts if f" {self.place} " in line).partition(" - ")[2].split()[1]
        Path(f"/sys/fs/ext4/{Path(source).name}/trigger_fs_error").write_text("1")

    def mend(self) -> None:
        """Unmount, check, mount again. Nobody may use it meanwhile."""
        self.run("umount", str(self.place))
        subprocess.run(["e2fsck", "-fy", str(self.image)], check=False, capture_output=True)
        self.run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.place))
