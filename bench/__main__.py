# SPDX-License-Identifier: Apache-2.0
"""`python -m bench`: run the rows, print the table, keep the results.

Exit code 0; 1 with --compare when a gate is missed or a ratio fell below the recorded one; 2 for a file that
cannot be read.
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

from bench import compare, document, memory, per_detector, table
from bench.measure import Result, Unavailable

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
BASELINE = RESULTS / "baseline.json"

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


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "CPU part")):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine() -> dict[str, str | int | float]:
    return {
        "processor": processor(),
        "cpus": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def measured(wanted: set[int], quick: bool) -> dict[str, Any]:
    """The whole run, as it stands in a file of results."""
    began, load_before = time.monotonic(), os.getloadavg()[0]
    day = time.strftime("%Y-%m-%d", time.gmtime())
    results: list[dict[str, Any]] = []
    for number, name in rows(wanted):
        results += measure(number, name, quick)
    results.sort(key=lambda row: int(row["row"]))
    run: dict[str, Any] = {
        "machine": machine(),
        "day": day,
        "quick": quick,
        "load_before": round(load_before, 1),
        "rows": results,
    }
    if not wanted:
        print("per detector ... ", end="", flush=True)
        at = time.monotonic()
        run["detectors"] = per_detector.as_dict(per_detector.measured())
        print(f"{time.monotonic() - at:.0f} s", flush=True)
    run["seconds"] = round(time.monotonic() - began)
    return run


def read(path: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads(path.read_text())
        run["rows"], run["machine"]
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{path}: no file of results ({type(error).__name__}); `make bench` writes one\n")
        raise SystemExit(2) from None
    return run


def write(path: Path, run: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(run, indent=1) + "\n")
    print(f"written {path}")


def tell(run: dict[str, Any]) -> None:
    print()
    print(table.render(run["rows"]))
    if "detectors" in run:
        print(per_detector.summary(run["detectors"]))
    print(f"{table.machine_line(run)}")


def judge(run: dict[str, Any], baseline: Path, wanted: set[int]) -> int:
    """Against the gates and the recorded run; prints every failure."""
    found = compare.failures(run["rows"], read(baseline)["rows"], wanted)
    for line in found:
        print(f"FAILED {line}")
    if not found:
        print(f"every gate is met, and no ratio fell below that of {baseline.name}")
    return 1 if found else 0


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a measurement")
    parser.add_argument("--rows", default="", help="only these, e.g. 1,2")
    parser.add_argument("--compare", action="store_true", help="fail when a gate is missed or a ratio fell")
    parser.add_argument(
        "--from", dest="source", type=Path, help="compare this file of results instead of running"
    )
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="the recorded run")
    parser.add_argument(
        "--record", action="store_true", help="make this run the baseline, and write the documents"
    )
    parser.add_argument(
        "--write-docs", type=Path, metavar="FILE", help="write docs/performance.md from results"
    )
    found = parser.parse_args()
    if found.record and (found.rows or found.quick or found.source):
        parser.error("--record is for a whole run")
    return found


def main() -> int:
    arguments = arguments_of()
    if arguments.write_docs:
        document.write(read(arguments.write_docs))
        return 0
    wanted = {int(part) for part in arguments.rows.split(",") if part}
    run = read(arguments.source) if arguments.source else measured(wanted, arguments.quick)
    tell(run)
    if not arguments.source:
        if not wanted:
            print(memory.report(seconds=3.0))
        write(RESULTS / time.strftime("%Y%m%dT%H%M%S.json"), run)
    if arguments.record:
        write(BASELINE, run)
        document.write(run)
    return judge(run, arguments.baseline, wanted) if arguments.compare else 0


if __name__ == "__main__":
    sys.exit(main())
