# SPDX-License-Identifier: Apache-2.0
"""Templates and entities of a detector's spec."""

from __future__ import annotations

import msgspec
import pytest

from innerwarden.model.detector import DetectorSpec, placeholders, render
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity

SPEC = DetectorSpec(
    id="a",
    title="t",
    severity=Severity.LOW,
    kinds=("process.exec",),
    summary="s",
    attack=(),
    blind_spots=(),
    false_positives=(),
    checks=(),
    entities=("ip:dst_ip", "process:pid", "path:exe_path"),
)


def test_render_says_what_is_not_known() -> None:
    assert render("{a} and {b}, {{c}}", {"a": 1, "b": None}) == "1 and (not known), {c}"


def test_values_are_never_templates() -> None:
    assert render("{a}", {"a": "{b}", "b": "x"}) == "{b}"


@pytest.mark.parametrize("template", ["{a.b}", "{a!r}", "{a:>9}", "{0}", "{", "{a"])
def test_only_plain_names_are_placeholders(template: str) -> None:
    with pytest.raises(ValueError):
        placeholders(template)


def test_placeholders_come_in_order() -> None:
    assert placeholders("{b} {{x}} {a}") == ("b", "a")


def test_entities_leave_out_what_is_absent() -> None:
    refs = SPEC.entity_refs({"pid": 7, "start_ns": 9, "dst_ip": None, "exe_path": "/x"})
    assert refs == (EntityRef.process(7, 9), EntityRef.path("/x"))


def test_a_process_concerned_has_its_own_start_time() -> None:
    spec = msgspec.structs.replace(SPEC, entities=("process:target_pid",))
    refs = spec.entity_refs({"pid": 7, "start_ns": 9, "target_pid": 8, "target_start_ns": 10})
    assert refs == (EntityRef.process(8, 10),)


def test_so_has_a_parent() -> None:
    spec = msgspec.structs.replace(SPEC, entities=("process:ppid",))
    refs = spec.entity_refs({"pid": 7, "start_ns": 9, "ppid": 6, "parent_start_ns": 5})
    assert refs == (EntityRef.process(6, 5),)
