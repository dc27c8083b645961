# SPDX-License-Identifier: Apache-2.0
"""Lines through a collector's parser, the engine and the shipped detectors, one at a time."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from innerwarden_core import AuthParser, Engine, Hit, LineParser, Record

from innerwarden import paths
from innerwarden.config import Config, DetectorConfig
from innerwarden.model.finding import without_facts
from innerwarden.model.wire import DOTTED
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.modules.log_sources import READERS, parser_of
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of

#: 2026-01-01: bounds the year of times that have none; every sample is older.
NOW_S = 1_767_225_600
#: Kinds that stand for something wrong. An accepted login or a sudo command is an event, but nothing to alert on.
SUSPICIOUS = frozenset(("ssh.login_failed", "ssh.probe", "auth.failed"))
#: From here on a web server's answer says that the request was refused or failed.
HTTP_ERROR = 400

_TAG = re.compile(
    rb"^(?:(?P<host>[\w.-]+) )?(?P<program>[\w./()-]+?)(?:\[(?P<pid>\d+)\])?: (?P<message>.*)$", re.S
)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one line. `understood`: it had the form that the source's lines have."""

    text: str
    source: str
    understood: bool
    kind: str | None
    fields: dict[str, Any]
    findings: tuple[tuple[str, frozenset[str]], ...]
    """(detector, values of its entities and of the group that it was counted by: a host's name is no entity)."""

    @property
    def suspicious(self) -> bool:
        """The line stands for something wrong: a failed login, a probe, a refused request, or an alert."""
        if self.findings or self.kind in SUSPICIOUS:
            return True
        if self.kind == "web.error":
            return "reason" in self.fields
        if self.kind == "audit.record":
            return self.fields.get("reason") == "failed"
        return self.kind == "web.request" and self.fields.get("http_status", 0) >= HTTP_ERROR

    def names(self, source: str | None) -> bool:
        """Is that the source that the event or an alert names? None: the corpus does not say."""
        if source is None:
            return True
        told = {self.fields.get("src_ip"), self.fields.get("src_host")}
        return source in told or any(source in values for _detector, values in self.findings)

    def said(self) -> str:
        source = self.fields.get("src_ip") or self.fields.get("src_host") or "no source"
        alerts = ", ".join(sorted({detector for detector, _ in self.findings}))
        event = (
            f"{self.kind} ({source})" if self.kind else "no event" if self.understood else "not understood"
        )
        return f"{event}; alerts: {alerts}" if alerts else event


@functools.cache
def modules(detectors: str = "") -> ModuleSet:
    """The shipped detectors; `detectors`: settings of some of them, as JSON."""
    settings = msgspec.json.decode(detectors or b"{}", type=dict[str, DetectorConfig])
    return load_modules(paths.modules_dirs(), Config(host="corpus", detectors=settings))


class Stream:
    """One log through one engine; state is kept from line to line as it is live."""

    def __init__(self, source: str, detectors: str = "") -> None:
        loaded = modules(detectors)
        self.source = source
        self.parser = None if source in READERS else parser_of(source, NOW_S)
        self.engine = Engine()
        self.engine.configure(loaded.rules, loaded.correlations, loaded.natives)
        self.host = DetectionHost(
            loaded.specs,
            self.engine,
            host_name="corpus",
            python=loaded.python,
            acting_rules=acting_rules_of(loaded.compiled_correlations),
        )

    def read(self, line: bytes, program: str = "") -> Read:
        """`program`: who wrote it, when the line is a bare message."""
        if self.parser is None:
            reader = READERS[self.source]()
            records = [*reader.read(line + b"\n"), *reader.finish()]
            understood = not reader.stats.malformed
        else:
            record, understood = self._parsed(self.parser, line, program)
            records = [record] if record else []
        hits = [hit for record in records for hit in self.engine.feed(record)]
        view = Record(records[0]) if records else None
        return Read(
            text=line.decode("utf-8", "replace"),
            source=self.source,
            understood=understood,
            kind=DOTTED[view.kind] if view else None,
            fields=view.to_dict() if view else {},
            findings=self._findings(hits),
        )

    def _parsed(self, parser: LineParser, line: bytes, program: str) -> tuple[bytes | None, bool]:
        before = _refused(parser)
        record = parser.parse(line)
        understood = _refused(parser) == before
        if not understood and record is None and isinstance(parser, AuthParser):
            return self._without_a_time(parser, line, program.encode())
        return record, understood

    def _without_a_time(self, parser: AuthParser, line: bytes, program: bytes) -> tuple[bytes | None, bool]:
        """What the journal shows, "host program[pid]: message" or the message alone, fed as its collector does."""
        host, pid, message = b"", 0, line
        if not program:
            found = _TAG.match(line)
            if found is None:
                return None, False
            host, program, pid = found["host"] or b"", found["program"], int(found["pid"] or 0)
            message = found["message"]
        return parser.parse_message(NOW_S * 1_000_000_000, host, program, pid, message), True

    def _findings(self, hits: list[Hit]) -> tuple[tuple[str, frozenset[str]], ...]:
        groups = frozenset(value for hit in hits for value in hit.group)
        return tuple(
            (finding.detector, groups | {entity.value for entity in finding.fields.entities})
            for finding in without_facts(self.host.findings(hits))
        )


def _refused(parser: LineParser) -> int:
    stats = parser.stats()
    return stats.get("malformed", 0) + stats.get("too_long", 0)


def read_lines(lines: Iterable[bytes], source: str, detectors: str = "") -> list[Read]:
    stream = Stream(source, detectors)
    return [stream.read(line) for line in lines]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


@functools.lru_cache(maxsize=4)
def read_file(path: Path, sources: tuple[str, ...], detectors: str = "") -> list[Read]:
    """The file as the first of `sources` that understands most of its lines reads it."""
    lines = [line for line in lines_of(path)]
    best: list[Read] = []
    score = -1
    for source in sources:
        read = read_lines(lines, source, detectors)
        understood = sum(one.understood for one in read) + 2 * sum(one.kind is not None for one in read)
        if understood > score:
            best, score = read, understood
    return best


def alerted(read: Iterable[Read]) -> frozenset[str]:
    """Every entity that an alert names."""
    return frozenset().union(*(values for one in read for _detector, values in one.findings))
