# SPDX-License-Identifier: Apache-2.0
"""The native parser of authentication logs: one line in, one wire record out, no regular expression.

The docstring of authlog.pyx lists which line is which kind.
"""

from typing import final

from innerwarden_core.lines import LineParser

@final
class AuthDedup:
    """What two parsers of the same messages share, so that each message counts once (authlog_dedup.h).

    Bounded: 8,192 messages of the last minute. Both parsers and this belong to one thread.
    """

    def __init__(self) -> None: ...
    def stats(self) -> dict[str, int]:
        """duplicates (messages not counted again), evicted (messages that may count twice)."""

@final
class AuthParser(LineParser):
    """sshd, PAM, sudo, su, dropbear, account-tool lines, those of services that people log in to, and the kernel's
    firewall's -> log records.

    Reads syslog lines in RFC 3164, RFC 3339 and RFC 5424 form. `now_s` and `utc_offset_s` complete RFC 3164
    times: the newest year that is not in the future. With `dedup` two parsers, one of them `second`, drop
    what the other one already told. `service_files`: lines may have the forms of files that servers write
    themselves (authlog_files.h) besides syslog's.
    """

    def __init__(
        self,
        *,
        now_s: int,
        utc_offset_s: int = 0,
        source_id: int = 0,
        dedup: AuthDedup | None = None,
        second: bool = False,
        service_files: bool = False,
    ) -> None: ...
    def set_now(self, now_s: int, utc_offset_s: int = 0) -> None:
        """Move the bound of the year guess and the zone on; a process that runs on needs both."""
    def parse(self, line: bytes) -> bytes | None:
        """One line -> one record, or None when the line says nothing about authentication."""
    def parse_message(
        self, ts_ns: int, host: bytes, program: bytes, pid: int, message: bytes
    ) -> bytes | None:
        """The same for a line already split, as journald delivers it."""
    def stats(self) -> dict[str, int]:
        """lines, matched, ignored, malformed (no syslog line), too_long (over 64 KiB)."""
