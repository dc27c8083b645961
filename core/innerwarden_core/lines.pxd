# SPDX-License-Identifier: Apache-2.0

cdef class LineParser:
    # One line without its newline -> bytes of one record written at `out`, 0 when the line says nothing. `out`
    # must be 8-aligned; room of IW_RECORD_MAX always suffices.
    cdef size_t parse_into(self, const char* line, size_t length, char* out, size_t room) noexcept nogil
