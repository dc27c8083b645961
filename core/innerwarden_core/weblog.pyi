# SPDX-License-Identifier: Apache-2.0
"""The native parser of web server logs: one line in, one wire record out, no regular expression.

The docstring of weblog.pyx lists which line is which kind.
"""

from typing import final

from innerwarden_core.lines import LineParser

@final
class WebParser(LineParser):
    """Lines of nginx and Apache -> log records, in common, combined and vhost_combined format.

    Bare or in a syslog frame; `now_s` and `utc_offset_s` complete the times of RFC 3164 frames.
    """

    def __init__(self, *, now_s: int, utc_offset_s: int = 0, source_id: int = 0) -> None: ...
    def set_now(self, now_s: int, utc_offset_s: int = 0) -> None:
        """Move the bound of the year guess and the zone on."""
    def parse(self, line: bytes) -> bytes | None:
        """One line -> one record, or None when it is no line of a web server's log."""
    def stats(self) -> dict[str, int]:
        """lines, matched, ignored (empty), malformed (no line of such a log), too_long (over 64 KiB)."""
