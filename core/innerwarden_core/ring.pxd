# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.atomics cimport (
    iw_fence, iw_load_acquire, iw_load_acquire_u32, iw_prefetch, iw_store_release,
)

cdef enum:
    RING_BUSY = 0x80000000     # BPF_RINGBUF_BUSY_BIT: reserved, not yet committed
    RING_DISCARD = 0x40000000  # BPF_RINGBUF_DISCARD_BIT: committed, to be skipped
    RING_HEADER = 8            # bytes before each record: u32 length and bits, u32 page offset
    PUBLISH_BYTES = 65536      # how far the private position runs ahead of the shared one
    PREFETCH_STRIDES = 12     # records ahead; see ring_next

cdef struct iw_ring:
    uint64_t *consumer      # page 0, shared with the producer
    uint64_t *producer      # page 1, read only
    const uint8_t *data     # two adjacent views of the same bytes, so that a record never wraps
    uint64_t mask
    uint64_t position       # private consumer position, free running
    uint64_t published
    uint64_t limit          # producer position last seen
    uint64_t records        # delivered; discarded ones not counted
    uint64_t discarded
    uint64_t resyncs        # times that the positions or a length made no sense
    bint busy               # the last drain stopped at a reserved record


cdef inline void ring_publish(iw_ring *ring) noexcept nogil:
    if ring.published != ring.position:
        iw_store_release(ring.consumer, ring.position)
        ring.published = ring.position


cdef inline void ring_resync(iw_ring *ring) noexcept nogil:
    """Drop what is there: positions that contradict each other leave no record boundary to trust."""
    ring.position = ring.limit
    ring.resyncs += 1
    ring_publish(ring)


cdef inline bint ring_refresh(iw_ring *ring) noexcept nogil:
    """Look at the producer's position; True when something lies ahead."""
    ring.limit = iw_load_acquire(ring.producer)
    if ring.limit - ring.position > ring.mask + 1:
        ring_resync(ring)
    return ring.limit != ring.position


cdef inline const uint8_t *ring_next(iw_ring *ring, uint32_t *size) noexcept nogil:
    """The next committed record and its length, or NULL at the end, at a reserved record or after damage.

    Valid until ring_publish, which the caller does when `ring_due` says so.
    """
    cdef const uint8_t *at
    cdef uint32_t word, length
    cdef uint64_t stride
    ring.busy = False
    while ring.position != ring.limit:
        at = ring.data + (ring.position & ring.mask)
        word = iw_load_acquire_u32(<const uint32_t *>at)
        if word & RING_BUSY:
            ring.busy = True
            return NULL
        length = word & ~(<uint32_t>RING_DISCARD)
        stride = (<uint64_t>length + RING_HEADER + 7) & ~(<uint64_t>7)
        if stride > ring.limit - ring.position:
            ring_resync(ring)
            return NULL
        # PERF: a record's length is a dependent load, so a plain walk runs at cache latency. Records of one
        # batch mostly have one size: guess. Any guess stays inside the mapping. Row 1 of the benchmarks.
        iw_prefetch(ring.data + ((ring.position + PREFETCH_STRIDES * stride) & ring.mask))
        iw_prefetch(ring.data + ((ring.position + PREFETCH_STRIDES * stride + 64) & ring.mask))
        if stride > 128:  # where the strings of a record are told of; row 2
            iw_prefetch(ring.data + ((ring.position + PREFETCH_STRIDES * stride + 128) & ring.mask))
            iw_prefetch(ring.data + ((ring.position + PREFETCH_STRIDES * stride + 192) & ring.mask))
        ring.position += stride
        if word & RING_DISCARD:
            ring.discarded += 1
            continue
        ring.records += 1
        size[0] = length
        return at + RING_HEADER
    return NULL


cdef inline bint ring_due(const iw_ring *ring) noexcept nogil:
    """Whether so much has been read that the producer should get the room back now."""
    return ring.position - ring.published >= PUBLISH_BYTES


cdef inline bint ring_finish(iw_ring *ring) noexcept nogil:
    """Publish the end of a batch; True when more has come meanwhile.

    The fence orders our store of consumer_pos before the load of producer_pos. Without it a producer that
    notifies on "consumer has caught up" and we could each miss the other's store.
    """
    ring_publish(ring)
    iw_fence()
    return ring_refresh(ring)


cdef class Ring:
    cdef iw_ring ring
    cdef readonly str name
    cdef int fd
    cdef int epoll_fd       # the engine's, once it has registered this ring; -1 before
    cdef bint pollable
    cdef void *consumer_map
    cdef void *producer_map
    cdef size_t page_bytes
    cdef size_t data_bytes
    cdef bint is_open(self) noexcept nogil


cdef class MemoryRing:
    cdef readonly int fd
    cdef readonly uint64_t lost
    cdef void *consumer_map
    cdef void *producer_map
    cdef size_t page_bytes
    cdef size_t data_bytes
    cdef uint8_t *reserve(self, uint32_t size, uint32_t bits) noexcept nogil
    cdef void advance(self, uint32_t size) noexcept nogil
    cdef int check_open(self) except -1
    cdef void release(self) noexcept
