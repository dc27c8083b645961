# SPDX-License-Identifier: Apache-2.0
"""Sliding windows of event time: how often, how many different values, which steps in which order.

A window ends at the newest event time of its key and holds what is at most `timespan_ns` older. Events may come
late; those older than the window are counted in `late` and change nothing. After a window has fired it is empty.

Exactness:
- event_count up to EXACT_LIMIT: every time stamp is kept, counts are exact.
- event_count above: 32 counters of timespan/32 and the one under way. The window is up to 1/32 too long, so nothing
  that should fire is missed.
- value_count: 64-bit hashes of up to threshold (or threshold + 1) values, each with its latest time.
- temporal and temporal_ordered: see sequences.pyx.

One table per correlation: hash chains into a dense pool, so that memory follows the number of keys. When the
pool is full, the least recently used of the next eight slots gives way, and is counted.
"""

from libc.string cimport memcmp, memcpy, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from innerwarden_core.fields cimport IW_SHAPE_IP, IW_SHAPE_STR, IW_SHAPE_U64
from innerwarden_core.rules cimport Correlation
from innerwarden_core.sequences cimport add_ordered, add_temporal
from innerwarden_core.text cimport format_ip, format_number

from innerwarden_core.rules import CONDITIONS

cdef enum:
    EVICTION_LOOK = 8


cdef inline bint holds(uint32_t condition, uint64_t count, uint64_t threshold) noexcept nogil:
    if condition == CONDITION_GE:
        return count >= threshold
    if condition == CONDITION_GT:
        return count > threshold
    if condition == CONDITION_LT:
        return count < threshold
    if condition == CONDITION_LE:
        return count <= threshold
    if condition == CONDITION_EQ:
        return count == threshold
    return count != threshold


cdef uint32_t evict(iw_window *window) noexcept nogil:
    """Unlink the least recently used of the next few slots; returns its index."""
    cdef uint32_t i, index, victim = window.hand % window.capacity
    cdef uint32_t *link
    for i in range(EVICTION_LOOK):
        index = (window.hand + i) % window.capacity
        if slot_at(window, index).newest_ns < slot_at(window, victim).newest_ns:
            victim = index
    window.hand = (window.hand + EVICTION_LOOK) % window.capacity
    link = &window.heads[slot_at(window, victim).key & window.head_mask]
    while link[0] != victim + 1:
        link = &slot_at(window, link[0] - 1).chain
    link[0] = slot_at(window, victim).chain
    window.evicted += 1
    return victim


cdef void widen(iw_window *window) noexcept nogil:
    """Double the part of `heads` in use. It starts small so that few keys touch few cache lines."""
    cdef uint32_t i
    cdef uint32_t *head
    window.head_mask = window.head_mask * 2 + 1
    memset(window.heads, 0, (<size_t>window.head_mask + 1) * sizeof(uint32_t))
    for i in range(window.used - 1):
        head = &window.heads[slot_at(window, i).key & window.head_mask]
        slot_at(window, i).chain = head[0]
        head[0] = i + 1


cdef iw_slot *slot_of(iw_window *window, uint64_t key) noexcept nogil:
    """The key's slot, made when it is new."""
    cdef iw_slot *slot = window_find(window, key)
    cdef uint32_t *head = &window.heads[key & window.head_mask]
    cdef uint32_t index
    if slot != NULL:
        return slot
    if window.used == window.capacity:
        index = evict(window)
    else:
        index = window.used
        window.used += 1
        if 4 * index > window.head_mask:  # chains of one, nearly always: each link is a cache miss
            widen(window)
            head = &window.heads[key & window.head_mask]
    slot = slot_at(window, index)
    memset(slot, 0, sizeof(iw_slot))  # says that the rest of the slot holds nothing
    slot.key = key
    slot.chain = head[0]
    head[0] = index + 1
    return slot


cdef inline void clear(iw_slot *slot) noexcept nogil:
    """Empty a window that fired. Samples stay readable for the caller; the next event starts anew."""
    slot.head = 0
    slot.length = 0
    slot.mask = 0


cdef void keep_sample(iw_window *window, iw_slot *slot, const iw_value *value) noexcept nogil:
    """Remember a value, unless it is one of the four remembered. PERF: nobody reads most of them; text is made later."""
    cdef iw_samples *samples = <iw_samples *>(<uint8_t *>slot + window.samples_at)
    cdef iw_sample *place
    cdef const uint8_t *data = value.data
    cdef uint32_t size = value.size, i
    if value.shape == IW_SHAPE_U64:
        data = <const uint8_t *>&value.number
        size = sizeof(uint64_t)
    elif value.shape != IW_SHAPE_IP and value.shape != IW_SHAPE_STR:
        return
    size = min(size, <uint32_t>SAMPLE_BYTES)
    for i in range(samples.count):
        if samples.items[i].size == size and memcmp(samples.items[i].data, data, size) == 0:
            return
    place = &samples.items[samples.next % SAMPLES]
    samples.next += 1
    samples.count = min(samples.count + 1, <uint32_t>SAMPLES)
    place.shape = <uint8_t>value.shape
    place.size = <uint8_t>size
    memcpy(place.data, data, size)


cdef const uint8_t *sample_text(const iw_sample *sample, char *scratch, uint32_t *size) noexcept nogil:
    """A sample as people read it; `scratch` has room for 46 bytes."""
    cdef uint64_t number
    size[0] = sample.size
    if sample.shape == IW_SHAPE_U64:
        memcpy(&number, sample.data, sizeof(number))
        size[0] = format_number(number, scratch)
    elif sample.shape == IW_SHAPE_IP:
        size[0] = format_ip(sample.data, scratch)
    else:
        return sample.data
    return <const uint8_t *>scratch


cdef bint add_count(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil:
    cdef uint64_t *stamps = <uint64_t *>(slot + 1)
    cdef uint32_t cap = window.cap, copies = min(event.weight, cap), dropped = event.weight - copies, i, at
    cdef bint counts_up = window.condition <= CONDITION_GE
    # PERF: "at least" can only come true when the circle is full, so until then old stamps need not be looked at:
    # each is a cache miss. Row 2 of the benchmarks.
    if slot.length + copies >= cap or not counts_up:
        while slot.length and stamps[slot.head] + window.timespan_ns < slot.newest_ns:
            slot.head = slot.head + 1 if slot.head + 1 < cap else 0
            slot.length -= 1
    for i in range(copies):
        if slot.length == cap:
            slot.head = slot.head + 1 if slot.head + 1 < cap else 0
            slot.length -= 1
            dropped += 1
        at = slot.head + slot.length
        at = at - cap if at >= cap else at
        slot.length += 1
        if event.ts_ns == slot.newest_ns:
            stamps[at] = event.ts_ns
        else:
            insert_stamp(stamps, cap, slot.head, at, event.ts_ns)
    if counts_up and slot.length < cap:
        return False
    out.count = <uint64_t>slot.length + dropped
    out.first_ts_ns = stamps[slot.head]
    return holds(window.condition, out.count, window.threshold)


cdef inline void insert_stamp(uint64_t *stamps, uint32_t cap, uint32_t head, uint32_t at, uint64_t ts) noexcept nogil:
    """Put `ts` at place `at` of the circle, or earlier when it came late."""
    cdef uint32_t before
    while at != head:
        before = at - 1 if at else cap - 1
        if stamps[before] <= ts:
            break
        stamps[at] = stamps[before]
        at = before
    stamps[at] = ts


cdef bint add_bucket(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil:
    cdef iw_buckets *buckets = <iw_buckets *>(slot + 1)
    cdef uint64_t number = event.ts_ns // window.bucket_ns
    cdef uint32_t back
    if slot.length == 0 or number > buckets.newest + BUCKETS - 1:
        memset(buckets, 0, sizeof(iw_buckets))
        buckets.newest = number
        slot.length = 1
    while buckets.newest < number:
        buckets.newest += 1
        buckets.total -= buckets.counters[buckets.newest % BUCKETS]
        buckets.counters[buckets.newest % BUCKETS] = 0
    if number + BUCKETS <= buckets.newest:
        window.late += 1
        return False
    buckets.counters[number % BUCKETS] += event.weight
    buckets.total += event.weight
    out.count = buckets.total
    for back in range(BUCKETS):
        number = buckets.newest - (BUCKETS - 1) + back
        if number <= buckets.newest and buckets.counters[number % BUCKETS]:
            break
    out.first_ts_ns = number * window.bucket_ns
    return holds(window.condition, out.count, window.threshold)


cdef bint add_value(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil:
    cdef iw_distinct *values = <iw_distinct *>(slot + 1)
    cdef uint32_t i = 0, kept = 0, oldest = 0
    cdef bint known = False
    for i in range(slot.length):
        if values[i].ts_ns + window.timespan_ns < slot.newest_ns:
            continue
        values[kept] = values[i]
        if values[kept].hash == event.value:
            known = True
            values[kept].ts_ns = max(values[kept].ts_ns, event.ts_ns)
        if values[kept].ts_ns < values[oldest].ts_ns:
            oldest = kept
        kept += 1
    if not known:
        if kept == window.cap:
            values[oldest].hash = event.value
            values[oldest].ts_ns = event.ts_ns
        else:
            values[kept].hash = event.value
            values[kept].ts_ns = event.ts_ns
            kept += 1
    slot.length = kept
    out.count = kept
    out.first_ts_ns = event.ts_ns
    for i in range(kept):
        out.first_ts_ns = min(out.first_ts_ns, values[i].ts_ns)
    return holds(window.condition, out.count, window.threshold)


cdef bint window_add(iw_window *window, const iw_event *event, iw_fired *out) noexcept nogil:
    """Take one event in; True when the condition now holds, and then `out` says why and the key starts anew."""
    cdef iw_slot *slot = slot_of(window, event.key)
    cdef bint fired
    if slot.length == 0 and slot.mask == 0:
        slot.newest_ns = event.ts_ns
        if window.samples_at:
            (<iw_samples *>(<uint8_t *>slot + window.samples_at)).count = 0
            (<iw_samples *>(<uint8_t *>slot + window.samples_at)).next = 0
    elif event.ts_ns + window.timespan_ns < slot.newest_ns:
        window.late += 1
        return False
    elif event.ts_ns > slot.newest_ns:
        slot.newest_ns = event.ts_ns
    out.step_count = 0
    out.samples = NULL
    if window.samples_at:
        keep_sample(window, slot, event.sample)
    if window.add == NULL:
        fired = add_count(window, slot, event, out)
    else:
        fired = window.add(window, slot, event, out)
    if fired:
        if window.samples_at:
            out.samples = <iw_samples *>(<uint8_t *>slot + window.samples_at)
        clear(slot)
    return fired


cdef uint32_t stamps_inside(const iw_window *window, const iw_slot *slot) noexcept nogil:
    cdef const uint64_t *stamps = <const uint64_t *>(slot + 1)
    cdef uint32_t i, at, inside = 0
    for i in range(slot.length):
        at = slot.head + i
        at = at - window.cap if at >= window.cap else at
        inside += stamps[at] + window.timespan_ns >= slot.newest_ns
    return inside


cdef uint64_t window_look(const iw_window *window, uint64_t key, uint32_t *steps) noexcept nogil:
    """What the key's window holds now, as window_add counts it; changes nothing. `steps`: one bit for each step of a
    sequence that is there, of an ordered one those reached in order."""
    cdef uint32_t i, inside = 0
    cdef const iw_slot *slot = window_find(window, key)
    cdef const iw_moment *moments
    cdef const iw_distinct *values
    steps[0] = 0
    if slot == NULL or (slot.length == 0 and slot.mask == 0):
        return 0
    if window.add == NULL:
        return stamps_inside(window, slot)
    if window.add == add_bucket:
        return (<const iw_buckets *>(slot + 1)).total
    if window.add == add_value:
        values = <const iw_distinct *>(slot + 1)
        for i in range(slot.length):
            inside += values[i].ts_ns + window.timespan_ns >= slot.newest_ns
        return inside
    moments = <const iw_moment *>(slot + 1)
    if window.add == add_temporal:
        for i in range(window.step_count):
            if slot.mask >> i & 1 and moments[i].ts_ns + window.timespan_ns >= slot.newest_ns:
                steps[0] |= 1U << i
                inside += 1
        return inside
    for i in range(slot.length):
        if moments[i].ts_ns + window.timespan_ns < slot.newest_ns:
            continue
        if moments[i].step == inside and inside < window.step_count:
            steps[0] |= 1U << inside
            inside += 1
    return inside


cdef void *pages(size_t size) noexcept:
    """Zeroed memory of which a page becomes resident when it is first touched, whatever malloc has in store; NULL: none."""
    cdef void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return NULL if place == MAP_FAILED else place


cdef class Window:
    """One correlation's table, kept over a configure that changes neither the correlation nor its rules."""

    def __cinit__(self):
        memset(&self.window, 0, sizeof(iw_window))

    def __init__(self, Correlation source not None, uint32_t capacity, tuple key not None):
        """`key`: equal for definitions that the same state fits."""
        cdef iw_window *w = &self.window
        cdef uint32_t payload, heads = 16
        self.key = key
        w.timespan_ns = source.timespan_ns
        w.threshold = source.threshold
        w.condition = CONDITIONS.index(source.operator)
        w.step_count = len(source.rules)
        w.once = source.kind == "event_count" and w.step_count > 1
        w.value_field = source.value_field
        w.sample_field = source.sample_field
        # ge fires, and empties, as soon as threshold is reached; the others may have to tell one more.
        w.cap = max(1, source.threshold if source.operator == "ge" else source.threshold + 1)
        if source.kind == "event_count" and source.threshold <= EXACT_LIMIT:
            payload = w.cap * sizeof(uint64_t)
        elif source.kind == "event_count":
            w.add = add_bucket
            payload = sizeof(iw_buckets)
            w.bucket_ns = max(1, source.timespan_ns // (BUCKETS - 1))
        elif source.kind == "value_count":
            w.add = add_value
            payload = w.cap * sizeof(iw_distinct)
        elif source.kind == "temporal":
            w.add = add_temporal
            payload = w.step_count * sizeof(iw_moment)
        else:
            w.add = add_ordered
            payload = LOG_EVENTS * sizeof(iw_moment)
        w.stride = sizeof(iw_slot) + payload
        if source.sample_field >= 0:
            w.samples_at = w.stride
            w.stride += sizeof(iw_samples)
        w.counts = w.add == NULL and w.condition <= CONDITION_GE and not w.samples_at and not w.once
        w.stride = (w.stride + 63) & ~63  # whole cache lines: a slot's head is one
        w.capacity = max(capacity, <uint32_t>EVICTION_LOOK)
        while heads < 4 * w.capacity:
            heads *= 2
        w.head_mask = 15
        self.heads_bytes = heads * sizeof(uint32_t)
        self.slots_bytes = <size_t>w.capacity * w.stride
        w.heads = <uint32_t *>pages(self.heads_bytes)
        w.slots = <uint8_t *>pages(self.slots_bytes)
        if w.heads == NULL or w.slots == NULL:
            raise MemoryError()

    def __dealloc__(self):
        if self.window.heads != NULL:
            munmap(self.window.heads, self.heads_bytes)
        if self.window.slots != NULL:
            munmap(self.window.slots, self.slots_bytes)
