# SPDX-License-Identifier: Apache-2.0
"""A refusal is explained by what the kernel says about itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from innerwarden.sensor import capability_hints

FULL = "CapEff:\t000001ffffffffff\n"
NO_BPF = "CapEff:\t0000000000200000\n"  # CAP_SYS_ADMIN alone


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LOCKDOWN", "LSM_LIST", "STATUS"):
        monkeypatch.setattr(capability_hints, name, tmp_path / name)
    (tmp_path / "STATUS").write_text(FULL)
    return tmp_path


def test_lsm_without_bpf_in_the_list(says: Path) -> None:
    (says / "LSM_LIST").write_text("lockdown,capability,yama\n")
    told = capability_hints.hint("lsm", 0)
    assert "lockdown,capability,yama" in told and "lsm=...,bpf" in told


def test_lsm_with_bpf_in_the_list_is_something_else(says: Path) -> None:
    (says / "LSM_LIST").write_text("capability,bpf\n")
    assert "lsm=" not in capability_hints.hint("lsm", errno.EPERM)


def test_a_container_without_the_capabilities(says: Path) -> None:
    (says / "STATUS").write_text(NO_BPF)
    told = capability_hints.hint("fentry", errno.EPERM)
    assert "CAP_BPF" in told and "CAP_PERFMON" in told and "CAP_SYS_ADMIN" not in told


def test_lockdown(says: Path) -> None:
    (says / "LOCKDOWN").write_text("none integrity [confidentiality]\n")
    assert "lockdown=integrity" in capability_hints.hint("kprobe", errno.EPERM)


def test_what_the_kernel_was_built_without(says: Path) -> None:
    assert "CONFIG_KPROBES" in capability_hints.hint("kprobe", errno.ENOENT)
    assert "CONFIG_UPROBES" in capability_hints.hint("uprobe", errno.EOPNOTSUPP)
