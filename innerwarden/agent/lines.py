# SPDX-License-Identifier: Apache-2.0
"""One line of findings.jsonl into something that can be stored, or the reason why not."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state.tx import NewIncident
from innerwarden.clock import parse_rfc3339
from innerwarden.log import safe
from innerwarden.model.finding import MAX_LINE_BYTES, TELEMETRY, Finding, Telemetry

TS_MAX_NS = 2**63 - 1
TOO_LONG = f"longer than {MAX_LINE_BYTES} bytes"

_finding = msgspec.json.Decoder(Finding)
_telemetry = msgspec.json.Decoder(Telemetry)
_head = msgspec.json.Decoder(msgspec.defstruct("Head", [("detector", str)]))
_encode = msgspec.json.Encoder().encode


class TelemetryLine(msgspec.Struct, frozen=True):
    ts_ns: int
    line: bytes


class Refused(msgspec.Struct, frozen=True):
    """Why a line is skipped; safe to show."""

    reason: str


def parse(line: bytes) -> NewIncident | TelemetryLine | Refused:
    """`line` without its newline. Members that are not known are ignored; nothing raises."""
    if len(line) >= MAX_LINE_BYTES:
        return Refused(TOO_LONG)
    if not line.strip():
        return Refused("empty line")
    try:
        return _parse(line)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        return Refused(safe(str(error) or type(error).__name__))


def _parse(line: bytes) -> NewIncident | TelemetryLine | Refused:
    try:
        finding = _finding.decode(line)
    except msgspec.ValidationError:
        # Only a telemetry line lacks the members of an incident and is still fine.
        if getattr(_head.decode(line), "detector", None) != TELEMETRY:
            raise
        telemetry = _telemetry.decode(line)
        return TelemetryLine(_ts_ns(telemetry.ts), _encode(telemetry))
    if not finding.detector or not finding.fields.incident_id:
        return Refused("`detector` and `fields.incident_id` may not be empty")
    if finding.detector == TELEMETRY:
        return Refused("`telemetry` with the members of an incident")
    # Encoding here finds what SQLite could not hold (a lone surrogate, a number beyond 64 bits).
    return NewIncident(finding=finding, ts_ns=_ts_ns(finding.ts), fields=_encode(finding.fields))


def _ts_ns(text: str) -> int:
    ts_ns = parse_rfc3339(text)
    if not 0 <= ts_ns <= TS_MAX_NS:
        raise ValueError(f"`ts` {text!r} lies outside 1970..2262")
    return ts_ns
