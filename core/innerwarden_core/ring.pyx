# SPDX-License-Identifier: Apache-2.0
"""The BPF ring buffer, consumer side, and a memory file with the same layout that has a producer side.

Layout (kernel/bpf/ringbuf.c): page 0 holds consumer_pos and is writable, page 1 holds producer_pos, then
the data area, mapped twice in a row. Positions are free running; a record is an 8-byte header (u32 length
with a busy and a discard bit, u32 page offset) and its bytes, padded to 8.
"""

from libc.errno cimport errno
from libc.string cimport memcpy

import os

from innerwarden_core.atomics cimport iw_store_release_u32

cdef extern from "sys/mman.h" nogil:
    enum: PROT_READ
    enum: PROT_WRITE
    enum: MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void *address, size_t size)

cdef extern from "sys/epoll.h" nogil:
    enum: EPOLL_CTL_DEL
    int epoll_ctl(int epfd, int operation, int fd, void *event)


cdef size_t page_size() except 0:
    """64 KiB on some arm64 kernels; the ring's layout counts in it."""
    return os.sysconf("SC_PAGE_SIZE")


cdef void *map_shared(int fd, size_t size, int protection, size_t offset) except NULL:
    cdef void *address = mmap(NULL, size, protection, MAP_SHARED, fd, <long>offset)
    if address == MAP_FAILED:
        raise OSError(errno, f"cannot map the ring of descriptor {fd}: {os.strerror(errno)}")
    return address


cdef int check_size(size_t data_bytes, size_t page_bytes) except -1:
    if data_bytes < page_bytes or data_bytes & (data_bytes - 1):
        raise ValueError(f"a ring has a power of two of at least {page_bytes} bytes, not {data_bytes}")
    return 0


cdef void unmap(void **consumer, void **producer, int *fd, size_t page_bytes, size_t data_bytes) noexcept:
    """Give back a ring's two mappings and its descriptor; what is given back already is left alone."""
    if consumer[0] != NULL:
        munmap(consumer[0], page_bytes)
        consumer[0] = NULL
    if producer[0] != NULL:
        munmap(producer[0], page_bytes + 2 * data_bytes)
        producer[0] = NULL
    if fd[0] >= 0:
        os.close(fd[0])
        fd[0] = -1


cdef class Ring:
    """The consumer side. Consumes from where the previous consumer of the same map stopped."""

    def __cinit__(self):
        self.fd = -1
        self.epoll_fd = -1

    def __init__(self, int fd, size_t data_bytes, str name="ring"):
        if self.fd != -1:
            raise ValueError("a ring is opened once")
        self.page_bytes = page_size()
        check_size(data_bytes, self.page_bytes)
        self.name = name
        self.data_bytes = data_bytes
        # Our own descriptor: the caller may close the one it passed.
        self.fd = os.dup(fd)
        self.pollable = True
        self.consumer_map = map_shared(self.fd, self.page_bytes, PROT_READ | PROT_WRITE, 0)
        self.producer_map = map_shared(
            self.fd, self.page_bytes + 2 * data_bytes, PROT_READ, self.page_bytes
        )
        self.ring.consumer = <uint64_t *>self.consumer_map
        self.ring.producer = <uint64_t *>self.producer_map
        self.ring.data = <const uint8_t *>self.producer_map + self.page_bytes
        self.ring.mask = data_bytes - 1
        self.ring.position = iw_load_acquire(self.ring.consumer)
        self.ring.published = self.ring.position

    cdef bint is_open(self) noexcept nogil:
        return self.producer_map != NULL

    @property
    def consumed(self):
        """Records delivered to an engine; discarded reservations are not records."""
        return self.ring.records

    @property
    def resyncs(self):
        """Times that the ring's contents were dropped because positions or a length made no sense."""
        return self.ring.resyncs

    def pending(self):
        """Bytes between the producer and us, ring headers included; 0 once closed."""
        if not self.is_open():
            return 0
        return iw_load_acquire(self.ring.producer) - self.ring.position

    def close(self):
        """Unmap. A second call does nothing."""
        if self.epoll_fd >= 0 and self.fd >= 0:
            epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, self.fd, NULL)
        self.epoll_fd = -1
        unmap(&self.consumer_map, &self.producer_map, &self.fd, self.page_bytes, self.data_bytes)

    def __dealloc__(self):
        unmap(&self.consumer_map, &self.producer_map, &self.fd, self.page_bytes, self.data_bytes)


cdef class MemoryRing:
    """A memory file with the ring's layout, and its producer.

    The file holds the data area's two views one after the other, not aliased: a record that crosses the end
    of the first is written, and read, in the second, and nothing else ever looks there.
    """

    def __cinit__(self):
        self.fd = -1

    def __init__(self, size_t data_bytes):
        if self.fd != -1:
            raise ValueError("a ring is opened once")
        self.page_bytes = page_size()
        check_size(data_bytes, self.page_bytes)
        self.data_bytes = data_bytes
        self.fd = os.memfd_create("innerwarden-ring")
        os.truncate(self.fd, 2 * self.page_bytes + 2 * data_bytes)
        self.consumer_map = map_shared(self.fd, self.page_bytes, PROT_READ, 0)
        self.producer_map = map_shared(
            self.fd, self.page_bytes + 2 * data_bytes, PROT_READ | PROT_WRITE, self.page_bytes
        )

    cdef uint8_t *reserve(self, uint32_t size, uint32_t bits) noexcept nogil:
        """Room for one record whose header says `bits`; NULL when the ring is full. One producer at a time."""
        cdef uint64_t *producer = <uint64_t *>self.producer_map
        cdef uint64_t at = producer[0]
        cdef uint64_t stride = (<uint64_t>size + RING_HEADER + 7) & ~(<uint64_t>7)
        cdef uint64_t used = at - iw_load_acquire(<uint64_t *>self.consumer_map)
        cdef uint8_t *place
        if used + stride > self.data_bytes or size >= RING_DISCARD:
            self.lost += 1
            return NULL
        place = <uint8_t *>self.producer_map + self.page_bytes + (at & (self.data_bytes - 1))
        (<uint32_t *>place)[1] = 0
        iw_store_release_u32(<uint32_t *>place, size | bits)
        return place

    cdef void advance(self, uint32_t size) noexcept nogil:
        cdef uint64_t *producer = <uint64_t *>self.producer_map
        cdef uint64_t stride = (<uint64_t>size + RING_HEADER + 7) & ~(<uint64_t>7)
        iw_store_release(producer, producer[0] + stride)

    cdef int check_open(self) except -1:
        if self.producer_map == NULL:
            raise ValueError("the ring is closed")
        return 0

    def write(self, const uint8_t[::1] record not None):
        """Append one record; False, and one more `lost`, when there is no room."""
        cdef uint32_t size = <uint32_t>record.shape[0]
        cdef uint8_t *place
        self.check_open()
        place = self.reserve(size, 0)
        if place == NULL:
            return False
        if size:
            memcpy(place + RING_HEADER, &record[0], size)
        self.advance(size)
        return True

    def write_discarded(self, uint32_t size):
        """Append a reservation that its producer gave up."""
        self.check_open()
        if self.reserve(size, RING_DISCARD) == NULL:
            return False
        self.advance(size)
        return True

    def write_busy(self, const uint8_t[::1] record not None):
        """Append a record that is not yet committed; returns the token for `commit`, or None when full."""
        cdef uint32_t size = <uint32_t>record.shape[0]
        cdef uint8_t *place
        self.check_open()
        place = self.reserve(size, RING_BUSY)
        if place == NULL:
            return None
        if size:
            memcpy(place + RING_HEADER, &record[0], size)
        self.advance(size)
        return place - <uint8_t *>self.producer_map

    def commit(self, size_t token):
        """Clear the busy bit of a record that `write_busy` made."""
        cdef uint32_t *word
        self.check_open()
        if token < self.page_bytes or token >= self.page_bytes + self.data_bytes:
            raise ValueError("not a token of write_busy")
        word = <uint32_t *>(<uint8_t *>self.producer_map + token)
        iw_store_release_u32(word, word[0] & ~(<uint32_t>RING_BUSY))

    def corrupt(self, uint64_t producer_position):
        """Set producer_pos to anything, as a damaged producer would."""
        self.check_open()
        iw_store_release(<uint64_t *>self.producer_map, producer_position)

    def close(self):
        """Unmap and close. A second call does nothing."""
        self.release()

    cdef void release(self) noexcept:
        unmap(&self.consumer_map, &self.producer_map, &self.fd, self.page_bytes, self.data_bytes)

    def __dealloc__(self):
        self.release()
