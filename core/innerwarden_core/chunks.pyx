# SPDX-License-Identifier: Apache-2.0
"""Long argument vectors: the chunks that come before their exec record, and the joined record.

The joined record has the shape of any exec record, only larger than a wire record may be; so rules, hits
and Record see the whole argv without knowing of chunks.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from innerwarden_core.record cimport IW_ARGV_MAX, IW_F_ARGV_INCOMPLETE


cdef void chunks_free(iw_chunks *chunks) noexcept:
    cdef uint32_t i
    for i in range(CHUNK_SLOTS):
        release(&chunks.slots[i])


cdef void release(iw_pending *slot) noexcept nogil:
    free(slot.data)
    slot.data = NULL


cdef iw_pending *find(iw_chunks *chunks, uint32_t tid, uint64_t start_ns) noexcept nogil:
    cdef uint32_t i
    cdef iw_pending *slot
    for i in range(CHUNK_SLOTS):
        slot = &chunks.slots[i]
        if slot.data != NULL and slot.tid == tid and slot.start_ns == start_ns:
            return slot
    return NULL


cdef iw_pending *take_slot(iw_chunks *chunks) noexcept nogil:
    """A free slot, or the one that has waited longest."""
    cdef iw_pending *oldest = &chunks.slots[0]
    cdef uint32_t i
    for i in range(CHUNK_SLOTS):
        if chunks.slots[i].data == NULL:
            return &chunks.slots[i]
        if chunks.slots[i].age < oldest.age:
            oldest = &chunks.slots[i]
    chunks.evicted += 1
    release(oldest)
    return oldest


cdef void chunks_add(iw_chunks *chunks, const iw_process_exec_argv *record) noexcept nogil:
    """Keep one chunk. Chunks of one exec come in order; after a gap the rest is dropped."""
    cdef iw_pending *slot = find(chunks, record.h.tid, record.h.start_ns)
    cdef uint32_t offset = record.argv_offset
    cdef uint32_t size = record.argv.len
    if slot != NULL and offset <= slot.base:
        # The process execs again and the record of its last exec was lost.
        chunks.orphaned += 1
        release(slot)
        slot = NULL
    if slot == NULL:
        slot = take_slot(chunks)
        slot.data = <uint8_t *>malloc(IW_ARGV_MAX)
        if slot.data == NULL:
            return
        slot.tid = record.h.tid
        slot.start_ns = record.h.start_ns
        slot.base = offset
        slot.size = 0
        slot.broken = False
    chunks.age += 1
    slot.age = chunks.age
    if slot.broken or offset != slot.base + slot.size or slot.size + size > <uint32_t>IW_ARGV_MAX:
        slot.broken = True
        return
    memcpy(slot.data + slot.size, <const uint8_t *>record + record.argv.off, size)
    slot.size += size


cdef const iw_process_exec *chunks_join(
    iw_chunks *chunks, const iw_process_exec *record, uint8_t *out,
) noexcept nogil:
    """`record` itself, or when chunks wait for it the joined record in `out` (JOINED_MAX bytes)."""
    cdef iw_pending *slot = find(chunks, record.h.tid, record.h.start_ns)
    cdef iw_process_exec *joined = <iw_process_exec *>out
    cdef uint32_t size = record.h.size, total
    if slot == NULL and record.old_tid != record.h.tid:
        slot = find(chunks, record.old_tid, record.h.start_ns)
    if slot == NULL:
        return record
    if slot.base != record.argv.len or slot.base + slot.size > <uint32_t>IW_ARGV_MAX:
        chunks.orphaned += 1
        release(slot)
        return record
    memcpy(out, record, size)
    memcpy(out + size, <const uint8_t *>record + record.argv.off, record.argv.len)
    memcpy(out + size + record.argv.len, slot.data, slot.size)
    total = record.argv.len + slot.size
    joined.argv.off = size
    joined.argv.len = total
    if total < joined.argv_len:
        joined.h.flags |= IW_F_ARGV_INCOMPLETE
    while (size + total) & 7:
        out[size + total] = 0
        total += 1
    joined.h.size = size + total
    chunks.joined += 1
    release(slot)
    return joined
