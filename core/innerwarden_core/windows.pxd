# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.atomics cimport iw_prefetch, iw_prefetch_write
from innerwarden_core.fields cimport iw_value
from innerwarden_core.record cimport iw_header

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
    SAMPLE_BYTES = 62

cdef struct iw_moment:
    uint64_t ts_ns
    uint64_t start_ns
    uint32_t pid
    uint32_t step
    uint64_t sequence       # of the record in the engine: arrival order among equal times

cdef struct iw_distinct:
    uint64_t hash
    uint64_t ts_ns

# A value as the record had it: text, or the bytes of an address or a number. `sample_text` makes text of it.
cdef struct iw_sample:
    uint8_t shape
    uint8_t size
    uint8_t data[SAMPLE_BYTES]

cdef struct iw_samples:
    uint32_t count
    uint32_t next
    iw_sample items[SAMPLES]

# One key's state. What follows it depends on the kind: u64 time stamps, iw_buckets, iw_distinct or iw_moment.
cdef struct iw_slot:
    uint64_t key
    uint64_t newest_ns      # latest event time
    uint32_t chain          # next slot with the same hash, plus 1
    uint32_t mask           # temporal: steps seen
    uint32_t head           # event_count: where in the circle the oldest is
    uint32_t length         # entries in use; buckets: 1 when there is anything

cdef struct iw_buckets:
    uint64_t total
    uint64_t newest         # number of the latest bucket
    uint32_t counters[BUCKETS]

cdef struct iw_window

cdef struct iw_event:
    uint64_t key
    uint64_t ts_ns
    uint64_t value          # hash, for value_count
    uint64_t sequence
    const iw_header *record # whose process a sequence names
    const iw_value *sample  # of a window with a sample_field
    uint32_t step
    uint32_t weight

# Why a window fired; samples point into the window and are valid until its next event.
cdef struct iw_fired:
    uint64_t count
    uint64_t first_ts_ns
    uint32_t step_count
    iw_moment steps[STEPS_MAX]
    const iw_samples *samples

ctypedef bint (*iw_adder)(
    iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil

cdef struct iw_window:
    # The first cache line is all that an event needs which does not fire.
    uint32_t *heads
    uint8_t *slots
    uint64_t timespan_ns
    uint32_t head_mask      # of the part of `heads` in use, which doubles with the keys
    uint32_t stride         # bytes of one slot, its payload and samples
    uint32_t cap
    uint32_t samples_at     # offset of the samples in a slot, 0 without any
    uint32_t used
    uint32_t counts         # "at least so many" events of one rule, by time stamps, without samples: window_count may serve
    int32_t value_field
    int32_t sample_field
    iw_adder add            # what the kind does with an event; NULL for event_count by time stamps
    uint32_t condition
    uint32_t threshold
    uint32_t capacity
    uint64_t bucket_ns
    uint32_t step_count
    uint32_t hand
    uint32_t owner          # set by the engine at configure
    uint64_t owner_hash
    uint64_t cooldown_ns
    uint32_t step_owners[STEPS_MAX]
    uint8_t once            # event_count over several rules: a record that more than one matches is one event
    uint64_t counted_sequence
    uint64_t counted_key
    uint64_t evicted
    uint64_t late           # events older than the window that ends at the newest

cdef const uint8_t *sample_text(const iw_sample *sample, char *scratch, uint32_t *size) noexcept nogil
cdef bint window_add(iw_window *window, const iw_event *event, iw_fired *out) noexcept nogil
cdef uint64_t window_look(const iw_window *window, uint64_t key, uint32_t *steps) noexcept nogil

cdef inline iw_slot *slot_at(const iw_window *window, uint32_t index) noexcept nogil:
    return <iw_slot *>(window.slots + <uint64_t>index * window.stride)

# Hints for an event's two cache misses, the second given when the first has had time to come in.
cdef inline void window_prefetch_head(const iw_window *window, uint64_t key) noexcept nogil:
    iw_prefetch(&window.heads[key & window.head_mask])

cdef inline void window_prefetch_slot(const iw_window *window, uint64_t key) noexcept nogil:
    """The first slot of the key's chain, most likely the key's."""
    cdef uint32_t link = window.heads[key & window.head_mask]
    if link:
        iw_prefetch_write(slot_at(window, link - 1))

cdef inline iw_slot *window_find(const iw_window *window, uint64_t key) noexcept nogil:
    """The key's slot, or NULL."""
    cdef uint32_t link = window.heads[key & window.head_mask]
    cdef iw_slot *slot
    while link:
        slot = slot_at(window, link - 1)
        if slot.key == key:
            return slot
        link = slot.chain
    return NULL

cdef inline bint window_count(iw_window *window, const iw_event *event) noexcept nogil:
    """Take in an event that cannot make the window fire: one, in order, of a known key. False: window_add has to.

    PERF: nearly every event is one of these. A key that was quiet for a timespan starts anew without a look at its old
    stamps, so that it stays in its slot's first cache line. Row 2 of the benchmarks.
    """
    cdef iw_slot *slot = window_find(window, event.key)
    cdef uint32_t head, length, at
    if slot == NULL or event.ts_ns < slot.newest_ns:
        return False
    head = slot.head
    length = slot.length
    if slot.newest_ns + window.timespan_ns < event.ts_ns:
        head = length = 0
    if length + 1 >= window.cap or event.weight != 1:
        return False
    at = head + length
    at = at - window.cap if at >= window.cap else at
    (<uint64_t *>(slot + 1))[at] = event.ts_ns
    slot.newest_ns = event.ts_ns
    slot.head = head
    slot.length = length + 1
    return True


cdef class Window:
    cdef iw_window window
    cdef size_t heads_bytes
    cdef size_t slots_bytes
    cdef readonly tuple key
