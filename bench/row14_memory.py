# SPDX-License-Identifier: Apache-2.0
"""Row 14: anonymous memory of sensor and agent under load, rings and tables apart: `make heap-budget`, quick.

The whole budget, with a million processes and addresses, is a target of its own because it takes longer than all rows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

from bench.measure import ROOT, Bound, Result, Unavailable

LIMITS = {"sensor": (32, 64), "agent": (64, 100)}
LONGEST_S = 420.0
BLOCK = re.compile(
    r"^(?P<role>sensor|agent)(?: FAILED)?: (?P<verdict>[^\n]*)\n"
    r"  given +(?P<given>[^\n]*)\n"
    r"  heap +at most (?P<most>[\d.]+) MiB in the last half[^\n]*\n"
    r"  growth +(?P<grown>[+-][\d.]+) MiB over the last half[^\n]*\n",
    re.MULTILINE,
)


def results(told: str) -> list[Result]:
    """What `python -m bench.heap` printed of each process."""
    found = []
    for block in BLOCK.finditer(told):
        role, most = block["role"], float(block["most"])
        goal, gate = LIMITS[role]
        failed = re.search(rf"^{role} FAILED: ([^\n]*)", told, re.MULTILINE)
        found.append(
            Result(
                row=14,
                what=f"{role}'s anonymous memory, rings and tables apart",
                value=most,
                unit="MiB",
                goal=f"<= {goal} MiB, flat",
                gate=f"<= {gate} MiB, flat",
                passed=failed is None,
                bound=Bound(most, goal, gate, at_least=False),
                note=f"{block['grown']} MiB over the last half; {failed[1] if failed else block['given']}",
            )
        )
    return found


def run(quick: bool) -> list[dict[str, object]]:
    if find_spec("bench.heap") is None:
        raise Unavailable("there is no bench/heap in this checkout")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.heap", "--quick"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the heap budget took more than {LONGEST_S:.0f} s") from None
    found = results(done.stdout)
    if not found:
        raise Unavailable((done.stderr or done.stdout or "no word").strip().splitlines()[-1])
    return [one.as_dict() for one in found]
