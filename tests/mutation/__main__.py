# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.mutation [--modules NAME ...]`: which small faults in the detectors their cases notice."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from innerwarden.modules.manifest import FILE
from innerwarden.rules.lists import DIRECTORY
from tests.mutation.runner import MODULES, BaselineError, Outcome, outcomes_of_part, parts_of


def share(outcomes: list[Outcome]) -> str:
    killed = sum(outcome.killed for outcome in outcomes)
    return f"{killed:5} of {len(outcomes):5} killed, {100 * killed / max(1, len(outcomes)):5.1f} %"


def measured(parts: list[Path], jobs: int) -> tuple[list[Outcome], list[str]]:
    """Part by part, `jobs` at a time, in the order given; a line of progress each. Also what could not be measured."""
    outcomes: list[Outcome] = []
    problems: list[str] = []
    began = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        for number, (part, found) in enumerate(zip(parts, pool.map(_of_one, parts), strict=True), 1):
            where = f"{number:4}/{len(parts)} {time.monotonic() - began:6.0f} s"
            if isinstance(found, str):
                problems.append(found)
                print(f"{where}  {found}", file=sys.stderr, flush=True)
                continue
            outcomes += found
            survived = sum(not outcome.killed for outcome in found)
            print(
                f"{where}  {part.name}: {len(found)} mutants, {survived} survive", file=sys.stderr, flush=True
            )
    return outcomes, problems


def _of_one(part: Path) -> list[Outcome] | str:
    try:
        return list(outcomes_of_part(part))
    except BaselineError as error:
        return str(error)


def told(outcomes: list[Outcome]) -> str:
    """Survivors, then the share of each module and kind, then of all."""
    lines = [f"survived  {o.file}  [{o.kind}] {o.mutant}" for o in outcomes if not o.killed]
    for title, key in (("module", "module"), ("kind", "kind")):
        lines.append("")
        for name in sorted(Counter(getattr(o, key) for o in outcomes)):
            group = [o for o in outcomes if getattr(o, key) == name]
            lines.append(f"{title} {name:22} {share(group)}")
    return "\n".join([*lines, "", f"{'all':29} {share(outcomes)}"])


def as_json(outcomes: list[Outcome]) -> str:
    return json.dumps(
        {
            "mutants": len(outcomes),
            "killed": sum(o.killed for o in outcomes),
            "outcomes": [msgspec.to_builtins(o) for o in outcomes],
        },
        indent=2,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--modules", nargs="+", default=[], metavar="NAME", help="only these (all)")
    parser.add_argument("--json", action="store_true", help="every mutant, for a program to read")
    parser.add_argument("--jobs", type=int, default=2, help="files at a time (2)")
    parser.add_argument(
        "--at-least", type=float, default=0.0, help="percentage below which the exit code is 1"
    )
    chosen = parser.parse_args()
    names = chosen.modules or [DIRECTORY, *sorted(path.parent.name for path in MODULES.glob(f"*/{FILE}"))]
    try:
        parts = [part for name in names for part in parts_of(MODULES / name)]
    except BaselineError as error:
        print(error, file=sys.stderr)
        return 2
    outcomes, problems = measured(parts, chosen.jobs)
    print(as_json(outcomes) if chosen.json else told(outcomes))
    if problems:
        print(*problems, sep="\n", file=sys.stderr)
        return 2
    killed = sum(o.killed for o in outcomes)
    return 0 if outcomes and 100 * killed >= chosen.at_least * len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
