# SPDX-License-Identifier: Apache-2.0
"""What the samples say of this kernel is what the product's own hooks then meet on it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from innerwarden.libbpf import kernel_ids
from innerwarden.sensor import capabilities
from innerwarden.sensor.capabilities import SAMPLES, Capability
from innerwarden.sensor.kernel_hooks import CGROUP, FENTRY, HOOKS, LSM, SYSCALL, TP_BTF
from innerwarden.sensor.loader import KernelSource
from tests.kernel.product import REPOSITORY

pytestmark = [pytest.mark.kernel]

BUDGET_S = 0.5  # 0.2 s on a quiet machine
SAME = {TP_BTF: "tp_btf", SYSCALL: "tp_btf", CGROUP: "cgroup sock_addr", FENTRY: "fentry", LSM: "lsm"}


@pytest.fixture(scope="module")
def found() -> dict[str, Capability]:
    return {one.type: one for one in capabilities.probe()}


def test_every_sort_has_an_answer_with_its_reason(found: dict[str, Capability]) -> None:
    assert set(found) == {sample.type for sample in SAMPLES} | {"xdp, native", "ring buffer"}
    for one in found.values():
        assert one.state in ("available", "refused", "unconfirmed")
        assert bool(one.reason) == (one.state != "available"), one


def test_what_every_supported_kernel_has_runs(found: dict[str, Capability]) -> None:
    for sort in ("tp_btf", "raw tracepoint", "xdp, generic", "ring buffer", "iterator"):
        assert found[sort].state == "available", found[sort]


def test_the_samples_and_the_hooks_agree(found: dict[str, Capability], source: KernelSource) -> None:
    """A sort of which a hook is attached is available; one that is refused has no hook attached."""
    by_name = {hook.name: hook for hook in HOOKS}
    attached = {SAME[by_name[one.name].attach] for one in source.hooks if one.state == "attached"}
    assert attached
    assert [sort for sort in attached if found[sort].state != "available"] == []


def test_nothing_stays_behind(found: dict[str, Capability]) -> None:
    before = {what: kernel_ids(what) for what in ("prog", "link", "map")}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    namespace = Path("/proc/self/ns/net").readlink()
    capabilities.probe()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert Path("/proc/self/ns/net").readlink() == namespace
    deadline = time.monotonic() + 10  # the kernel frees programs and namespaces after its grace period
    while any(kernel_ids(what) - ids for what, ids in before.items()):
        assert time.monotonic() < deadline, "programs, links or maps are left"
        time.sleep(0.05)


def test_it_is_quick(found: dict[str, Capability]) -> None:
    """The best of three; on an emulated processor time says nothing."""
    if "hypervisor" in Path("/proc/cpuinfo").read_text() and "TCG" in Path("/proc/cpuinfo").read_text():
        pytest.skip("an emulated processor: time says nothing here")
    spans = []
    for _ in range(3):
        began = time.monotonic()
        capabilities.probe()
        spans.append(time.monotonic() - began)
    assert min(spans) < BUDGET_S, spans


def test_a_sample_that_is_attached_and_never_called_is_no_capability(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capabilities, "_act", lambda links: None)
    states = {one.type: one for one in capabilities.probe()}
    assert states["uprobe"].state == "refused"
    assert states["iterator"].reason == "attached, and never called"


def test_the_table_is_in_the_order_of_the_object() -> None:
    text = (REPOSITORY / "bpf/probe.bpf.c").read_text()
    enum = re.search(r"enum iw_sample \{(.*?)\}", text, re.DOTALL)
    assert enum is not None
    places = re.findall(r"IW_SAMPLE_(\w+),", enum[1])
    assert [f"iw_probe_{place.lower()}" for place in places] == [sample.program for sample in SAMPLES]
