# SPDX-License-Identifier: Apache-2.0
"""One log line through the real parser, engine and detection host; lines before it only lead up to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from innerwarden_core import AuthParser, Record

from innerwarden.clock import NS, realtime_ns
from innerwarden.ctl.explaining.bench import Bench
from innerwarden.ctl.explaining.types import LineStory, RuleStory
from innerwarden.errors import UsageError
from innerwarden.logs.recipe import Recipe
from innerwarden.model.wire import DOTTED
from innerwarden.modules.log_sources import PARSERS, parser_of, readers_of
from innerwarden.sensor.collectors.base import utc_offset_s
from innerwarden.sensor.collectors.journal_entry import decode_entry
from innerwarden.sensor.replay_events import record_of

#: Rules that did not match and are told of, the nearest first.
NEAR = 5

ToRecord = Callable[[bytes], bytes | None]


def reader_of(source: str) -> ToRecord:
    """What makes a record of a line, for sources with one event a line."""
    now_s = realtime_ns() // NS
    if source == "events":
        return record_of
    if source == "journald":
        journal = AuthParser(now_s=now_s, utc_offset_s=utc_offset_s(now_s))

        def entry_of(line: bytes) -> bytes | None:
            entry = decode_entry(line)
            if entry is None:
                return None
            return journal.parse_message(entry.ts_ns, entry.host, entry.program, entry.pid, entry.message)

        return entry_of
    return parser_of(source, now_s, utc_offset_s(now_s)).parse


def sources_of(recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """Every source, those of recipes with them."""
    return (*PARSERS, *readers_of(recipes), "journald", "events")


def records_of(
    lines: Sequence[bytes], source: str, recipes: Iterable[Recipe] = ()
) -> tuple[list[bytes], bytes | None]:
    """(records that lead up to it, the record of the last line; of the last event where one may have several lines).

    None: the last line is no event.
    """
    if (make := readers_of(recipes).get(source)) is not None:
        reader = make()
        found = [*reader.read(b"\n".join(lines) + b"\n"), *reader.finish()]
        return found[:-1], found[-1] if found else None
    read = reader_of(source)
    before = [record for line in lines[:-1] if (record := read(line)) is not None]
    return before, read(lines[-1])


def explain_line(
    bench: Bench, lines: Sequence[bytes], source: str, wanted: Sequence[str] = (), every: bool = False
) -> LineStory:
    """The last line's story. `wanted`: rules to tell of whether near or not; `every`: all that look at the kind.

    Raises UsageError for a source or a rule that there is not.
    """
    sources = sources_of(bench.modules.recipes)
    if source not in sources:
        raise UsageError(f"unknown source {source!r}", f"Use one of {', '.join(sources)}")
    known = {rule.owner for rule in bench.modules.compiled_rules}
    for name in wanted:
        if name not in known:
            raise UsageError(f"no rule {name!r}", "See docs/detectors.md for the ids")
    leading, record = records_of(lines, source, bench.modules.recipes)
    for one in leading:
        bench.tell(bench.feed(one)[0])
    shown = lines[-1].decode("utf-8", "backslashreplace")
    if record is None:
        return LineStory(
            source=source, line=shown, kind=None, why=_why(lines[-1], source, bench.modules.recipes)
        )
    decoded = Record(record)
    kind = DOTTED[decoded.kind]
    before = bench.before(record)
    hits, holding = bench.feed(record)
    findings, silent = bench.tell(hits)
    told = frozenset(finding.detector for finding in findings)
    fired = {hit.owner: hit for hit in hits}
    waiting = bench.waiting(kind)
    stories = []
    for owner in _chosen(bench, waiting, holding, wanted, every):
        story = bench.story(owner, holding, told)
        windows = bench.windows(owner, record, before, fired) if story.holds else ()
        stories.append(msgspec.structs.replace(story, windows=windows))
    matched = {story.rule for story in stories if story.holds and not story.only_counts}
    quiet = (matched - told) | set(silent)
    python = set(bench.of_form("python", kind))
    return LineStory(
        source=source,
        line=shown,
        kind=kind,
        fields={name: value for name, value in decoded.to_dict().items() if name not in ("size", "kind")},
        looked_at=len(waiting),
        rules=tuple(sorted(stories, key=lambda s: (not s.holds, -s.nearness, s.rule))),
        findings=tuple(findings),
        folded=tuple(sorted(quiet - python)),
        passed_over=tuple(sorted(quiet & python)),
        native=tuple(bench.of_form("native", kind)),
        trust_problems=bench.trust_problems,
    )


def _chosen(
    bench: Bench, waiting: Sequence[str], holding: frozenset[str], wanted: Sequence[str], every: bool
) -> list[str]:
    """Rules that match, and the nearest of the others: something that speaks for them holds."""
    if every:
        return list(waiting)
    stories: list[RuleStory] = [bench.story(owner, holding, frozenset()) for owner in waiting]
    near = sorted((s for s in stories if not s.holds and s.nearness > 0), key=lambda s: (-s.nearness, s.rule))
    chosen = [s.rule for s in stories if s.holds] + [s.rule for s in near[:NEAR]]
    return [*chosen, *(name for name in wanted if name not in chosen)]


def _why(line: bytes, source: str, recipes: Iterable[Recipe]) -> str:
    """Which other source would take the line."""
    names = [name for name in sources_of(recipes) if name != source]
    others = [name for name in names if records_of([line], name, recipes)[1] is not None]
    if others:
        return f"the parser of {source} makes no event of it; that of {', '.join(others)} does"
    return f"no parser makes an event of it; {source} was asked first"
