# SPDX-License-Identifier: Apache-2.0
"""What the fault tests declare, what became of them, and the table of docs/reliability.md made of both.

A fault test carries `@pytest.mark.fault(fault=..., expect=..., levels=(...))` with literal values: the declaration is
read from the source, so that the table cannot name a test that is not there. A run with IW_FAULTS_JSON=<file> adds
what became of each to that file.
"""

from __future__ import annotations

import ast
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
RECORDED = TESTS / "faults" / "results.json"
WORST = ("failed", "passed", "skipped")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`test`: file::function, from the root; `levels`: names of ctl.levels, none where it keeps working."""

    test: str
    fault: str
    expect: str
    levels: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Of all cases of one test: the worst outcome, the time of all together, the first reason of a skip."""

    outcome: str
    kernel: str
    seconds: float
    reason: str = ""


def declared() -> list[Fault]:
    """Every fault test of the tree, by file and line."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "mark.fault(" in text:
            found += list(_of_file(path, ast.parse(text)))
    return found


def _of_file(path: Path, tree: ast.Module) -> Iterator[Fault]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                given = {str(word.arg): ast.literal_eval(word.value) for word in mark.keywords}
                yield Fault(test=f"{path.relative_to(ROOT)}::{node.name}", **given)


def recorded(path: Path = RECORDED) -> dict[str, Result]:
    """Test -> result of the last recorded run."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Result]) if path.exists() else {}


class Recorder:
    """Pytest plugin."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cases: dict[str, list[tuple[str, float, str]]] = {}
        self._faults: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._faults = {item.nodeid for item in items if item.get_closest_marker("fault") is not None}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._faults:
            return
        reason = ""
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
        if report.when == "call" or not report.passed:
            test = report.nodeid.partition("[")[0]
            self._cases.setdefault(test, []).append((report.outcome, report.duration, reason))

    def pytest_sessionfinish(self) -> None:
        """Add to what the file holds: a run of some tests leaves the others as they are."""
        known = {fault.test for fault in declared()}
        results = {test: result for test, result in recorded(self._path).items() if test in known}
        for test, cases in self._cases.items():
            outcome = min((one for one, _, _ in cases), key=WORST.index)
            results[test] = Result(
                outcome=outcome,
                kernel=platform.release(),
                seconds=round(sum(seconds for _, seconds, _ in cases), 1),
                reason=next((reason for _, _, reason in cases if reason), ""),
            )
        ordered = {test: msgspec.to_builtins(results[test]) for test in sorted(results)}
        self._path.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")


def register(config: pytest.Config) -> None:
    """Called by tests/conftest.py: the marker, and the recorder when a run is asked to record."""
    config.addinivalue_line(
        "markers",
        "fault(fault, expect, levels): breaks something around the daemons, see docs/reliability.md",
    )
    config.addinivalue_line("markers", "long: takes a minute or more; only `make test-faults` runs it")
    if path := os.environ.get("IW_FAULTS_JSON"):
        config.pluginmanager.register(Recorder(Path(path)), "fault-recorder")
