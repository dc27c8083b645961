# SPDX-License-Identifier: Apache-2.0
"""`python -m bench [--full] [--rows 1,2] [--compare]`: run the rows, print the table, keep the results.

Exit code 0; with --compare 1 when a row that was measured misses its gate.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import memory, table
from bench.measure import Result, Unavailable

HERE = Path(__file__).resolve().parent

#: Audit leaves a cost in every later process until the next boot, so the row that enables it comes last.
LAST = 6


def rows(wanted: set[int]) -> list[tuple[int, str]]:
    """(row number, module) of every bench/rowNN_*.py, in the order to run them."""
    found = [(int(path.stem[3:5]), path.stem) for path in HERE.glob("row[0-9][0-9]_*.py")]
    return sorted((r for r in found if not wanted or r[0] in wanted), key=lambda r: (r[0] == LAST, r))


def measure(number: int, name: str, quick: bool) -> list[dict[str, Any]]:
    """One row; a row that cannot run or breaks is in the table with its reason."""
    began = time.monotonic()
    print(f"row {number:2d} {name[6:]} ... ", end="", flush=True)
    try:
        got = import_module(f"bench.{name}").run(quick)
        results = got if isinstance(got, list) else [got]
    except Unavailable as reason:
        results = [Result(row=number, what=name[6:], note=f"not measured: {reason}").as_dict()]
    except Exception as error:
        traceback.print_exc()
        note = f"broken: {type(error).__name__}: {error}"
        results = [Result(row=number, what=name[6:], note=note, passed=False).as_dict()]
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return results


def machine() -> dict[str, str | int]:
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs: five minutes instead of one")
    parser.add_argument("--rows", default="", help="only these, e.g. 1,2")
    parser.add_argument("--compare", action="store_true", help="fail when a gate is missed")
    arguments = parser.parse_args()
    wanted = {int(part) for part in arguments.rows.split(",") if part}
    results: list[dict[str, Any]] = []
    for number, name in rows(wanted):
        results += measure(number, name, not arguments.full)
    results.sort(key=lambda row: int(row["row"]))
    print()
    print(table.render(results))
    print(memory.report(seconds=3.0))
    directory = HERE / "results"
    directory.mkdir(exist_ok=True)
    path = directory / time.strftime("%Y%m%dT%H%M%S.json")
    path.write_text(json.dumps({"machine": machine(), "rows": results}, indent=1) + "\n")
    print(f"written {path.relative_to(HERE.parent)}")
    missed = [row for row in results if row["passed"] is False]
    for row in missed:
        print(f"gate missed: row {row['row']} {row['what']}: {table.figure(row)}, gate {row['gate']}")
    return 1 if missed and arguments.compare else 0


if __name__ == "__main__":
    sys.exit(main())
