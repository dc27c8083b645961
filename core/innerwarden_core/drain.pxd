# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.pipeline cimport iw_pipeline
from innerwarden_core.ring cimport Ring, iw_ring

cdef enum:
    MAX_RINGS = 64
    SLICE = 4096    # records of one ring before the rings in front of it get another turn

cdef struct iw_rings:
    iw_ring *items[MAX_RINGS]
    uint32_t count
    bint pollable       # at least one can wake us
    int epoll_fd
    uint64_t malformed[16]

cdef bint rings_wait(iw_rings *rings, int timeout_ms, int idle_ms) noexcept nogil
cdef uint32_t rings_drain(iw_rings *rings, iw_pipeline *pipeline, uint32_t limit) noexcept nogil
cdef size_t buffer_walk(
    iw_rings *rings, iw_pipeline *pipeline, const uint8_t *data, size_t size,
) noexcept nogil
cdef int rings_open(iw_rings *rings) except -1
cdef int rings_collect(iw_rings *rings, tuple sequence) except -1
