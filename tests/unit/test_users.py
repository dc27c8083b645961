# SPDX-License-Identifier: Apache-2.0
"""Names of accounts: from the file, again when it changed, and the last known while it is away."""

from __future__ import annotations

from pathlib import Path

from innerwarden.users import LOOK_EVERY_S, Users


def test_names_follow_the_file(tmp_path: Path) -> None:
    path, now = tmp_path / "passwd", [100.0]
    path.write_text("root:x:0:0::/root:/bin/sh\nbroken line\nsecond:x:0:0::/:/bin/sh\n")
    users = Users(path, lambda: now[0])
    assert users.name(0) == "root"
    assert users.name(1000) is None
    replacement = tmp_path / "new"
    replacement.write_text("kim:x:1000:1000::/home/kim:/bin/sh\n")
    replacement.replace(path)
    assert users.name(1000) is None, "one look a second"
    now[0] += LOOK_EVERY_S
    assert users.name(1000) == "kim"
    assert users.name(0) is None
    path.unlink()
    now[0] += LOOK_EVERY_S
    assert users.name(1000) == "kim"


def test_a_machine_without_the_file_has_no_names(tmp_path: Path) -> None:
    assert Users(tmp_path / "none").name(0) is None
