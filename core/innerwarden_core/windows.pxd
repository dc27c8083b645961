# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.atomics cimport iw_prefetch
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
    # The first cache line is all that an event needs which does not fire.
    uint32_t *heads
    uint8_t *slots
    uint64_t timespan_ns
    uint32_t head_mask
    uint32_t stride         # bytes of one slot, its payload and samples
    uint32_t threshold
    uint32_t cap
    uint32_t samples_at     # offset of the samples in a slot, 0 without any
    uint32_t used
    int32_t value_field
    int32_t sample_field
    uint16_t kind
    uint16_t condition
    uint32_t capacity
    uint64_t bucket_ns
    uint32_t step_count
    uint32_t hand
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

cdef inline iw_slot *slot_at(const iw_window *window, uint32_t index) noexcept nogil:
    return <iw_slot *>(window.slots + <uint64_t>index * window.stride)

# Three hints, given for all windows of a record one after the other, each when the last has had time to work.
cdef inline void window_prefetch_head(const iw_window *window, uint64_t key) noexcept nogil:
    iw_prefetch(&window.heads[key & window.head_mask])

cdef inline iw_slot *window_prefetch_slot(const iw_window *window, uint64_t key) noexcept nogil:
    """The first slot of the key's chain, most likely the key's; NULL for an empty chain."""
    cdef uint32_t link = window.heads[key & window.head_mask]
    if link == 0:
        return NULL
    iw_prefetch(slot_at(window, link - 1))
    return slot_at(window, link - 1)

cdef inline void window_prefetch_stamps(const iw_window *window, const iw_slot *slot) noexcept nogil:
    """The oldest and the newest time stamp of a counting window."""
    cdef uint32_t newest
    if slot == NULL or window.kind != WINDOW_COUNT:
        return
    newest = slot.head + slot.length
    iw_prefetch(<const uint64_t *>(slot + 1) + slot.head)
    iw_prefetch(<const uint64_t *>(slot + 1) + (newest if newest < window.cap else newest - window.cap))


cdef class Window:
    cdef iw_window window
    cdef readonly tuple key
