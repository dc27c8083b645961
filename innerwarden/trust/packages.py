# SPDX-License-Identifier: Apache-2.0
"""Does a file belong to a dpkg package, unchanged? By dpkg's own lists and MD5 sums; no program is run.

An MD5 sum is enough here: both the list and the file may be written by root alone, and a file made to have a given
sum (a second preimage) is out of reach. Source: deb-md5sums(5), dpkg(1) FILES.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from innerwarden.files import OTHERS_WRITE

INFO = Path("/var/lib/dpkg/info")


class Packages:
    """Lists are read again for each question: one is rare, and the answer is always of now."""

    def __init__(self, info: Path = INFO, owner: int = 0) -> None:
        self._info = info
        self._owner = owner

    def objection(self, package: str, path: str, md5: Callable[[], str]) -> str | None:
        """Why `path` is not the package's file as it was installed, or None. Raises OSError."""
        if not self._info.is_dir():
            return "this system has no dpkg database"
        names = [path] if not path.startswith("/usr/") else [path, path.removeprefix("/usr")]
        listed = False
        for sums in self._files(package, "md5sums"):
            if not self._lists(sums.with_suffix(".list"), names):
                continue
            listed = True
            wanted = self._sum(sums, names)
            if wanted is not None and wanted == md5():
                return None
            if wanted is not None:
                return f"{path} is not as package {package} brought it"
        if listed:
            return f"package {package} gives no sum of {path}"
        return f"{path} is not of package {package}"

    def _files(self, package: str, suffix: str) -> Iterator[Path]:
        """Of every architecture that is installed."""
        for path in sorted(self._info.glob(f"{package.partition(':')[0]}*.{suffix}")):
            name, _, arch = path.name.removesuffix(f".{suffix}").partition(":")
            wanted, _, wanted_arch = package.partition(":")
            if name == wanted and (not wanted_arch or arch in ("", wanted_arch)):
                found = path.lstat()
                if found.st_uid in (0, self._owner) and not found.st_mode & OTHERS_WRITE:
                    yield path

    @staticmethod
    def _lists(path: Path, names: list[str]) -> bool:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return False
        return any(os.fsencode(name) in lines for name in names)

    @staticmethod
    def _sum(path: Path, names: list[str]) -> str | None:
        """From lines of the form `sum  relative/path`."""
        wanted = {os.fsencode(name).lstrip(b"/") for name in names}
        for line in path.read_bytes().splitlines():
            digest, _, name = line.partition(b"  ")
            if name in wanted:
                return digest.decode("ascii", "replace")
        return None
