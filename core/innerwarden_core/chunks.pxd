# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.record cimport iw_process_exec, iw_process_exec_argv

cdef enum:
    CHUNK_SLOTS = 32  # execs with a long argv that may be under way at once: more than CPUs of most hosts

cdef struct iw_pending:
    uint64_t start_ns
    uint64_t age
    uint8_t *data       # NULL: the slot is free
    uint32_t tid
    uint32_t base       # argv_offset of the first chunk
    uint32_t size
    bint broken         # a chunk is missing; what came before it is kept

cdef struct iw_chunks:
    iw_pending slots[CHUNK_SLOTS]
    uint64_t age
    uint64_t evicted    # argv that lost its slot to a newer one
    uint64_t orphaned   # argv whose exec record does not continue it
    uint64_t joined

cdef void chunks_free(iw_chunks *chunks) noexcept
cdef void chunks_add(iw_chunks *chunks, const iw_process_exec_argv *record) noexcept nogil
cdef const iw_process_exec *chunks_join(
    iw_chunks *chunks, const iw_process_exec *record, uint8_t *out,
) noexcept nogil
