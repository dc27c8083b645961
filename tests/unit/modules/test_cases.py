# SPDX-License-Identifier: Apache-2.0
"""Cases: rows that are repeated, rows in the order they are written, threat lists, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from innerwarden_core import Record

from innerwarden.errors import ModuleError, UsageError
from innerwarden.model.severity import Severity
from innerwarden.modules.cases import MAX_REPEAT, Case, Result, read_cases, records_of, split
from innerwarden.modules.factory import BOOT_BASE_NS


def rows(*events: dict[str, object]) -> list[tuple[float, object]]:
    records = [Record(one) for one in split(records_of(Case(name="x", expect=0, event=events)))]
    return [((one.get("ts_ns") - BOOT_BASE_NS) / 1e9, one.get("dst_ip")) for one in records]  # type: ignore[operator]


def connect(**fields: object) -> dict[str, object]:
    return {"kind": "network.connect", **fields}


def test_a_row_is_repeated_with_its_number_in_its_texts() -> None:
    made = rows(connect(at_s=1.0, repeat=3, every_s=0.5, dst_ip="198.51.100.{n}"))
    assert made == [(1.0, "198.51.100.0"), (1.5, "198.51.100.1"), (2.0, "198.51.100.2")]


def test_repeated_rows_mix_in_order_of_time() -> None:
    made = rows(connect(repeat=2, every_s=10.0, dst_ip="192.0.2.1"), connect(at_s=5.0, dst_ip="192.0.2.2"))
    assert [address for _, address in made] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]


def test_rows_that_are_not_repeated_stay_as_written() -> None:
    made = rows(
        connect(at_s=9.0, dst_ip="192.0.2.1"), connect(at_s=5.0, dst_ip="192.0.2.{n}".replace("{n}", "2"))
    )
    assert [at for at, _ in made] == [9.0, 5.0]


@pytest.mark.parametrize("count", [0, -1, MAX_REPEAT + 1, "3", 1.5])
def test_a_count_that_makes_no_sense_is_refused(count: object) -> None:
    with pytest.raises(UsageError, match="repeat is"):
        rows(connect(repeat=count))


def test_lists_of_a_case(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        '[[case]]\nname = "a"\nexpect = 1\nlists = { bad = "192.0.2.1" }\n[[case.event]]\nkind = "network.connect"\n'
    )
    (case,) = read_cases(path)
    intel = case.intel()
    assert intel is not None
    assert intel.address("192.0.2.1") == ("bad", 32)
    assert Case(name="x", expect=0).intel() is None


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        '[[case]]\nname = "a"\nexpect = 1\nlists = { bad = 5 }\n[[case.event]]\nkind = "network.connect"\n'
    )
    with pytest.raises(ModuleError):
        read_cases(path)


def graded(expect: int, severity: str | None, found: str) -> Result:
    case = Case(name="x", expect=expect, severity=Severity(severity) if severity else None)
    return Result(case=case, findings=2, hits=(), others={}, severities=(Severity.MEDIUM, Severity(found)))


@pytest.mark.parametrize(
    ("expect", "severity", "found", "passed"),
    [
        (2, None, "low", True),
        (2, "medium", "low", True),
        (2, "low", "low", False),
        (2, "high", "high", True),
        (0, "medium", "low", False),
    ],
)
def test_a_case_may_say_how_grave_its_findings_are(
    expect: int, severity: str | None, found: str, passed: bool
) -> None:
    assert graded(expect, severity, found).passed is passed


def test_a_severity_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[[case]]\nname = "a"\nexpect = 1\nseverity = "grave"\nlines = ["x"]\n')
    with pytest.raises(ModuleError, match="grave"):
        read_cases(path)
