# SPDX-License-Identifier: Apache-2.0
"""What every native log parser is to the engine."""

class LineParser:
    """A line in, a record out: what `Engine.feed_lines` takes. By itself it understands nothing."""

    def set_now(self, now_s: int, utc_offset_s: int = 0) -> None:
        """For parsers of times that have no year or no zone."""
    def parse(self, line: bytes) -> bytes | None:
        """One line -> one record, or None when the line says nothing."""
    def stats(self) -> dict[str, int]:
        """Counters by name."""
