# SPDX-License-Identifier: Apache-2.0
"""dpkg's own database of this machine where there is one, and one made for the rest."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from innerwarden.trust import Executable
from innerwarden.trust.packages import INFO, Packages
from innerwarden.trust.programs import Programs, image_of_file
from tests.unit.trust.support import needs_root


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def made(directory: Path, name: str = "tool", listed: str = "/usr/bin/tool", data: bytes = b"x") -> Packages:
    (directory / f"{name}.list").write_text(f"/.\n/usr\n{listed}\n")
    (directory / f"{name}.md5sums").write_text(f"{md5(data)}  {listed.lstrip('/')}\n")
    return Packages(directory, os.geteuid())


def ask(
    packages: Packages, name: str = "tool", path: str = "/usr/bin/tool", data: bytes = b"x"
) -> str | None:
    return packages.objection(name, path, lambda: md5(data))


def test_list_and_sum_must_agree(tmp_path: Path) -> None:
    packages = made(tmp_path)
    assert ask(packages) is None
    assert "not as package tool brought it" in str(ask(packages, data=b"y"))
    assert "not of package tool" in str(ask(packages, path="/usr/bin/tool2"))
    assert "not of package too" in str(ask(packages, name="too"))
    (tmp_path / "tool.md5sums").write_text("")
    assert "gives no sum" in str(ask(packages))
    assert "no dpkg database" in str(ask(Packages(tmp_path / "none")))


def test_architectures_and_the_merged_usr(tmp_path: Path) -> None:
    packages = made(tmp_path, "tool:amd64", "/bin/tool")
    assert ask(packages) is None
    assert ask(packages, name="tool:amd64") is None
    assert ask(packages, name="tool:i386") is not None
    assert ask(packages, path="/opt/bin/tool") is not None


def test_a_database_that_others_may_write_says_nothing(tmp_path: Path) -> None:
    packages = made(tmp_path)
    (tmp_path / "tool.md5sums").chmod(0o666)
    assert ask(packages) is not None


@needs_root
def test_this_machines_own_package(tmp_path: Path) -> None:
    path = Path("/usr/bin/sort")
    if not (INFO / "coreutils.list").exists():
        pytest.skip("no dpkg database with coreutils here: run on Debian")
    programs, wanted = Programs(), Executable(package="coreutils")
    assert programs.objection(wanted, image_of_file(str(path))) is None
    assert "not of package grep" in str(
        programs.objection(Executable(package="grep"), image_of_file(str(path)))
    )
    copy = Path(shutil.copy(path, tmp_path / "sort"))
    assert programs.objection(wanted, image_of_file(str(copy))) is not None
