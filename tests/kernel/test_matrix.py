# SPDX-License-Identifier: Apache-2.0
"""Every hook that is attached here fires when its action is done, and every other one says what is lost."""

from __future__ import annotations

import msgspec
import pytest

from tests.vm.matrix import cell, markdown, problems
from tests.vm.observe import Column, Row, observe

FIRED = Row(hook="bpf", attach="syscall", program="iw_do_bpf", state="attached", loaded=True, fired=1)


def column(*rows: Row) -> Column:
    return Column(release="6.1.0", object_sha256="", seconds=1.0, rows=rows, verified={"iw_do_bpf": 7})


@pytest.mark.kernel
def test_hooks_of_this_kernel() -> None:
    seen = observe()
    print(markdown([seen]))
    assert problems(seen) == []
    assert any(row.fired for row in seen.rows)


@pytest.mark.parametrize(
    ("changes", "shown", "told"),
    [
        ({}, "fired", None),
        ({"fired": 0}, "attached, SILENT", "did not fire"),
        ({"fired": None, "untried": "refused"}, "attached, untried", "was not tried: refused"),
        ({"state": "standby", "covered_by": ("other",)}, "standby, other", None),
        ({"state": "standby"}, "standby, blind: NOT DECLARED", "stands by for a hook that is not attached"),
        ({"state": "absent", "lost_techniques": ("T1014",)}, "absent, blind: T1014", None),
        ({"state": "absent", "covered_by": ("other",)}, "absent, other", None),
        ({"state": "failed"}, "failed, blind: NOT DECLARED", "declares no blind spot"),
    ],
)
def test_what_a_row_means(changes: dict[str, object], shown: str, told: str | None) -> None:
    row = msgspec.structs.replace(FIRED, **changes)
    assert cell(row) == shown
    found = problems(column(row))
    assert (told is None) == (found == [])
    assert told is None or told in found[0]


def test_the_table_has_a_column_for_each_kernel_and_a_remark_for_each_exception() -> None:
    absent = Row(
        hook="module_load", attach="tp_btf", program="iw_module_load", state="absent", loaded=False,
        reason="this kernel has no tracepoint module_load", lost_techniques=("T1014",),
    )  # fmt: skip
    text = markdown([column(FIRED), msgspec.structs.replace(column(FIRED, absent), release="6.18.1")])
    assert "| hook        | kind    | 6.1.0              | 6.18.1               |" in text
    assert "| module_load | tp_btf  | not in this object | absent, blind: T1014 |" in text
    assert "- module_load, 6.18.1: this kernel has no tracepoint module_load" in text
