# SPDX-License-Identifier: Apache-2.0
"""Log sources by name, with the parser of their lines: for cases, for replay, for the tests."""

from __future__ import annotations

from typing import Protocol

from innerwarden_core import AuthParser, LineParser, WebParser

from innerwarden.errors import UsageError


class MakeParser(Protocol):
    def __call__(self, *, now_s: int, utc_offset_s: int = 0) -> LineParser: ...


#: A source's name is its collector's.
PARSERS: dict[str, MakeParser] = {
    "auth_log": AuthParser,
    "kernel_log": AuthParser,
    "nginx_access": WebParser,
    "apache_access": WebParser,
    "nginx_error": WebParser,
    "apache_error": WebParser,
}


def parser_of(source: str, now_s: int, utc_offset_s: int = 0) -> LineParser:
    """A fresh parser; the time bounds the year that some lines leave out. Raises UsageError."""
    if source not in PARSERS:
        raise UsageError(f"unknown log source {source!r}", f"Use one of {', '.join(PARSERS)}")
    return PARSERS[source](now_s=now_s, utc_offset_s=utc_offset_s)
