# SPDX-License-Identifier: Apache-2.0
"""Where records come from: several rings by priority, or a buffer; and the wait for more."""

from libc.errno cimport EEXIST, EPERM, errno
from libc.string cimport memset

import os

from innerwarden_core.decode cimport JOINED_MAX, MALFORMED_NONE, check_record
from innerwarden_core.hits cimport hits_full
from innerwarden_core.pipeline cimport pipeline_run, pipeline_settle
from innerwarden_core.record cimport IW_RECORD_MAX, iw_header
from innerwarden_core.ring cimport ring_due, ring_finish, ring_next, ring_publish, ring_refresh

cdef extern from "sys/epoll.h" nogil:
    enum: EPOLL_CLOEXEC
    enum: EPOLL_CTL_ADD
    enum: EPOLLIN
    enum: EPOLLET
    cdef union iw_epoll_data "epoll_data_t":
        void *ptr
    cdef struct iw_epoll_event "epoll_event":
        uint32_t events
        iw_epoll_data data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, iw_epoll_event *event)
    int epoll_wait(int epfd, iw_epoll_event *events, int count, int timeout_ms)

cdef extern from "unistd.h" nogil:
    int usleep(unsigned int microseconds)


cdef uint32_t drain_slice(iw_rings *rings, iw_pipeline *pipeline, iw_ring *ring, uint32_t limit) noexcept nogil:
    """Up to `limit` records of one ring; returns how many."""
    cdef uint32_t done = 0, size = 0
    cdef int reason
    cdef const uint8_t *data
    if not ring_refresh(ring):
        return 0
    while done < limit:
        data = ring_next(ring, &size)
        if data == NULL:
            break
        done += 1
        # The ring's own length bounds the walk, so a bad record costs only itself.
        reason = check_record(data, size, IW_RECORD_MAX)
        if reason != MALFORMED_NONE:
            rings.malformed[reason] += 1
        elif pipeline_run(pipeline, data) and hits_full(&pipeline.hits):
            break
        if ring_due(ring):
            pipeline_settle(pipeline)
            ring_publish(ring)
    pipeline_settle(pipeline)
    ring_finish(ring)
    return done


cdef uint32_t rings_drain(iw_rings *rings, iw_pipeline *pipeline, uint32_t limit) noexcept nogil:
    """Empty the rings, earlier ones first: after every slice of a later ring the earlier get a turn."""
    cdef uint32_t done = 0, i = 0, taken
    while i < rings.count and done < limit and not hits_full(&pipeline.hits):
        taken = drain_slice(rings, pipeline, rings.items[i], min(limit - done, <uint32_t>SLICE))
        done += taken
        if taken == 0 or rings.items[i].busy:
            i += 1
        elif i > 0:
            i = 0
    return done


cdef size_t buffer_walk(
    iw_rings *rings, iw_pipeline *pipeline, const uint8_t *data, size_t size,
) noexcept nogil:
    """Run contiguous records until the end or until the hits are full; returns the bytes done.

    Nothing but a record's own size says where the next one is: after a size that can not be, the rest is one
    malformed record.
    """
    cdef size_t at = 0
    cdef uint32_t length
    cdef int reason
    while at < size and not hits_full(&pipeline.hits):
        reason = check_record(data + at, size - at, JOINED_MAX)
        if reason == MALFORMED_NONE:
            pipeline_run(pipeline, data + at)
        else:
            rings.malformed[reason] += 1
        length = (<const iw_header *>(data + at)).size if size - at >= sizeof(iw_header) else 0
        if length < sizeof(iw_header) or length & 7 or length > size - at:
            at = size
            break
        at += length
    pipeline_settle(pipeline)
    return at


cdef inline bint has_more(iw_ring *ring, uint64_t bytes_) noexcept nogil:
    """Whether more than `bytes_` wait and the first of them may be read."""
    return ring_refresh(ring) and not ring.busy and ring.limit - ring.position > bytes_


cdef inline bint anything(iw_rings *rings) noexcept nogil:
    cdef uint32_t i
    for i in range(rings.count):
        if has_more(rings.items[i], 0):
            return True
    return False


cdef bint rings_wait(iw_rings *rings, int timeout_ms, int idle_ms) noexcept nogil:
    """Sleep until a wake-up or the end of the timeout, and again, up to `idle_ms` in all, while nothing is there; False
    on an interrupt.

    Producers do not wake us for single records, so epoll is edge-triggered here: it reports wake-ups, not data.
    Level-triggered it would find data at nearly every call, and the batches would shrink to nothing. A
    wake-up that an edge misses costs one timeout at most, because the timeout is always finite and the drain looks
    at the rings whatever epoll said. Nor does a reserved record keep us spinning.
    """
    cdef iw_epoll_event events[8]
    cdef int waited = 0
    cdef uint32_t i
    for i in range(rings.count):
        if has_more(rings.items[i], rings.items[i].mask >> 3):
            return True  # a burst: an eighth of the ring is waiting
    while rings.pollable:
        if epoll_wait(rings.epoll_fd, events, 8, timeout_ms) < 0:
            return False
        waited += timeout_ms
        if waited >= idle_ms or anything(rings):
            return True
    while waited < max(timeout_ms, idle_ms):  # memory files have no wake-ups
        if anything(rings):
            return True
        if usleep(1000) < 0:
            return False
        waited += 1
    return True


cdef int rings_open(iw_rings *rings) except -1:
    rings.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
    if rings.epoll_fd < 0:
        raise OSError(errno, f"epoll_create1: {os.strerror(errno)}")
    return 0


cdef int rings_collect(iw_rings *rings, tuple sequence) except -1:
    """Take these rings for the next wait and drain; registers each with epoll once."""
    cdef Ring ring
    cdef iw_epoll_event event
    rings.count = 0
    rings.pollable = False
    if len(sequence) > MAX_RINGS:
        raise ValueError(f"{len(sequence)} rings are more than {MAX_RINGS}")
    for ring in sequence:
        if not ring.is_open():
            raise ValueError(f"ring {ring.name} is closed")
        if ring.pollable and ring.epoll_fd != rings.epoll_fd:
            memset(&event, 0, sizeof(event))
            event.events = <uint32_t>EPOLLIN | <uint32_t>EPOLLET
            if epoll_ctl(rings.epoll_fd, EPOLL_CTL_ADD, ring.fd, &event) == 0 or errno == EEXIST:
                ring.epoll_fd = rings.epoll_fd
            elif errno == EPERM:  # a memory file
                ring.pollable = False
            else:
                raise OSError(errno, f"epoll on ring {ring.name}: {os.strerror(errno)}")
        rings.pollable = rings.pollable or ring.pollable
        rings.items[rings.count] = &ring.ring
        rings.count += 1
    return 0
