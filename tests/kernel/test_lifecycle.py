# SPDX-License-Identifier: Apache-2.0
"""Start, stop, refusals, losses: nothing stays behind, nothing is lost without being counted."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import KernelConfig
from innerwarden.errors import LayoutError, UnavailableError
from innerwarden.libbpf import Object, btf
from innerwarden.model import _wire
from innerwarden.sensor import loader
from innerwarden.sensor.kernel_hooks import HOOKS
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Witness, trigger

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_refused_program_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for a tracepoint that is missing fails the whole load; the loader goes on without it."""
    monkeypatch.setattr(loader, "missing", lambda _kernel: {})
    source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536))
    try:
        source.start()
        state = {hook.name: hook for hook in source.hooks}
        if not Path("/proc/modules").exists():
            assert state["module_load"].state == "failed"
            assert "module_load" in state["module_load"].reason
        assert state["sched_process_exec"].state == "attached"
    finally:
        source.close()


def test_what_the_kernel_has_is_used(caplog: pytest.LogCaptureFixture) -> None:
    """One program that cannot be loaded with plain loads or iterators costs all others theirs."""
    source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536))
    try:
        source.start()
    finally:
        source.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_nothing_is_told_before_it_is_attached() -> None:
    source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536))
    try:
        with pytest.raises(UnavailableError, match="no kernel programs are loaded"):
            source.attach()
        source.load()
        subprocess.run(["/bin/true"], check=True)
        assert sum(source.stats()["made"].values()) == 0 and not source.hooks
        source.attach()
        subprocess.run(["/bin/true"], check=True)
        assert source.stats()["made"]["process.exec"] >= 1
    finally:
        source.close()


def test_the_small_sample_says_of_functions_what_a_hook_of_ours_says() -> None:
    image = paths.bpf_object().read_bytes()
    (hook,) = [hook for hook in HOOKS if hook.name == "object_open"]
    assert loader.sample(image, hook, btf.KernelNames()) == loader.sample(image, hook)


def test_layout_mismatch_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = dict(_wire.LAYOUT)
    layout["iw_process_exec"] = tuple(
        (name, offset + 8 if name == "argv_len" else offset, shape)
        for name, offset, shape in layout["iw_process_exec"]
    )
    monkeypatch.setattr(_wire, "LAYOUT", layout)
    with pytest.raises(LayoutError, match=r"iw_process_exec\.argv_len"):
        KernelSource(KernelConfig()).start()


def test_each_obstacle_names_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lockdown = tmp_path / "lockdown"
    lockdown.write_text("none integrity [confidentiality]\n")
    cases = (
        ((loader, "LOCKDOWN", lockdown), "lockdown"),
        ((loader.btf, "VMLINUX", tmp_path / "none"), "BTF"),
        ((paths, "bpf_object", lambda: tmp_path / "none.o"), "make bpf"),
        ((os, "geteuid", lambda: 1000), "root"),
    )
    for (target, name, value), word in cases:
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            with pytest.raises(UnavailableError, match=word) as caught:
                KernelSource(KernelConfig()).start()
            assert caught.value.remedy


def test_losses_are_counted_and_sequence_shows_them() -> None:
    source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536))
    source.start()
    witness = Witness(source.rings)
    try:
        witness.drain()
        before = source.stats()
        for _ in range(3):
            trigger(
                "for i in range(400):\n    os.memfd_create('x' * 200)\n    os.close(os.dup(1))\n" + "say()\n"
            )
        records = [r for r in witness.drain() if r.ring == "prio"]
        after = source.stats()
        made = sum(after["made"].values()) - sum(before["made"].values())
        lost = sum(after["lost"].values()) - sum(before["lost"].values())
        bulk_made = after["made"]["file.open"] - before["made"]["file.open"]
        assert lost > 0
        assert made - bulk_made == len(records) + lost
        witness.drain()
        trigger("os.memfd_create('after')\nsay()\n")
        later = [r for r in witness.drain() if r.ring == "prio"]
        for cpu in {r.cpu for r in later}:
            seen = [r.sequence for r in records if r.cpu == cpu]
            fresh = [r.sequence for r in later if r.cpu == cpu]
            assert fresh == list(range(fresh[0], fresh[0] + len(fresh)))
            assert not seen or fresh[0] > seen[-1]
    finally:
        witness.close()
        source.close()


def test_shipped_object_is_what_the_sources_give() -> None:
    if shutil.which("clang-14") is None or shutil.which("bpftool") is None:
        pytest.skip("needs the compiler that BUILDINFO names: apt-get install clang-14 bpftool libbpf-dev")
    done = subprocess.run(["make", "-C", "bpf", "check"], cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_object_names_and_licence() -> None:
    image = paths.bpf_object().read_bytes()
    opened = Object(image)
    try:
        assert {hook.program for hook in loader.HOOKS} <= set(opened.programs)
    finally:
        opened.close()
    assert b"/home/" not in image and b"/tmp/" not in image
    assert btf.of_object(image).has("iw_header", btf.STRUCT)
