# SPDX-License-Identifier: Apache-2.0
"""ATT&CK tactics of techniques, from tactics.tsv, and how many different ones several detectors amount to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

#: In the order of an intrusion, as ATT&CK lists them.
TACTICS = (
    "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion", "credential-access",
    "discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact",
)  # fmt: skip
#: These say only that somebody outside knocks.
BEFORE = frozenset({"T1595", "T1589"})


@cache
def table() -> dict[str, frozenset[str]]:
    """Technique -> tactics."""
    found = {}
    for line in Path(__file__).with_name("tactics.tsv").read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            technique, _, tactics = line.partition("\t")
            found[technique] = frozenset(tactics.split())
    return found


def tactics_of(techniques: tuple[str, ...]) -> frozenset[str]:
    """Of all of them; a technique that the table does not know has none."""
    known = table()
    out: set[str] = set()
    for technique in techniques:
        out |= known.get(technique) or known.get(technique.partition(".")[0]) or frozenset()
    return frozenset(out)


def stages(detectors: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The most tactics that different detectors stand for, each for one: tactic -> detector.

    A technique may serve several tactics; one finding is still one step. (Bipartite matching; the order of the
    mapping breaks ties.)
    """
    chosen: dict[str, str] = {}

    def place(detector: str, tried: set[str]) -> bool:
        for tactic in sorted(detectors[detector], key=TACTICS.index):
            if tactic in tried:
                continue
            tried.add(tactic)
            if tactic not in chosen or place(chosen[tactic], tried):
                chosen[tactic] = detector
                return True
        return False

    for detector in detectors:
        place(detector, set())
    return {tactic: chosen[tactic] for tactic in TACTICS if tactic in chosen}
