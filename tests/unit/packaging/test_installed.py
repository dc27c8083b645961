# SPDX-License-Identifier: Apache-2.0
"""Which package `make test-installed` takes, and which machine it is put into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.installed import image, machine, run
from tests.vm.kernels import Kernel


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of each kind, made in this order."""
    for number, kind in enumerate(("deb12_arm64", "deb12_amd64", "deb13_arm64", "deb13_amd64")):
        path = tmp_path / f"innerwarden_1.0+{kind}.deb"
        path.touch()
        os.utime(path, (number, number))
    monkeypatch.setattr(run, "DIST", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "deb12_amd64"),
        ("--release trixie", "deb13_amd64"),
        ("--arch arm64", "deb12_arm64"),
        ("--release trixie --arch arm64", "deb13_arm64"),
    ],
)
def test_the_package_is_that_of_release_and_processor(dist: Path, said: str, kind: str) -> None:
    package, release = run.wanted(said.split())
    assert package == dist / f"innerwarden_1.0+{kind}.deb"
    assert kind == f"{release.version}_{release.architecture}"


def test_without_a_package_it_is_said_how_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DIST", tmp_path)
    with pytest.raises(RuntimeError, match="make deb SUITE=trixie ARCH=arm64"):
        run.wanted(["--release", "trixie", "--arch", "arm64"])


@pytest.mark.parametrize(
    ("architecture", "emulator", "console"),
    [("amd64", "qemu-system-x86_64", "console=ttyS0 "), ("arm64", "qemu-system-aarch64", "console=ttyAMA0 ")],
)
def test_the_emulator_is_that_of_the_processor(
    tmp_path: Path, architecture: str, emulator: str, console: str
) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-1").touch()
    release = image.RELEASES["bookworm", architecture]
    command = machine.emulator(image.Image(tmp_path / "disk", release, Kernel(tmp_path)))
    assert command[0] == emulator
    assert command[command.index("-append") + 1].startswith(console)
    assert ("-M" in command) == (architecture == "arm64"), "x86's emulator has a board of its own accord"
