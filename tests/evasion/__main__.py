# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.evasion [NUMBER ...] [--write-docs]`: run the cases as root and say what became of each."""

from __future__ import annotations

import argparse
import sys

from tests.conftest import kernel_obstacle
from tests.evasion import document
from tests.evasion.model import Case, Result
from tests.evasion.runner import run
from tests.evasion.table import CASES


def line(case: Case, result: Result) -> str:
    """One act a line below the case's own."""
    rows = [f"{case.number:3} {case.technique}"]
    if case.blind_spot:
        rows.append(f"      declared: {case.blind_spot}")
    for outcome in result.outcomes:
        if outcome.obstacle:
            said = f"not run here: {outcome.obstacle}"
        elif outcome.error:
            said = f"FAILED TO ACT: {outcome.error}"
        elif outcome.missing:
            said = f"MISSED: {', '.join(outcome.missing)}" + (
                f" (told: {', '.join(outcome.found)})" if outcome.found else ""
            )
        else:
            said = f"detected: {', '.join(outcome.found)}"
        rows.append(f"      {outcome.act:26} {said}")
    return "\n".join(rows)


def main(words: list[str]) -> int:
    """Exit 0 when nothing that ran was missed, 3 when nothing can run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.evasion")
    parser.add_argument("numbers", nargs="*", type=int, help="cases to run; all without")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/evasions.md from the last results"
    )
    chosen = parser.parse_args(words)
    if (reason := kernel_obstacle()) is not None:
        print(f"evasion: cannot run here: {reason}")
        return 3
    cases = [case for case in CASES if not chosen.numbers or case.number in chosen.numbers]
    results = run(cases)
    for case, result in zip(cases, results, strict=True):
        print(line(case, result))
    outcomes = [outcome for result in results for outcome in result.outcomes if outcome.ran]
    bad = [outcome for outcome in outcomes if not outcome.detected]
    print(f"evasion: {len(outcomes)} acts run, {len(outcomes) - len(bad)} detected, {len(bad)} not")
    document.save(results)
    if chosen.write_docs:
        document.PATH.write_text(document.render(document.load()), "utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
