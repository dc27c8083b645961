# SPDX-License-Identifier: Apache-2.0
"""A process entity names one process for good: its pid goes with its own start time."""

from __future__ import annotations

import pytest

from innerwarden.model.detector import DetectorSpec
from innerwarden.model.severity import Severity

FIELDS = {
    "pid": 10, "start_ns": 100, "ppid": 20, "parent_start_ns": 200, "target_pid": 30, "target_start_ns": 300,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [("pid", "10:100"), ("ppid", "20:200"), ("target_pid", "30:300")])
def test_the_start_time_that_goes_with_the_pid(name: str, value: str) -> None:
    spec = DetectorSpec(
        id="x", title="t", severity=Severity.LOW, kinds=("process.exec",), summary="s", attack=("T1059",),
        blind_spots=("b",), false_positives=("f",), checks=("c",), entities=(f"process:{name}",),
    )  # fmt: skip
    assert [entity.value for entity in spec.entity_refs(FIELDS)] == [value]
