# SPDX-License-Identifier: Apache-2.0
"""What every native log parser is to the engine: a line in, a record out (`Engine.feed_lines`)."""

from libc.stdint cimport int64_t


cdef class LineParser:
    """Base of the parsers. By itself it understands nothing."""

    cdef size_t parse_into(self, const char* line, size_t length, char* out, size_t room) noexcept nogil:
        return 0

    def set_now(self, int64_t now_s, int64_t utc_offset_s=0):
        """For parsers of times that have no year or no zone."""

    def parse(self, bytes line not None):
        """One line -> one record, or None."""
        return None

    def stats(self):
        """Counters by name."""
        return {}
