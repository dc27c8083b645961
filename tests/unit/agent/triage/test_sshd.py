# SPDX-License-Identifier: Apache-2.0
"""Whether sshd takes passwords: only a certain no is a no."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.agent.triage.sshd import read_sshd

OFF = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        (OFF, False),
        ("passwordauthentication=no\nChallengeResponseAuthentication no # pam\n", False),
        ("", True),
        ("PasswordAuthentication no\n", True),
        ("PasswordAuthentication yes\n" + OFF, True),
        (OFF + "PasswordAuthentication yes\n", False),
        (OFF + "Match User git\n  PasswordAuthentication yes\n", True),
        (OFF + "Match User git\n  PasswordAuthentication no\n", False),
        (OFF + "Match all\nPasswordAuthentication yes\n", False),
        (OFF + "Include missing.d/*.conf\n", False),
        ("PasswordAuthentication maybe\n", None),
        ('PasswordAuthentication "no\n', None),
    ],
)
def test_the_first_value_counts(tmp_path: Path, text: str, passwords: bool | None) -> None:
    path = tmp_path / "sshd_config"
    path.write_text(text)
    assert read_sshd(path).password is passwords


def test_included_files_come_where_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sshd_config"
    (tmp_path / "d").mkdir()
    (tmp_path / "d/50-cloud.conf").write_text("PasswordAuthentication yes\n")
    path.write_text("Include d/*.conf\n" + OFF)
    assert read_sshd(path).password is True
    path.write_text(OFF + "Include d/*.conf\n")
    assert read_sshd(path).password is False


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert read_sshd(tmp_path / "none").password is None
    path = tmp_path / "sshd_config"
    path.write_text("Include sshd_config\n" + OFF)
    assert read_sshd(path).password is None, "a file that includes itself"
    path.write_bytes(b"\xff\xfe" + OFF.encode())
    assert read_sshd(path).password is None
