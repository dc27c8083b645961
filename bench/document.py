# SPDX-License-Identifier: Apache-2.0
"""docs/performance.md: what stands between its markers, and the drawings, from one file of results.

`python -m bench --write-docs FILE.json`. The text around the markers is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import per_detector, table
from bench.drawing import Bar, bars
from bench.measure import ROOT

Run = Mapping[str, Any]
Row = Mapping[str, Any]

PAGE = ROOT / "docs/performance.md"
PICTURES = ROOT / "docs/performance"
BEGIN, END = "<!-- begin: python -m bench --write-docs -->", "<!-- end -->"
EXEC_PEERS = ("auditd", "auditd_with_laurel", "execsnoop")


def shortfalls(rows: Sequence[Row]) -> list[Row]:
    """Rows that miss a goal or a gate, by their numbers."""
    found = []
    for row in rows:
        bound = row.get("bound")
        met = True
        if bound:
            met = bound["value"] >= bound["goal"] if bound["at_least"] else bound["value"] <= bound["goal"]
        if row["passed"] is False or not met:
            found.append(row)
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "–"


def results_table(rows: Sequence[Row]) -> str:
    lines = [
        "| # | what | value | against the peer | goal | gate | | spread | beside it in the same run |",
        "|--:|---|--:|--:|---|---|---|--:|---|",
    ]
    words = {True: "met", False: "**missed**", None: "–"}
    for row in rows:
        ratio = "–" if row["ratio"] is None else f"{row['ratio']:.3g} ×"
        parts = ["" if row["spread"] is None else f"{row['spread']:.0%}"]
        parts.append(f"of {row['rounds']}" if row.get("rounds") else "")
        spread = " ".join(part for part in parts if part) or "–"
        cells = (
            str(row["row"]),
            _cell(row["what"]),
            table.figure(row),
            ratio,
            _cell(row["goal"]),
            _cell(row["gate"]),
            words[row["passed"]],
            spread,
            _cell(row["peer"]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def notes(rows: Sequence[Row]) -> str:
    return "\n".join(f"- {row['row']}, {row['what']}: {row['note']}" for row in rows if row["note"])


def detectors_table(costs: Mapping[str, Any]) -> str:
    lines = ["| detector | kind | ns an event | of |", "|---|---|--:|---|"]
    lines += [
        f"| `{row['detector']}` | {row['kind']} | {row['ns']:,.0f} | {row['stream']} |"
        for row in costs["rows"][: per_detector.TOP]
    ]
    return "\n".join(lines)


def gates_picture(rows: Sequence[Row]) -> str:
    """How far from its gate each row is: 1 is at the gate, 10 ten times better."""
    found = []
    for row in rows:
        bound = row.get("bound")
        if not bound or not bound["gate"]:
            continue
        value, goal, gate = (max(float(bound[name]), 1e-9) for name in ("value", "goal", "gate"))
        share, aim = (value / gate, goal / gate) if bound["at_least"] else (gate / value, gate / goal)
        kind = "own" if share >= 1 else "bad"
        found.append(Bar(f"{row['row']}  {row['what']}"[:54], share, f"{share:.3g} ×", kind, aim))
    return bars(
        "Every row against its gate",
        "times better than the gate (red line); green: the goal",
        found,
        logarithmic=True,
        gate=1.0,
    )


def _of(rows: Sequence[Row], number: int, words: str = "") -> list[Row]:
    return [row for row in rows if row["row"] == number and words in row["what"] and row["value"] is not None]


def exec_picture(rows: Sequence[Row]) -> str | None:
    added = _of(rows, 6, "added")
    if not added:
        return None
    details = added[0]["details"]
    found = [Bar("InnerWarden", added[0]["value"], f"{added[0]['value']:.1f} µs")]
    for name in EXEC_PEERS:
        if f"{name}_us" in details:
            value = details[f"{name}_us"]
            found.append(Bar(name.replace("_", " "), value, f"{value:.1f} µs", "peer"))
    return bars("Added to one posix_spawn", "µs, less is better", found)


def packets_picture(rows: Sequence[Row]) -> str | None:
    found = []
    for row in _of(rows, 15):
        name = row["what"].removeprefix("a packet of one of ")
        found.append(Bar(f"XDP, {name}", row["value"], f"{row['value']:.0f} ns"))
        theirs = row["details"]["nft_ns"]
        found.append(Bar(f"nftables set, {name}", theirs, f"{theirs:.0f} ns", "peer"))
    return bars("Dropping one packet", "ns, less is better", found) if found else None


def lines_picture(rows: Sequence[Row]) -> str | None:
    logs = _of(rows, 11, "sshd log file to findings")
    if not logs:
        return None
    details = logs[0]["details"]
    names = (
        ("InnerWarden", "ours_ns", "own"),
        ("fail2ban-regex", "peer_ns", "peer"),
        ("CrowdSec", "crowdsec_ns", "peer"),
    )
    found = [
        Bar(label, details[key] / 1e3, f"{details[key] / 1e3:,.3g} µs", kind)
        for label, key, kind in names
        if key in details
    ]
    return bars(
        "One line of an sshd log", "µs, less is better; each step is ten times", found, logarithmic=True
    )


def detectors_picture(costs: Mapping[str, Any]) -> str:
    found = [
        Bar(row["detector"], row["ns"], f"{row['ns']:,.0f} ns, {row['stream']}")
        for row in costs["rows"][: per_detector.TOP]
    ]
    return bars(
        "The dearest detectors, each alone", "ns an event; each step is ten times", found, logarithmic=True
    )


def pictures(run: Run) -> dict[str, str]:
    """File name -> SVG."""
    rows = run["rows"]
    found: dict[str, str | None] = {
        "gates.svg": gates_picture(rows),
        "exec.svg": exec_picture(rows),
        "log-line.svg": lines_picture(rows),
        "packet.svg": packets_picture(rows),
    }
    if "detectors" in run:
        found["detectors.svg"] = detectors_picture(run["detectors"])
    return {name: text for name, text in found.items() if text is not None}


def generated(run: Run) -> str:
    """The text between the markers."""
    drawn = pictures(run)

    def picture(name: str, words: str) -> list[str]:
        return [f"![{words}]({PICTURES.name}/{name})", ""] if name in drawn else []

    below = [f"- row {row['row']}, {row['what']}: {table.figure(row)}" for row in shortfalls(run["rows"])]
    parts = [
        f"{table.machine_line(run)}.",
        "",
        results_table(run["rows"]),
        "",
        *picture("gates.svg", "Every row against its gate and its goal"),
        "Short of the goal:" if below else "Every goal is met.",
        "",
        *([*below, ""] if below else []),
        "What the rows tell besides:",
        "",
        notes(run["rows"]),
        "",
        *picture("exec.svg", "What is added to one posix_spawn"),
        *picture("log-line.svg", "One line of an sshd log"),
        *picture("packet.svg", "Dropping one packet"),
    ]
    if "detectors" in run:
        costs = run["detectors"]
        parts += [
            "### Cost of each detector",
            "",
            f"The {per_detector.TOP} dearest of {len(costs['rows'])}; `python -m bench.per_detector` lists all.",
            "",
            detectors_table(costs),
            "",
            *picture("detectors.svg", "The dearest detectors"),
            *(f"- {line}" for line in per_detector.summary(costs).splitlines()),
            "",
        ]
    return "\n".join(parts)


def between(page: str) -> str:
    """What stands between the markers; raises ValueError without them."""
    found = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", page, re.DOTALL)
    if found is None:
        raise ValueError(f"{PAGE} lacks the line {BEGIN} or {END}")
    return found[1]


def renewed(page: str, text: str) -> str:
    """The page with other text between its markers; raises ValueError without them."""
    before = f"{BEGIN}\n{between(page)}{END}"
    return page.replace(before, f"{BEGIN}\n{text}{END}")


def write(run: Run) -> None:
    PAGE.write_text(renewed(PAGE.read_text(), generated(run) + "\n"))
    PICTURES.mkdir(exist_ok=True)
    drawn = pictures(run)
    for old in {path.name for path in PICTURES.glob("*.svg")} - set(drawn):
        (PICTURES / old).unlink()
    for name, text in drawn.items():
        Path(PICTURES / name).write_text(text)
    print(f"written {PAGE.relative_to(ROOT)} and {len(drawn)} drawings")
