# SPDX-License-Identifier: Apache-2.0
"""`make replay-qa`: every detector's cases, the sample logs and captures of the repository, and given corpora."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.cases import read_cases, run_case
from innerwarden.modules.loader import load_modules
from tests.replay.corpora import __main__ as corpora

ROOT = Path(__file__).resolve().parents[2]


def detector_cases() -> int:
    """Runs every case of every shipped detector; the number of those that gave something else."""
    modules = load_modules(paths.modules_dirs(), Config())
    began, count, failed = time.monotonic(), 0, 0
    for problem in modules.problems:
        print(f"FAILED {problem}")
        failed += 1
    for number, spec in enumerate(modules.specs.values(), 1):
        if sys.stderr.isatty():
            print(f"\rcases: {number} of {len(modules.specs)} detectors", end="", file=sys.stderr)
        for case in read_cases(ROOT / "modules" / spec.module / "tests" / f"{spec.id}.toml"):
            count += 1
            result = run_case(modules, spec, case)
            if not result.passed:
                failed += 1
                print(f"FAILED {spec.id}: {case.name}: {result.findings} findings, {case.expect} expected")
    print(
        f"cases: {count} of {len(modules.specs)} detectors, {failed} failed, {time.monotonic() - began:.1f} s"
    )
    return failed


def main() -> int:
    failed = detector_cases()
    samples = pytest.main(["-q", "-p", "no:cacheprovider", str(ROOT / "tests/replay")])
    judged = corpora.main()
    return 1 if failed or samples else judged


if __name__ == "__main__":
    raise SystemExit(main())
