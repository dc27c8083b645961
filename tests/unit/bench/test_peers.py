# SPDX-License-Identifier: Apache-2.0
"""Peers are found installed, or unpacked, and never installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench import peers
from bench.measure import Unavailable


def test_an_installed_program_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "watcher"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = peers.find("watcher", "watcher-package")
    assert (found.program, found.root) == (tool, Path("/"))


def test_an_unpacked_one_gets_its_own_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "PLACE", tmp_path)
    root = tmp_path / "unpacked-package"
    (root / "usr/sbin").mkdir(parents=True)
    (root / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (root / "usr/sbin/unpacked-watcher").touch()
    found = peers.find("unpacked-watcher", "unpacked-package")
    assert found.program == root / "usr/sbin/unpacked-watcher"
    assert str(root / "usr/lib/x86_64-linux-gnu") in found.environment["LD_LIBRARY_PATH"].split(os.pathsep)


def test_a_mirror_that_has_it_not_is_a_reason_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers, "PLACE", tmp_path)
    monkeypatch.setattr(
        peers.shutil, "which", lambda name, path=None: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    failed = subprocess.CompletedProcess([], 100, "", "E: Unable to locate package no-such\n")
    monkeypatch.setattr(peers.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(Unavailable, match="no-such cannot be fetched: E: Unable to locate"):
        peers.find("no-such", "no-such")
    assert not (tmp_path / "no-such").exists()
