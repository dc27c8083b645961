# SPDX-License-Identifier: Apache-2.0
"""docs/evasions.md from the case table and the last results of this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from innerwarden.sensor.blind_spots import declared
from tests.evasion.model import Case, Place, Result
from tests.evasion.table import CASES

PATH = Path(__file__).resolve().parents[2] / "docs" / "evasions.md"
#: Where a run leaves its results, so that a document can be written from several.
RESULTS = Path(__file__).resolve().parents[2] / "build" / "evasions.json"

HEAD = """# Evasions, and what becomes of them

Forty-eight ways to get past a sensor, each run as a program against the product itself. Written by
`python -m tests.evasion --write-docs` from `tests/evasion/table.py` and the last run; a test compares the
columns technique and answer with the table.

A result is one of: the detectors that told of it, seen in `findings.jsonl` of a running sensor and attributed to the
program that acted; *declared*, with the blind spot's id; *virtual machine*, for what needs a kernel of its own;
*not run*, with the reason.

| # | technique | answer | result |
|---|---|---|---|
"""

SPOTS = """
## Blind spots

What this product cannot see by its construction, as it says itself (`innerwarden/sensor/blind_spots.py`).

| id | what is not seen | what is instead | ATT&CK |
|---|---|---|---|
"""


def row_head(case: Case) -> str:
    """The columns that do not depend on a run."""
    return f"| {case.number} | {case.technique} | {case.answer} |"


def result_text(case: Case, result: Result | None) -> str:
    """The last column: what was found, or why nothing was."""
    if case.blind_spot:
        return f"declared: `{case.blind_spot}`"
    outcomes = result.outcomes if result is not None else ()
    found: dict[str, None] = {}
    parts, missing, reasons = [], [], []
    for outcome in outcomes:
        if outcome.detected:
            found.update(dict.fromkeys(outcome.found))
        elif outcome.ran:
            missing.append(f"{outcome.act} (missed)")
        elif outcome.obstacle != f"runs in the {Place.VM}":
            reasons.append(f"{outcome.act}: {outcome.obstacle}")
    if found:
        parts.append(", ".join(f"`{name}`" for name in found))
    if missing:
        parts.append(", ".join(missing))
    if reasons:
        parts.append("not run here: " + "; ".join(reasons))
    guest = [act.act for act in case.acts if act.place is not Place.HOST]
    if guest:
        parts.append("virtual machine: " + ", ".join(guest))
    return "; ".join(parts) or "not run"


def render(results: Mapping[int, Result]) -> str:
    rows = [f"{row_head(case)} {result_text(case, results.get(case.number))} |\n" for case in CASES]
    spots = [
        f"| `{spot.id}` | {spot.sentence} | {spot.instead} | {', '.join(spot.techniques) or '–'} |\n"
        for spot in declared()
    ]
    return HEAD + "".join(rows) + SPOTS + "".join(spots)


def save(results: list[Result]) -> None:
    import msgspec

    RESULTS.parent.mkdir(exist_ok=True)
    kept = {str(number): result for number, result in load().items()} | {str(r.number): r for r in results}
    RESULTS.write_bytes(msgspec.json.encode(kept))


def load() -> dict[int, Result]:
    import msgspec

    if not RESULTS.exists():
        return {}
    raw = json.loads(RESULTS.read_bytes())
    return {int(number): msgspec.convert(result, Result) for number, result in raw.items()}
