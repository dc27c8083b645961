# SPDX-License-Identifier: Apache-2.0
"""Runs the adapters; a table, JSON, and the gates that a change must not fall below (gates.toml)."""

from __future__ import annotations

import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from innerwarden.errors import UnavailableError
from tests.replay.corpora.adapters import ADAPTERS
from tests.replay.corpora.truth import Outcome, Verdict, read_truth

GATES = Path(__file__).with_name("gates.toml")
Counts = Counter[Outcome]


def judge(directory: Path, only: Iterable[str] = ()) -> list[Verdict]:
    """Verdicts of the corpora that are there. `only`: "corpus" or "corpus:group". Raises UnavailableError."""
    wanted = {name.partition(":")[0]: name.partition(":")[2] for name in only}
    verdicts: list[Verdict] = []
    present = [name for name in ADAPTERS if (directory / name / "truth.jsonl").is_file()]
    if not present:
        names = ", ".join(ADAPTERS)
        raise UnavailableError(
            f"no corpus in {directory}", f"It holds none of {names}, each with truth.jsonl"
        )
    for name in present:
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        cases = read_truth(directory, name)
        found = list(ADAPTERS[name](directory, cases))
        print(
            f"corpora: {name}: {len(found)} cases, {time.monotonic() - began:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        group = wanted.get(name, "")
        verdicts += [one for one in found if not group or one.group == group]
    return verdicts


def counts(verdicts: Iterable[Verdict]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for one in verdicts:
        found.setdefault(one.corpus, Counter())[one.outcome] += 1
    return found


def gates() -> dict[str, int]:
    """Corpus -> cases that agreed when this was recorded."""
    return {name: row["agree"] for name, row in tomllib.loads(GATES.read_text()).items()}


def failed_gates(verdicts: list[Verdict]) -> list[str]:
    """A sentence for each whole corpus that agrees on fewer cases than recorded."""
    missed = []
    for corpus, count in counts(verdicts).items():
        least = gates().get(corpus, 0)
        if count[Outcome.AGREE] < least:
            missed.append(
                f"{corpus}: {count[Outcome.AGREE]} cases agree, {least} did when the gate was recorded"
            )
    return missed


def print_table(verdicts: list[Verdict], show: int) -> None:
    groups: dict[tuple[str, str], Counts] = {}
    for one in verdicts:
        groups.setdefault((one.corpus, one.group), Counter())[one.outcome] += 1
    print(f"{'corpus':<14} {'group':<34} {'agree':>6} {'disagree':>9} {'skipped':>8}")
    for (corpus, group), count in sorted(groups.items()):
        _row(corpus, group, count)
        _print_disagreements([v for v in verdicts if (v.corpus, v.group) == (corpus, group)], show)
    for corpus, count in sorted(counts(verdicts).items()):
        _row(corpus, "ALL", count)


def _row(corpus: str, group: str, count: Counts) -> None:
    agree, disagree = count[Outcome.AGREE], count[Outcome.DISAGREE]
    share = f"{100 * agree / (agree + disagree):.1f} %" if agree + disagree else "-"
    print(f"{corpus:<14} {group:<34} {agree:>6} {disagree:>9} {count[Outcome.SKIPPED]:>8}  {share:>7}")


def _print_disagreements(verdicts: list[Verdict], show: int) -> None:
    for one in [v for v in verdicts if v.outcome is Outcome.DISAGREE][:show]:
        print(f"    {one.case}: {one.why}\n        {one.text[:300]}")


def as_json(verdicts: list[Verdict], missed: list[str]) -> str:
    tree = {
        "version": 1,
        "counts": {
            corpus: {str(k): v for k, v in count.items()} for corpus, count in counts(verdicts).items()
        },
        "gates": gates(),
        "failed": missed,
        "verdicts": verdicts,
    }
    return msgspec.json.format(msgspec.json.encode(tree), indent=1).decode()
