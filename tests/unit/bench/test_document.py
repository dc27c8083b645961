# SPDX-License-Identifier: Apache-2.0
"""The documented figures are those of the recorded run, and drawings are drawings."""

from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

import pytest

from bench import document
from bench.drawing import Bar, bars
from bench.measure import ROOT

BASELINE = ROOT / "bench/results/baseline.json"


def test_the_page_and_its_drawings_are_written_from_the_recorded_run() -> None:
    """`python -m bench --write-docs bench/results/baseline.json` writes both."""
    run = json.loads(BASELINE.read_text())
    assert document.between(document.PAGE.read_text()) == document.generated(run) + "\n"
    drawn = {path.name: path.read_text() for path in document.PICTURES.iterdir()}
    assert drawn == document.pictures(run)


def test_the_recorded_run_has_every_row_of_the_budgets() -> None:
    run = json.loads(BASELINE.read_text())
    assert {row["row"] for row in run["rows"]} == set(range(1, 18))


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        document.between("# a page\n")


def test_only_what_stands_between_the_markers_is_renewed() -> None:
    page = f"# a page\n{document.BEGIN}\n{document.END}\nby hand\n"
    first = document.renewed(page, "figures\n")
    assert first == f"# a page\n{document.BEGIN}\nfigures\n{document.END}\nby hand\n"
    assert document.renewed(first, "") == page


def widths(text: str) -> list[float]:
    root = Xml.fromstring(text)
    return [float(rect.get("width", 0)) for rect in root.iter("{http://www.w3.org/2000/svg}rect")]


def test_bars_are_as_long_as_their_values() -> None:
    short, long = widths(bars("t", "x", [Bar("a", 1, "1"), Bar("b", 3, "3")]))
    assert long == pytest.approx(3 * short, rel=0.01)


def test_on_a_logarithmic_scale_each_step_is_ten_times() -> None:
    one, ten, hundred = widths(
        bars("t", "x", [Bar(n, v, n) for n, v in (("a", 1), ("b", 10), ("c", 100))], logarithmic=True)
    )
    assert ten - one == pytest.approx(hundred - ten, rel=0.02)


def test_words_of_a_row_are_no_markup() -> None:
    text = bars('<t> & "x"', "<", [Bar("<b> & c", 1.0, "1 < 2")])
    root = Xml.fromstring(text)
    assert "<b> & c" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_missed_gate_and_a_missed_goal_are_told() -> None:
    bound = {"value": 3.0, "goal": 5.0, "gate": 2.0, "at_least": True}
    rows = [
        {"row": 1, "passed": True, "bound": bound},
        {"row": 2, "passed": True, "bound": bound | {"value": 6.0}},
        {"row": 3, "passed": False, "bound": None},
        {"row": 4, "passed": True, "bound": bound | {"at_least": False}},
    ]
    assert [row["row"] for row in document.shortfalls(rows)] == [1, 3]
