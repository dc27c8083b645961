# SPDX-License-Identifier: Apache-2.0
"""What a corpus expects, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from innerwarden.errors import UnavailableError


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """The union of what the corpora say of a case; absent is None. `event`: something is on the line."""

    event: bool | None = None
    alert: bool | None = None
    host: str | None = None
    source: str | None = None
    sources: tuple[str, ...] = ()
    source_ip: str | None = None
    service: str | None = None
    rule: str | None = None
    desc: str | None = None
    groups: tuple[str, ...] = ()
    title: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One line of truth.jsonl; `input` is relative to the corpora, `lines` are numbered from 1."""

    corpus: str
    case: str
    collector: str
    kind: str
    input: str
    lines: tuple[int, ...] | None = None
    log: str | None = None
    expect: Expect


class Outcome(StrEnum):
    AGREE = "agree"
    DISAGREE = "disagree"
    SKIPPED = "skipped"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`group`: the part of the corpus that is counted by itself; `why`: what was expected and what came, or why it
    is not judged; `text`: the line or the file."""

    corpus: str
    group: str
    case: str
    outcome: Outcome
    why: str = ""
    text: str = ""


#: (directory of the corpora, cases of one corpus) -> one verdict a case.
Adapter = Callable[[Path, list[Case]], Iterator[Verdict]]


def read_truth(directory: Path, corpus: str) -> list[Case]:
    """Raises UnavailableError naming the line."""
    path = directory / corpus / "truth.jsonl"
    cases: list[Case] = []
    try:
        for line in path.read_bytes().splitlines():
            cases.append(msgspec.json.decode(line, type=Case))
    except OSError as error:
        raise UnavailableError(
            f"cannot read {path}: {error.strerror}", "Give the corpora's directory"
        ) from error
    except msgspec.MsgspecError as error:
        raise UnavailableError(f"{path}:{len(cases) + 1}: {error}", "Get the corpus again") from error
    return cases


def verdict(case: Case, group: str, agrees: bool, why: str, text: str) -> Verdict:
    outcome = Outcome.AGREE if agrees else Outcome.DISAGREE
    return Verdict(corpus=case.corpus, group=group, case=case.case, outcome=outcome, why=why, text=text)


def skipped(case: Case, group: str, why: str) -> Verdict:
    return Verdict(corpus=case.corpus, group=group, case=case.case, outcome=Outcome.SKIPPED, why=why)
