# SPDX-License-Identifier: Apache-2.0
"""A detector's cases: recorded inputs with the number of findings expected, run through a real engine."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from innerwarden_core import Engine, Hit, Intel, Record

from innerwarden.errors import InnerWardenError, ModuleError, UsageError
from innerwarden.model.detector import Detector, DetectorSpec, Finding
from innerwarden.model.event import Event, from_record
from innerwarden.model.severity import Severity
from innerwarden.modules.apart.pool import Asked
from innerwarden.modules.factory import BOOT_BASE_NS, REAL_BASE_NS, encode
from innerwarden.modules.loader import ModuleSet
from innerwarden.modules.log_sources import feed_text
from innerwarden.modules.manifest import line_of, toml_line
from innerwarden.unreadable import toml

NS = 1_000_000_000
MAX_REPEAT = 10_000
#: Of a case; a year is more than any window.
MAX_S = 366 * 86400
_TIMES = (("at_s", 0.0), ("every_s", 1.0))


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`lines` are raw log text for `source`; `event` rows are records by field name (see factory.encode); `lists`
    are threat lists, name -> text. `severity`: of the gravest finding, where the case says it."""

    name: str
    expect: int
    severity: Severity | None = None
    lines: tuple[str, ...] = ()
    source: str = "auth_log"
    event: tuple[dict[str, Any], ...] = ()
    lists: dict[str, str] = {}

    def intel(self) -> Intel | None:
        """The case's threat lists as a table."""
        return Intel([(name, text.encode()) for name, text in self.lists.items()]) if self.lists else None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`others` are the findings that other detectors of the set gave for the same input."""

    case: Case
    findings: int
    hits: tuple[Hit, ...]
    others: dict[str, int]
    errors: tuple[str, ...] = ()
    """What Python detectors of the set raised."""
    passed_prefilter: int = 0
    """Of a Python detector: events that it was asked about."""
    severities: tuple[Severity, ...] = ()
    """Of its findings, in their order."""

    @property
    def passed(self) -> bool:
        as_grave = self.case.severity is None or self.case.severity is self.gravest
        return self.findings == self.case.expect and as_grave and not self.errors

    @property
    def gravest(self) -> Severity | None:
        return max(self.severities, key=lambda severity: severity.rank, default=None)


def read_cases(path: Path) -> list[Case]:
    """Raises ModuleError with file and line."""
    try:
        text = path.read_text("utf-8")
        tree = toml(text)
        cases = msgspec.convert(tree.get("case", []), list[Case])
    except tomllib.TOMLDecodeError as error:
        raise ModuleError("cases cannot be read", [f"{path}:{toml_line(error)}: {error}"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModuleError("cases cannot be read", [f"{path}:1: {error}"]) from error
    except msgspec.ValidationError as error:
        row = re.search(r"\[(\d+)\]", str(error))
        line = _case_line(text, int(row[1]) if row else 0)
        raise ModuleError("cases cannot be read", [f"{path}:{line}: {error}"]) from error
    for number, case in enumerate(cases):
        if not case.lines and not case.event:
            where = f"{path}:{_case_line(text, number)}"
            raise ModuleError("a case has no input", [f"{where}: {case.name}: give lines or events"])
    return cases


def _case_line(text: str, number: int) -> int:
    """Line of the `number`th [[case]] table."""
    places = [i for i, line in enumerate(text.splitlines(), 1) if line.strip() == "[[case]]"]
    return places[number] if number < len(places) else line_of(text, "case")


def records_of(case: Case) -> bytes:
    """The case's events as wire records, as written; in order of time where rows are repeated.

    Raises UsageError for a row that is no record.
    """
    rows = [one for row in case.event for one in _repeated(case, row)]
    if len(rows) > len(case.event):
        rows.sort(key=lambda row: row[0])
    out = b""
    for at_s, row in rows:
        kind = row.pop("kind", None)
        if not isinstance(kind, str):
            raise UsageError(f"case {case.name!r}: an event has no kind", 'Write kind = "process.exec"')
        out += encode(kind, at_s, **row)
    return out


def _repeated(case: Case, row: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    """A row as often as it says, `every_s` apart, `{n}` in its text being the number from 0."""
    fields = dict(row)
    at_s, every_s = (_seconds(case, fields.pop(name, default)) for name, default in _TIMES)
    count = fields.pop("repeat", 1)
    if not isinstance(count, int) or not 1 <= count <= MAX_REPEAT:
        raise UsageError(f"case {case.name!r}: repeat is {count!r}", f"Give a number from 1 to {MAX_REPEAT}")
    if count == 1:
        return [(at_s, fields)]
    made = []
    for n in range(count):
        filled = {k: v.replace("{n}", str(n)) if isinstance(v, str) else v for k, v in fields.items()}
        made.append((at_s + n * every_s, filled))
    return made


def _seconds(case: Case, value: object) -> float:
    if isinstance(value, int | float) and abs(value) < MAX_S:
        return float(value)
    raise UsageError(f"case {case.name!r}: {value!r} is no time", f"Give seconds, fewer than {MAX_S}")


def run_case(modules: ModuleSet, spec: DetectorSpec, case: Case) -> Result:
    """Feed one case to a fresh engine with every detector of the set; cooldowns apply."""
    engine = Engine(boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS)
    engine.configure(modules.rules, modules.correlations, modules.natives)
    engine.use_intel(case.intel())
    hits: list[Hit] = []
    if case.lines:
        chunk = "".join(line + "\n" for line in case.lines).encode()
        hits += feed_text(engine, case.source, chunk, int(datetime.now(UTC).timestamp()), modules.recipes)
    python = {name: _fresh(one) for name, one in modules.python.items()}
    mine: list[Hit] = []
    severities: list[Severity] = []
    others: dict[str, int] = {}
    last: dict[tuple[str, ...], tuple[int, int]] = {}
    # Record by record, so that a Python detector sees the process table of that moment.
    for record in split(records_of(case)):
        hits += engine.feed(record)
    errors: list[str] = []
    passed = 0
    for hit in hits:
        owner = modules.specs[hit.owner]
        detector = python.get(hit.owner)
        judged: Finding | None = Finding()
        if detector is not None:
            passed += hit.owner == spec.id
            try:
                judged = _judged(detector, owner, hit, engine, last)
            except Exception as error:
                # A detector is a border: what it raises is the case's result, as it is counted in a sensor.
                errors.append(f"{hit.owner} raised {type(error).__name__}: {error}")
                continue
        if judged is None:
            continue
        if hit.owner == spec.id:
            mine.append(hit)
            variant = spec.variants.get(hit.samples[0]) if hit.samples else None
            severities.append(judged.severity or (variant.severity if variant else spec.severity))
        else:
            others[hit.owner] = others.get(hit.owner, 0) + 1
    return Result(
        case=case,
        findings=len(mine),
        hits=tuple(mine),
        others=others,
        errors=tuple(errors),
        passed_prefilter=passed,
        severities=tuple(severities),
    )


def _fresh(detector: Detector) -> Detector:
    """The same without state."""
    return detector.again() if isinstance(detector, Asked) else type(detector)(detector.parameters)


def split(records: bytes) -> list[bytes]:
    """Contiguous records one by one."""
    out, offset = [], 0
    while offset < len(records):
        size = int.from_bytes(records[offset : offset + 4], "little")
        out.append(records[offset : offset + size])
        offset += size
    return out


def event_of(hit: Hit, engine: Engine) -> Event:
    """The SDK event of a hit, with the acting process and its birth chain when they are known."""
    record = Record(hit.record)
    pid, start = record.get("pid"), record.get("start_ns")
    actor, ancestors = None, []
    if isinstance(pid, int) and isinstance(start, int) and start:
        actor = engine.process(pid, start)
        ancestors = engine.ancestors(pid, start)
    return from_record(
        record,
        host="test",
        boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS,
        actor=actor,
        ancestors=ancestors,
    )


def _judged(
    detector: Detector,
    spec: DetectorSpec,
    hit: Hit,
    engine: Engine,
    last: dict[tuple[str, ...], tuple[int, int]],
) -> Finding | None:
    """What a Python detector says, under the same cooldown rule as the detection host's."""
    event = event_of(hit, engine)
    finding = detector.process(event)
    if finding is None:
        return None
    group = finding.group or tuple(str(event.field(name)) for name in spec.group_key)
    key = (spec.id, *(group or (str(event.details.pid), str(event.details.start_ns))))
    before = last.get(key)
    rank = (finding.severity or spec.severity).rank
    if before is not None and event.ts_ns - before[0] < spec.cooldown_s * NS and rank <= before[1]:
        return None
    last[key] = event.ts_ns, rank
    return finding


def run_file(modules: ModuleSet, spec: DetectorSpec, path: Path) -> list[Result]:
    """Every case of one file. Raises InnerWardenError for input that is no case."""
    results = []
    for case in read_cases(path):
        try:
            results.append(run_case(modules, spec, case))
        except InnerWardenError as error:
            raise ModuleError("a case cannot run", [f"{path}: {case.name}: {error}"]) from error
    return results
