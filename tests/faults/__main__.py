# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.faults`: the tables of docs/reliability.md from the levels, the fault tests and the recorded run."""

from __future__ import annotations

import re
import sys

from innerwarden.ctl.levels import LEVELS
from tests.faults.results import RECORDED, ROOT, Fault, Result, declared, recorded

PATH = ROOT / "docs" / "reliability.md"


def cell(text: str) -> str:
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", " ".join(text.split()))


def levels_table() -> str:
    lines = ["| level | of | waits | what it means | what to do |", "|---|---|---|---|---|"]
    for name, one in LEVELS.items():
        waits = "yes" if one.waits else "no"
        lines.append(f"| `{name}` | {one.part} | {waits} | {cell(one.text)} | {cell(one.remedy)} |")
    return "\n".join(lines)


def faults_table(faults: list[Fault], results: dict[str, Result]) -> str:
    lines = [
        "| fault | what follows | level | result | kernel | seconds | test |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in faults:
        result = results.get(one.test)
        levels = ", ".join(f"`{name}`" for name in one.levels) or "full: keeps working"
        path, _, name = one.test.partition("::")
        link = f"[`{name}`](../{path})"
        if result is None:
            told = ("not run", "", "")
        else:
            outcome = f"{result.outcome}: {cell(result.reason)}" if result.reason else result.outcome
            told = (outcome, cell(result.kernel), f"{result.seconds:.1f}")
        lines.append(f"| {cell(one.fault)} | {cell(one.expect)} | {levels} | {' | '.join(told)} | {link} |")
    return "\n".join(lines)


def render(text: str) -> str:
    """`text` with what stands between its markers made anew."""
    for name, table in (("levels", levels_table()), ("faults", faults_table(declared(), recorded()))):
        between = re.compile(f"(<!-- {name}: python -m tests.faults -->\n).*?(<!-- end -->)", re.DOTALL)
        assert between.search(text), f"no place for {name}"
        text = between.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


def main() -> int:
    PATH.write_text(render(PATH.read_text("utf-8")), "utf-8")
    failed = [test for test, result in recorded().items() if result.outcome == "failed"]
    print(
        f"{PATH.relative_to(ROOT)} is of {RECORDED.relative_to(ROOT)}; failed: {', '.join(failed) or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
