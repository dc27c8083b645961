# SPDX-License-Identifier: Apache-2.0
"""The kernel's list of traced functions, in the forms that its documentation shows."""

from __future__ import annotations

from pathlib import Path

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.kernel_functions import PLACES, KernelFunctions
from tests.unit.sensor.inventory.support import looked, write

TRACED = """\
do_sys_openat2 (1) R       D   \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20)
\tdirect-->bpf_trampoline_6442525075+0x0/0x1000
tcp_v4_connect (1) R   \ttramp: 0xffffffffc0410000 (kprobe_ftrace_handler+0x0/0x1d0) ->arch_ftrace_ops_list_func+0x0
vfs_read [evil] (2)           ->function_trace_call+0x0/0x160
"""
HOOK = "__x64_sys_getdents64 (1) R I     M \ttramp: 0xffffffffc0412000 (fh_ftrace_thunk+0x0/0x40 [evil])\n"
PATCH = "meminfo_proc_show (1) R I   \ttramp: 0xffffffffc0413000 (klp_ftrace_handler+0x0/0x180)\n"


def listed(root: Path, text: str) -> KernelFunctions:
    write(root / PLACES[0].lstrip("/"), text)
    one = KernelFunctions(Baseline("kernel_functions"), str(root))
    assert one.obstacle() == ""
    return one


def test_tracing_replaces_nothing(tmp_path: Path) -> None:
    assert looked(listed(tmp_path, TRACED)) == []


def test_a_replaced_function_is_told_even_at_the_first_look_and_once(tmp_path: Path) -> None:
    one = listed(tmp_path, TRACED + HOOK)
    (fact,) = looked(one)
    assert (fact["name"], Change(fact["change"])) == ("__x64_sys_getdents64", Change.FOUND)
    assert fact["reason"] == "calls of it go to tramp: (fh_ftrace_thunk+0x0/0x40 [evil])"
    assert looked(one) == []
    write(tmp_path / PLACES[0].lstrip("/"), TRACED)
    assert [Change(fact["change"]) for fact in looked(one)] == [Change.VANISHED]


def test_a_live_patch_says_that_it_is_one(tmp_path: Path) -> None:
    (fact,) = looked(listed(tmp_path, PATCH))
    assert "klp_ftrace_handler" in fact["value"]


def test_the_older_place_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / PLACES[1].lstrip("/"), HOOK)
    one = KernelFunctions(Baseline("kernel_functions"), str(tmp_path))
    assert one.obstacle() == ""
    assert len(looked(one)) == 1


def test_a_kernel_without_the_list_says_so(tmp_path: Path) -> None:
    assert "tracefs is not mounted" in KernelFunctions(Baseline("kernel_functions"), str(tmp_path)).obstacle()
