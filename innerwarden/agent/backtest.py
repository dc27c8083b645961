# SPDX-License-Identifier: Apache-2.0
"""Back-test: stored findings through the correlation rules, triage and playbooks of now, on a database of its own.

It is the agent's own code that stores, correlates and decides, with the time of the findings for the wall's. Nobody is
asked to act, no provider is asked, and the agent's state.db is only read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

import msgspec

from innerwarden.agent.ingest import IngestBatch, Observer
from innerwarden.agent.state.history import History, Pretend
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import Funnel, ResponseRow
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.tail import Notes
from innerwarden.agent.triage.engine import Triage
from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.settings import Settings
from innerwarden.clock import rfc3339
from innerwarden.model.verb import AnyVerb

#: States of what would have been done; the others were proposed.
_DONE = frozenset({"active", "undone", "dry_run"})


class WouldAct(msgspec.Struct, frozen=True, kw_only=True):
    """One effect on one target: `count` times within the span; by what, why and for which incident it was the first
    time. `unasked`: at least once without an operator's word."""

    verb: AnyVerb
    unasked: bool
    count: int
    first: str
    last: str
    by: str
    reason: str
    incident_id: str | None


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """`acts` by the time of the first."""

    finding_count: int
    first: str | None
    last: str | None
    dry_run: bool
    acts: tuple[WouldAct, ...]
    funnel: Funnel


def backtest(
    state: Path,
    since_ns: int,
    *,
    observe: Observer,
    made_anew: Collection[str],
    settings: Settings,
    sources: Sources,
    progress: Callable[[int, int], None],
) -> Backtest:
    """`made_anew`: detectors of `observe` besides correlation rules. `progress` is told after each batch how many
    findings of how many are through. Raises StateError."""
    # Nobody answers here: what waits for an answer must not keep all later proposals away.
    settings = msgspec.structs.replace(settings, max_proposals=1 << 30)
    with tempfile.TemporaryDirectory(prefix="innerwarden-backtest-") as scratch:
        copy = Path(scratch) / "state.db"
        span: list[int] = []
        with closing(History(state, since_ns, made_anew)) as history:
            _replay(
                history, copy, span, observe=observe, settings=settings, sources=sources, progress=progress
            )
            count = history.count
        with Reader(copy) as reader:
            return Backtest(
                finding_count=count,
                first=rfc3339(min(span)) if span else None,
                last=rfc3339(max(span)) if span else None,
                dry_run=settings.dry_run,
                acts=_grouped(reader),
                funnel=reader.funnel(),
            )


def _replay(
    history: History,
    copy: Path,
    span: list[int],
    *,
    observe: Observer,
    settings: Settings,
    sources: Sources,
    progress: Callable[[int, int], None],
) -> None:
    """`span` gets the first and the last time; time never goes back for it."""
    now = [0]
    done = 0
    with (
        closing(Writer(copy, lambda: now[0], scratch=True)) as writer,
        closing(Triage(copy, writer, lambda: settings, sources=sources, now_ns=lambda: now[0])) as triage,
    ):
        for batch in history.batches():
            times = [one.ts_ns for one in batch]
            span[:] = [min([*span, *times]), max([*span, *times])]
            now[0] = span[1]
            writer.run(Pretend(dry_run=settings.dry_run))
            writer.run(
                IngestBatch(
                    incidents=tuple(batch),
                    telemetry=(),
                    bad=(),
                    notes=Notes(),
                    cursor=None,
                    observe=observe,
                    durable=False,
                )
            )
            while triage.step():
                writer.run(Pretend(dry_run=settings.dry_run))
            done += len(batch)
            progress(done, history.count)


def _grouped(reader: Reader) -> tuple[WouldAct, ...]:
    """Memory grows with the targets, not with the responses."""
    found: dict[str, WouldAct] = {}
    for row in reader.responses_in_order():
        key, time = row.verb.key(), rfc3339(row.created_ns)
        before = found.get(key)
        if before is None:
            found[key] = _first(row, time)
        else:
            found[key] = msgspec.structs.replace(
                before, count=before.count + 1, last=time, unasked=before.unasked or row.state in _DONE
            )
    return tuple(found.values())


def _first(row: ResponseRow, time: str) -> WouldAct:
    return WouldAct(
        verb=row.verb,
        unasked=row.state in _DONE,
        count=1,
        first=time,
        last=time,
        by=row.by,
        reason=row.reason,
        incident_id=row.incident_id,
    )
