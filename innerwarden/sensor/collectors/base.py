# SPDX-License-Identifier: Apache-2.0
"""What every collector is: a source of log text that the engine's own thread polls.

A collector is one module of this package with `create(context) -> Collector | None` (None: switched off).
`poll` must return within a few ms and never raise for what the source contains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec
from innerwarden_core import AuthDedup, AuthParser, Engine, Hit, LineParser, WebParser

from innerwarden.config import CollectorsConfig
from innerwarden.model.health import CollectorHealth
from innerwarden.unreadable import UNREADABLE

C = TypeVar("C", bound=msgspec.Struct)
P = TypeVar("P", bound=LineParser)

#: `source_id` of records, by collector.
SOURCE_AUTH_LOG = 1
SOURCE_JOURNALD = 2
SOURCE_NGINX_ACCESS = 3
SOURCE_APACHE_ACCESS = 4
SOURCE_NGINX_ERROR = 5
SOURCE_APACHE_ERROR = 6
SOURCE_KERNEL_LOG = 7
SOURCE_AUDITD = 20
SOURCE_DOCKER = 21
SOURCE_PODMAN = 22
SOURCE_CLOUDTRAIL = 23
SOURCE_RECIPE = 27
SOURCE_SERVICE_LOG = 8


class Collector(Protocol):
    """One log source."""

    id: str

    def warm_up(self, engine: Engine) -> None:
        """Once, before the first poll: give the engine again what led up to the cursor; no hit counts."""

    def poll(self, engine: Engine) -> list[Hit]:
        """Read what is new and run it through the engine."""

    def health(self) -> CollectorHealth | None:
        """Never guesses: working only after a line arrived. None: this machine has nothing of the kind."""

    def cursor(self) -> msgspec.Struct | None:
        """Where to go on after a restart; None before there is such a place."""

    def close(self) -> None:
        """Release descriptors and end own children."""


class Context(msgspec.Struct, frozen=True):
    """What `create` gets. `cursor` is the raw JSON of this collector's last cursor; `dedup` is shared by the
    collectors that may carry the same messages; `kernel`: the kernel source runs, and tells of programs;
    `wants_audit`: whether somebody reads audit records of a type."""

    config: CollectorsConfig
    cursor: bytes | None = None
    dedup: AuthDedup | None = None
    kernel: bool = False
    wants_audit: Callable[[str], bool] = lambda kind: True
    monotonic: Callable[[], float] = time.monotonic


def decode_cursor(raw: bytes | None, shape: type[C]) -> C | None:
    """The cursor, or None when there is none or it has another shape."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=shape)
    except UNREADABLE:
        return None


def utc_offset_s(at_s: float) -> int:
    """This machine's zone at that moment, east positive."""
    return time.localtime(at_s).tm_gmtoff


class Clocked(Generic[P]):
    """A parser whose year guess and zone follow the wall clock, checked once a minute."""

    PERIOD_S = 60.0

    def __init__(self, parser: P, context: Context) -> None:
        self.parser = parser
        self._monotonic = context.monotonic
        self._next = context.monotonic()
        self.refresh()

    def refresh(self) -> P:
        """The parser, with the time of now."""
        if self._monotonic() >= self._next:
            self._next = self._monotonic() + self.PERIOD_S
            now = time.time()
            self.parser.set_now(int(now), utc_offset_s(now))
        return self.parser


def auth_parser(
    source_id: int, context: Context, *, second: bool = False, service_files: bool = False
) -> Clocked[AuthParser]:
    """For a source of syslog messages; those that another source tells too count once."""
    parser = AuthParser(
        now_s=0, source_id=source_id, dedup=context.dedup, second=second, service_files=service_files
    )
    return Clocked(parser, context)


def web_parser(source_id: int, context: Context) -> Clocked[WebParser]:
    return Clocked(WebParser(now_s=0, source_id=source_id), context)
