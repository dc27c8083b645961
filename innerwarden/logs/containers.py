# SPDX-License-Identifier: Apache-2.0
"""What Docker and Podman tell of containers: their event streams, and how a container was set up.

Source: docker-events(1), docker-inspect(1), podman-events(1), podman-inspect(1). Podman's stream repeats itself when
its log file is rotated, and a stream that is resumed begins with what was told already; each event counts once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from innerwarden.logs.container_settings import settings_of, table
from innerwarden.logs.reader import Stats
from innerwarden.model.pack import Packer
from innerwarden.unreadable import UNREADABLE

#: Events that are remembered, to know one again.
MAX_SEEN = 4096
#: Podman's words for what Docker calls otherwise.
ACTIONS = {"died": "die", "remove": "destroy", "exec": "exec_create", "exec_died": "exec_die"}
ID = re.compile(r"[0-9a-f]{12,64}")
#: Of times that are believed, and fit a record.
FIRST_YEAR, LAST_YEAR = 1971, 2261
_FRACTION = re.compile(r"\.(\d{1,9})")


class Happened(msgspec.Struct, frozen=True):
    """One event of a container."""

    ts_ns: int
    container_ref: str
    name: str
    image: str
    action: str
    exit_code: int
    signal: str


class ContainerReader:
    """Lines of an event stream, and of `inspect`, each one JSON object. `runtime` is docker or podman.

    `inspect_at` stamps what `inspect` says; without it, the container's own start or making does.
    """

    def __init__(
        self,
        runtime: str = "docker",
        source_id: int = 0,
        *,
        inspect_at: Callable[[], int] | None = None,
    ) -> None:
        self.stats = Stats()
        self.last_ns = 0
        """Of the newest event that was read."""
        self._runtime = runtime
        self._lifecycle = Packer("container.lifecycle", source_id)
        self._settings = Packer("container.settings", source_id)
        self._inspect_at = inspect_at
        self._seen: OrderedDict[tuple[int, str, str], None] = OrderedDict()

    def read(self, chunk: bytes) -> list[bytes]:
        out = []
        for line in chunk.split(b"\n"):
            if line.strip():
                out += self.take(line)[0]
        return out

    def idle(self) -> list[bytes]:
        return []

    def finish(self) -> list[bytes]:
        return []

    def take(self, line: bytes) -> tuple[list[bytes], list[Happened]]:
        """Records of one line, and the events among them."""
        self.stats.lines += 1
        try:
            tree = msgspec.json.decode(line)
        except UNREADABLE:
            self.stats.malformed += 1
            return [], []
        records: list[bytes] = []
        events: list[Happened] = []
        understood = False
        for item in tree if isinstance(tree, list) else [tree]:
            if not isinstance(item, dict):
                continue
            if isinstance(item.get("HostConfig"), dict):
                if (record := self._inspected(item)) is not None:
                    understood = True
                    records.append(record)
            elif "Type" in item or "Status" in item:
                understood = True
                if (event := happened(item)) is not None and self._is_new(event):
                    events.append(event)
                    records.append(self._told(event))
        self.stats.matched += bool(records)
        self.stats.malformed += not understood
        return records, events

    def _is_new(self, event: Happened) -> bool:
        key = (event.ts_ns, event.container_ref, event.action)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        self.last_ns = event.ts_ns
        return True

    def _told(self, event: Happened) -> bytes:
        values: dict[str, int | str | bytes | None] = {
            "program": self._runtime,
            "action": event.action,
            "container_ref": event.container_ref,
            "container_name": event.name,
            "container_image": event.image,
            "exit_code": event.exit_code,
            "reason": f"signal {event.signal}" if event.signal else None,
        }
        return self._lifecycle.pack(event.ts_ns, values)

    def _inspected(self, tree: dict[str, Any]) -> bytes | None:
        found = settings_of(tree)
        ts_ns = self._inspect_at() if self._inspect_at is not None else _set_up_ns(tree)
        if found is None or ts_ns is None:
            return None
        values: dict[str, int | str | bytes | None] = {
            "program": self._runtime,
            "action": "inspect",
            **msgspec.structs.asdict(found),
        }
        return self._settings.pack(ts_ns, values)


def happened(tree: dict[str, Any]) -> Happened | None:
    """An event of a container; None for those of images, volumes and networks, and for what is no event."""
    if str(tree.get("Type") or "container") != "container":
        return None
    actor = table(tree.get("Actor"))
    attributes = table(actor.get("Attributes")) or table(tree.get("Attributes"))
    names = (actor.get("ID"), tree.get("ID"), tree.get("id"))
    container = next((name for name in names if isinstance(name, str) and ID.fullmatch(name)), None)
    action = _text(tree.get("Action"), tree.get("Status"), tree.get("status")).partition(":")[0]
    ts_ns = _time(tree)
    if container is None or not action or ts_ns is None:
        return None
    code = tree.get("ContainerExitCode", attributes.get("exitCode", attributes.get("containerExitCode", 0)))
    return Happened(
        ts_ns=ts_ns,
        container_ref=container,
        name=_text(attributes.get("name"), tree.get("Name")),
        image=_text(attributes.get("image"), tree.get("Image"), tree.get("from")),
        action=ACTIONS.get(action, action),
        exit_code=_number(code),
        signal=_text(attributes.get("signal")),
    )


def _time(tree: dict[str, Any]) -> int | None:
    nano = tree.get("timeNano")
    if isinstance(nano, int) and 0 < nano < 1 << 63:
        return nano
    seconds = tree.get("time")
    if isinstance(seconds, int) and 0 < seconds < 1 << 33:
        return seconds * 1_000_000_000
    return rfc3339_ns(tree.get("Time"))


def _set_up_ns(tree: dict[str, Any]) -> int | None:
    return rfc3339_ns(table(tree.get("State")).get("StartedAt")) or rfc3339_ns(tree.get("Created"))


def rfc3339_ns(text: object, *, zone: tzinfo | None = None) -> int | None:
    """Nanoseconds since the epoch; None for what is no such time. `zone` is that of a time which names none."""
    if not isinstance(text, str):
        return None
    fraction = _FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    except ValueError:
        return None
    if moment.tzinfo is None:
        if zone is None:
            return None
        moment = moment.replace(tzinfo=zone)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    nanoseconds = int(fraction[1].ljust(9, "0")) if fraction else 0
    return int(moment.timestamp()) * 1_000_000_000 + nanoseconds


def _text(*candidates: object) -> str:
    return next((one for one in candidates if isinstance(one, str) and one), "")


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else 0


def ids(text: bytes) -> Iterator[str]:
    """Ids of containers, one to a line."""
    for line in text.decode("ascii", "replace").split("\n"):
        if ID.fullmatch(line.strip()):
            yield line.strip()
