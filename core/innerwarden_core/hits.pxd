# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.fields cimport iw_value
from innerwarden_core.proctable cimport iw_image, iw_process, iw_table
from innerwarden_core.record cimport iw_header

cdef enum:
    HITS_ARENA = 16777216    # bytes for the records and texts of one batch; only what is used is resident
    HITS_SPARE = 1024        # hits that may follow when the batch is full: those of its last record
    HITS_RESERVE = 1048576   # a batch ends when less than this is left, so that no single record overflows it
    GROUP_TEXT = 256         # bytes kept of one group value
    COOLDOWN_WAYS = 4
    COOLDOWN_SETS = 4096

cdef struct iw_step:
    uint32_t owner
    uint32_t pid
    uint64_t ts_ns
    uint64_t start_ns

# Texts are u32 length and bytes, one after the other in the arena.
cdef struct iw_hit:
    uint32_t owner
    uint32_t record_at
    uint32_t record_size
    uint32_t group_at
    uint32_t group_count
    uint32_t samples_at
    uint32_t sample_count
    uint32_t steps_at
    uint32_t step_count
    uint32_t related_pid
    uint64_t related_start_ns
    uint64_t ts_ns
    uint64_t first_ts_ns
    uint64_t count
    uint64_t suppressed
    # The acting process as it was at this record, with a reference to its image; pid 0: not known.
    iw_process actor

cdef struct iw_cooldown:
    uint64_t key            # 0: free
    uint64_t fired_ns
    uint64_t until_ns
    uint64_t suppressed

cdef struct iw_hits:
    iw_hit *hits
    uint32_t capacity
    uint32_t count
    uint8_t *arena
    uint32_t used
    uint32_t touched            # the most that `used` was when a batch was taken
    const iw_header *copied     # the record whose copy is at copied_at
    uint64_t copied_stamp
    uint32_t copied_at
    iw_cooldown *cooldowns
    uint64_t total
    uint64_t lost
    uint64_t suppressed
    uint64_t cooldowns_evicted

cdef bint hits_init(iw_hits *hits, uint32_t capacity) noexcept
cdef void hits_free(iw_hits *hits) noexcept
cdef iw_hit *hits_open(
    iw_hits *hits, uint32_t owner, const iw_header *record, uint64_t stamp, uint64_t suppressed,
) noexcept nogil
cdef void hits_actor(iw_hit *hit, const iw_process *process, iw_image *image) noexcept nogil
cdef void hits_group(iw_hits *hits, iw_hit *hit, const iw_value *value) noexcept nogil
cdef void hits_sample(iw_hits *hits, iw_hit *hit, const uint8_t *text, uint32_t size) noexcept nogil
cdef void hits_step(iw_hits *hits, iw_hit *hit, const iw_step *step) noexcept nogil
cdef bint hits_allowed(
    iw_hits *hits, uint64_t key, uint64_t ts_ns, uint64_t cooldown_ns, uint64_t *suppressed,
) noexcept nogil
cdef list hits_take(iw_hits *hits, iw_table *table, list owners)

cdef inline bint hits_full(const iw_hits *hits) noexcept nogil:
    return hits.count + HITS_SPARE >= hits.capacity or hits.used > HITS_ARENA - HITS_RESERVE
