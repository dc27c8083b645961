# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.fields cimport iw_value

cdef enum:
    WINDOW_COUNT        # event_count, every time stamp
    WINDOW_BUCKETS      # event_count with a large threshold, counters
    WINDOW_VALUES
    WINDOW_TEMPORAL
    WINDOW_ORDERED

cdef enum:
    CONDITION_GT
    CONDITION_GE
    CONDITION_LT
    CONDITION_LE
    CONDITION_EQ
    CONDITION_NE

cdef enum:
    EXACT_LIMIT = 64    # thresholds up to this keep every time stamp
    BUCKETS = 33        # 32 of the timespan and the one under way
    STEPS_MAX = 16
    LOG_EVENTS = 32     # events of one key that an ordered sequence remembers
    SAMPLES = 4
    SAMPLE_BYTES = 63

cdef struct iw_moment:
    uint64_t ts_ns
    uint64_t start_ns
    uint32_t pid
    uint32_t step
    uint64_t sequence       # of the record in the engine: arrival order among equal times

cdef struct iw_distinct:
    uint64_t hash
    uint64_t ts_ns

cdef struct iw_sample:
    uint8_t size
    uint8_t text[SAMPLE_BYTES]

cdef struct iw_samples:
    uint32_t count
    uint32_t next
    iw_sample items[SAMPLES]

# One key's state; what follows it depends on the kind: u64 stamps, u32 counters, distinct values or moments.
cdef struct iw_slot:
    uint64_t key
    uint64_t newest_ns      # latest event time
    uint32_t chain          # next slot with the same hash, plus 1
    uint32_t head
    uint32_t length
    uint32_t mask           # temporal: steps seen
    uint64_t total          # buckets: sum; newest bucket's number is in `bucket`
    uint64_t bucket

cdef struct iw_window:
    uint32_t kind
    uint32_t condition
    uint32_t threshold
    uint32_t cap
    uint32_t step_count
    int32_t value_field
    int32_t sample_field
    uint64_t timespan_ns
    uint64_t bucket_ns
    uint32_t stride         # bytes of one slot, its payload and samples
    uint32_t samples_at     # offset of the samples in a slot, 0 without any
    uint32_t capacity
    uint32_t used
    uint32_t hand
    uint32_t head_mask
    uint32_t *heads
    uint8_t *slots
    uint32_t owner          # set by the engine at configure
    uint64_t owner_hash
    uint64_t cooldown_ns
    uint32_t step_owners[STEPS_MAX]
    uint64_t evicted
    uint64_t late           # events older than the window that ends at the newest

cdef struct iw_event:
    uint64_t key
    uint64_t ts_ns
    uint64_t value          # hash, for value_count
    uint64_t sequence
    uint64_t start_ns
    uint32_t pid
    uint32_t step
    uint32_t weight
    const iw_value *sample  # NULL: none

# Why a window fired; samples point into the window and are valid until its next event.
cdef struct iw_fired:
    uint64_t count
    uint64_t first_ts_ns
    uint32_t step_count
    iw_moment steps[STEPS_MAX]
    const iw_samples *samples

cdef bint window_add(iw_window *window, const iw_event *event, iw_fired *out) noexcept nogil
cdef void window_prefetch_head(const iw_window *window, uint64_t key) noexcept nogil
cdef void window_prefetch_slot(const iw_window *window, uint64_t key) noexcept nogil


cdef class Window:
    cdef iw_window window
    cdef readonly tuple key
