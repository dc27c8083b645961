# SPDX-License-Identifier: Apache-2.0
from cython cimport final
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.chunks cimport iw_chunks
from innerwarden_core.detector cimport iw_handler
from innerwarden_core.hits cimport iw_hits
from innerwarden_core.proctable cimport iw_table
from innerwarden_core.program cimport KINDS, Program, iw_program
from innerwarden_core.record cimport iw_header
from innerwarden_core.ring cimport iw_ring
from innerwarden_core.view cimport iw_view
from innerwarden_core.windows cimport iw_fired, iw_window

cdef enum:
    MAX_RINGS = 64
    MAX_DETECTORS = 64
    MAX_FEEDS = 512         # windows that one record may feed
    SLICE = 4096            # records of one ring before the rings in front of it get another turn

# One event on its way into one window.
cdef struct iw_feed:
    uint64_t key
    uint32_t window
    uint32_t step
    uint32_t group


cdef struct iw_native:
    iw_handler handler
    void *state

cdef struct iw_capture:
    uint8_t *data
    size_t used
    size_t room
    bint enabled
    uint64_t lost


@final
cdef class Engine:
    cdef iw_table table
    cdef iw_view view
    cdef iw_hits hits
    cdef iw_chunks chunks
    cdef iw_program *program
    cdef iw_window **windows
    cdef uint8_t *joined
    cdef iw_native natives[MAX_DETECTORS]
    cdef uint8_t native_lists[KINDS][MAX_DETECTORS]
    cdef uint32_t native_counts[KINDS]
    cdef uint64_t seed
    cdef uint64_t offset_ns
    cdef uint64_t sequence
    cdef uint64_t records[KINDS]
    cdef uint64_t bytes_[KINDS]
    cdef uint64_t malformed[16]
    cdef uint64_t feeds_lost
    cdef iw_feed feeds[MAX_FEEDS]
    cdef iw_capture captured
    cdef int epoll_fd
    cdef uint32_t window_keys
    cdef bint behind            # the last drain left records behind
    cdef Program _program
    cdef dict _windows          # owner -> Window
    cdef dict _natives          # owner -> (key, Detector)
    cdef list _owners
    cdef object _lock
    cdef void run(self, const uint8_t *data) noexcept nogil
    cdef void apply(self, const iw_header *record) noexcept nogil
    cdef void judge(self, const iw_header *record) noexcept nogil
    cdef void emit(self, uint32_t rule, uint64_t ts_ns) noexcept nogil
    cdef void correlate(self, uint32_t count, uint64_t ts_ns) noexcept nogil
    cdef void feed_window(self, const iw_feed *feed, uint64_t ts_ns) noexcept nogil
    cdef void report(
        self, iw_window *window, const iw_feed *feed, const iw_fired *fired, uint64_t ts_ns,
    ) noexcept nogil
    cdef void keep(self, const iw_header *record) noexcept nogil
    cdef uint32_t slice(self, iw_ring *ring, uint32_t limit) noexcept nogil
    cdef uint32_t consume(self, iw_ring **rings, uint32_t count, uint32_t limit) noexcept nogil
    cdef size_t walk(self, const uint8_t *data, size_t size) noexcept nogil
    cdef bint wait(self, iw_ring **rings, uint32_t count, int timeout_ms, bint pollable) noexcept nogil
    cdef uint32_t collect(self, iw_ring **rings, object sequence) except? 0xFFFFFFFF
