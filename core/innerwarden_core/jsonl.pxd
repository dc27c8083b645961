# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.record cimport iw_header
from innerwarden_core.view cimport iw_view

cdef struct iw_event_lines:
    char *data
    size_t used
    size_t room
    uint64_t lost           # events without a line, for want of memory or beyond LINES_MAX

cdef object lines_take(iw_event_lines *self)
cdef void lines_free(iw_event_lines *self) noexcept
cdef void event_line(iw_event_lines *self, iw_view *view, uint64_t offset_ns) noexcept nogil
