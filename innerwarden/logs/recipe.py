# SPDX-License-Identifier: Apache-2.0
"""A recipe: how the JSON lines that another tool writes become `tool.alert` records. Data, no code.

`innerwarden.modules.recipes` reads and checks recipe files; this runs them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from innerwarden.logs.containers import rfc3339_ns
from innerwarden.logs.json_path import JsonPath, as_text
from innerwarden.logs.reader import Stats
from innerwarden.model.pack import Packer, address
from innerwarden.unreadable import UNREADABLE

#: Keys of `dedupe` that are remembered.
MAX_SEEN = 4096
NS = 1_000_000_000
_SLUG = re.compile(r"[^a-z0-9.]+")
_PLACE = re.compile(r"\{([^{}]+)\}")
_RANKS = {"debug": 0, "info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
#: IPPROTO_* by the names that tools write.
_PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "sctp": 132,
}

SeverityName = Literal["debug", "info", "low", "medium", "high", "critical"]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of a recipe: an unknown key is an error."""


class About(Table, frozen=True, kw_only=True):
    """`id` is the collector's id and the `tool` of its events."""

    id: str
    name: str
    description: str
    tool_url: str = ""
    license: str = "Apache-2.0"


class Input(Table, frozen=True, kw_only=True):
    """`paths` as of other log files, for mechanism file; `command` as an argument list, for mechanism command."""

    mechanism: Literal["file", "command"] = "file"
    paths: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    line_max_bytes: int = 262144


class EventTable(Table, frozen=True, kw_only=True):
    """Places of what every event has. `time_format` is rfc3339, unix_s, unix_ms, unix_ns or strptime:FORMAT (UTC).

    `kind` is text with {places} in it. `items`: a list of which each item
    is an event of its own, found at `item` beside the rest.
    """

    time: str
    time_format: str = "rfc3339"
    message: str
    kind: str
    items: str = ""


class LabelRange(Table, frozen=True, kw_only=True):
    """Numbers with both ends included."""

    low: float = msgspec.field(name="from")
    high: float = msgspec.field(name="to")
    severity: SeverityName


class Match(Table, frozen=True, kw_only=True):
    """`contains` anywhere in the text at `field`, without regard to case."""

    field: str
    contains: str
    severity: SeverityName


class SeverityTable(Table, frozen=True, kw_only=True):
    """The first that holds: a match in order, the label, the range, the default."""

    field: str = ""
    default: SeverityName = "info"
    labels: dict[str, SeverityName] = msgspec.field(default_factory=dict)
    ranges: tuple[LabelRange, ...] = ()
    matches: tuple[Match, ...] = ()


class Filter(Table, frozen=True, kw_only=True):
    """Keeps an event when every condition that is given holds. Text compares without regard to case."""

    field: str
    exists: bool | None = None
    equals: tuple[str, ...] = ()
    not_equals: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()


class Dedupe(Table, frozen=True, kw_only=True):
    """Events with equal texts at `fields` within `within_s` seconds are one."""

    fields: tuple[str, ...]
    within_s: int = 60


class Rate(Table, frozen=True, kw_only=True):
    """Events of one second (by their own time) beyond this are counted and left out."""

    per_second: int = 200


class Recipe(Table, frozen=True, kw_only=True):
    """`fields`: member of struct iw_tool_alert -> places, of which the first that has something counts.

    `absent`: texts that mean that there is nothing, e.g. "<NA>".
    """

    recipe: About
    input: Input
    event: EventTable
    severity: SeverityTable = SeverityTable()
    fields: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    filters: tuple[Filter, ...] = ()
    absent: tuple[str, ...] = ()
    dedupe: Dedupe | None = None
    rate: Rate = Rate()
    module: str = ""
    """The module that it came with; not a key of the file."""


#: Members that a recipe may fill, beside those that it must.
TEXTS = (
    "rule_id", "rule_message", "host_name", "program", "user", "src_host", "path", "command", "container_ref",
    "container_name", "container_image", "name", "alert_tags",
)  # fmt: skip
NUMBERS = ("src_port", "dst_port", "pid", "repeat_count")
ADDRESSES = ("src_ip", "dst_ip")
MEMBERS = (*TEXTS, *NUMBERS, *ADDRESSES, "protocol")


class RecipeReader:
    """Runs one recipe that was checked."""

    def __init__(self, recipe: Recipe, source_id: int = 0) -> None:
        self.stats = Stats()
        self._recipe = recipe
        self._packer = Packer("tool.alert", source_id)
        self._time = JsonPath(recipe.event.time)
        self._message = JsonPath(recipe.event.message)
        self._items = JsonPath(recipe.event.items) if recipe.event.items else None
        self._kind = [(part, JsonPath(part)) for part in _PLACE.findall(recipe.event.kind)]
        self._fields = {name: [JsonPath(place) for place in places] for name, places in recipe.fields.items()}
        self._filters = [(one, JsonPath(one.field)) for one in recipe.filters]
        self._label = JsonPath(recipe.severity.field) if recipe.severity.field else None
        self._matches = [(one, JsonPath(one.field)) for one in recipe.severity.matches]
        self._labels = {label.lower(): severity for label, severity in recipe.severity.labels.items()}
        self._keys = [JsonPath(place) for place in recipe.dedupe.fields] if recipe.dedupe else []
        self._seen: OrderedDict[tuple[str | None, ...], int] = OrderedDict()
        self._absent = frozenset(recipe.absent)
        self._second = self._in_second = 0

    def read(self, chunk: bytes) -> list[bytes]:
        out: list[bytes] = []
        for line in chunk.split(b"\n"):
            if line.strip():
                self.stats.lines += 1
                out += self._line(line)
        return out

    def idle(self) -> list[bytes]:
        return []

    def finish(self) -> list[bytes]:
        return []

    def _line(self, line: bytes) -> list[bytes]:
        try:
            tree = msgspec.json.decode(line)
        except UNREADABLE:
            self.stats.malformed += 1
            return []
        if not isinstance(tree, dict):
            self.stats.malformed += 1
            return []
        trees = [tree]
        if self._items is not None and (
            lists := [one for one in self._items.values(tree) if isinstance(one, list)]
        ):
            trees = [{**tree, "item": item} for items in lists for item in items]
        found = [record for one in trees if (record := self._event(one)) is not None]
        self.stats.matched += bool(found)
        return found

    def _event(self, tree: dict[str, Any]) -> bytes | None:
        if not all(_keeps(one, path.text_of(tree)) for one, path in self._filters):
            return None
        ts_ns = self._when(tree)
        if ts_ns is None:
            self.stats.malformed += 1
            return None
        if self._is_repeated(tree, ts_ns) or self._is_too_many(ts_ns):
            return None
        severity = self._severity(tree)
        values: dict[str, int | str | bytes | None] = {
            "tool": self._recipe.recipe.id,
            "alert_kind": self._kind_of(tree),
            "alert_severity": severity,
            "alert_rank": _RANKS[severity],
        }
        for name, places in self._fields.items():
            text = next((text for place in places if (text := self._text(place, tree)) is not None), None)
            if text is not None:
                values |= _member(name, text)
        values["message"] = self._text(self._message, tree)
        return self._packer.pack(ts_ns, values)

    def _text(self, path: JsonPath, tree: dict[str, Any]) -> str | None:
        text = path.text_of(tree)
        return None if text is None or text in self._absent else text

    def _when(self, tree: dict[str, Any]) -> int | None:
        values = self._time.values(tree)
        return time_ns(values[0], self._recipe.event.time_format) if values else None

    def _kind_of(self, tree: dict[str, Any]) -> str:
        text = self._recipe.event.kind
        for place, path in self._kind:
            text = text.replace(f"{{{place}}}", path.text_of(tree) or "other")
        return _SLUG.sub("_", text.lower()).strip("_")[:128]

    def _severity(self, tree: dict[str, Any]) -> SeverityName:
        table = self._recipe.severity
        for match, path in self._matches:
            if match.contains.lower() in (path.text_of(tree) or "").lower():
                return match.severity
        label = self._label.text_of(tree) if self._label else None
        if label is None:
            return table.default
        if (named := self._labels.get(label.lower())) is not None:
            return named
        try:
            number = float(label)
        except ValueError:
            return table.default
        return next((one.severity for one in table.ranges if one.low <= number <= one.high), table.default)

    def _is_repeated(self, tree: dict[str, Any], ts_ns: int) -> bool:
        if self._recipe.dedupe is None:
            return False
        key = tuple(path.text_of(tree) for path in self._keys)
        before = self._seen.get(key)
        if before is not None and abs(ts_ns - before) < self._recipe.dedupe.within_s * NS:
            return True
        self._seen[key] = ts_ns
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return False

    def _is_too_many(self, ts_ns: int) -> bool:
        second = ts_ns // NS
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second <= self._recipe.rate.per_second:
            return False
        self.stats.lost += 1
        return True


def _keeps(one: Filter, text: str | None) -> bool:
    lower = (text or "").lower()
    if one.exists is not None and one.exists != (text is not None):
        return False
    if one.equals and lower not in [other.lower() for other in one.equals]:
        return False
    if one.not_equals and lower in [other.lower() for other in one.not_equals]:
        return False
    return not one.contains or any(other.lower() in lower for other in one.contains)


def _member(name: str, text: str) -> dict[str, int | str | bytes | None]:
    """A member with its value; what is no number or address where one belongs is left out, or is a name."""
    if name in NUMBERS:
        return {name: int(text)} if text.isascii() and text.isdecimal() and len(text) < 11 else {}
    if name == "protocol":
        number = _PROTOCOLS.get(text.lower(), int(text) if text.isascii() and text.isdecimal() else None)
        return {name: number} if number is not None and number < 256 else {}
    if name in ADDRESSES:
        where = address(text)
        if where is not None:
            return {name: where}
        return {"src_host": text} if name == "src_ip" else {}
    return {name: text}


def time_ns(value: object, form: str) -> int | None:
    """A time in one of a recipe's formats as nanoseconds since the epoch; None for what is none."""
    if form == "rfc3339":
        return rfc3339_ns(value, zone=UTC)
    if form.startswith("strptime:"):
        try:
            moment = datetime.strptime(as_text(value) or "", form.removeprefix("strptime:"))
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        ts_ns = int(moment.timestamp() * 1_000_000) * 1000
        return ts_ns if 0 < ts_ns < 1 << 63 else None
    try:
        number = float(as_text(value) or "")
    except ValueError:
        return None
    scale = UNITS[form]
    if not 0 < number * scale < 1 << 63:
        return None
    # In two parts: a nanosecond of today is beyond what a float can tell.
    whole = int(value) if isinstance(value, int) else int(number)
    return whole * scale + (0 if isinstance(value, int) else int((number - whole) * scale))


UNITS: dict[str, int] = {"unix_s": NS, "unix_ms": 1_000_000, "unix_ns": 1}
TIME_FORMATS: tuple[str, ...] = ("rfc3339", *UNITS)
