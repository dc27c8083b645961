# SPDX-License-Identifier: Apache-2.0
"""What matched, first as C structs in one buffer per batch, then as Python objects; and the cooldowns.

The arena is only ever appended to between two `hits_take`, so a hit's parts are contiguous as long as they are
added in the order group, samples, steps.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from innerwarden_core.fields cimport IW_SHAPE_IP, IW_SHAPE_U64
from innerwarden_core.process_info cimport process_info
from innerwarden_core.proctable cimport table_release
from innerwarden_core.text cimport format_ip, format_number, to_str


cdef bint hits_init(iw_hits *hits, uint32_t capacity) noexcept:
    memset(hits, 0, sizeof(iw_hits))
    hits.capacity = max(capacity, <uint32_t>1) + HITS_SPARE
    hits.hits = <iw_hit *>malloc(hits.capacity * sizeof(iw_hit))
    hits.arena = <uint8_t *>malloc(HITS_ARENA)
    hits.cooldowns = <iw_cooldown *>calloc(COOLDOWN_SETS * COOLDOWN_WAYS, sizeof(iw_cooldown))
    return hits.hits != NULL and hits.arena != NULL and hits.cooldowns != NULL


cdef void hits_free(iw_hits *hits) noexcept:
    free(hits.hits)
    free(hits.arena)
    free(hits.cooldowns)
    memset(hits, 0, sizeof(iw_hits))


cdef iw_hit *hits_open(
    iw_hits *hits, uint32_t owner, const iw_header *record, uint64_t stamp, uint64_t suppressed,
) noexcept nogil:
    """A new hit with a copy of the record (one copy for all hits of it); NULL, counted, when there is no room."""
    cdef iw_hit *hit
    hits.total += 1
    if hits.count == hits.capacity or hits.used + record.size + 8192 > HITS_ARENA:
        hits.lost += 1
        return NULL
    if hits.copied != record or hits.copied_stamp != stamp:
        memcpy(hits.arena + hits.used, record, record.size)
        hits.copied = record
        hits.copied_stamp = stamp
        hits.copied_at = hits.used
        hits.used += record.size
    hit = &hits.hits[hits.count]
    hits.count += 1
    memset(hit, 0, sizeof(iw_hit))
    hit.owner = owner
    hit.record_at = hits.copied_at
    hit.record_size = record.size
    hit.ts_ns = record.ts_ns
    hit.first_ts_ns = record.ts_ns
    hit.count = 1
    hit.suppressed = suppressed
    hit.group_at = hit.samples_at = hit.steps_at = hits.used
    return hit


cdef void hits_actor(iw_hit *hit, const iw_process *process, iw_image *image) noexcept nogil:
    """Keep what the process was, running `image`: before anybody reads the hit it may have become another program."""
    hit.actor = process[0]
    hit.actor.image = image
    if image != NULL:
        image.references += 1


cdef void add_text(iw_hits *hits, const uint8_t *text, uint32_t size) noexcept nogil:
    size = min(size, <uint32_t>GROUP_TEXT)
    memcpy(hits.arena + hits.used, &size, sizeof(uint32_t))
    if size:
        memcpy(hits.arena + hits.used + sizeof(uint32_t), text, size)
    hits.used += sizeof(uint32_t) + size


cdef void hits_group(iw_hits *hits, iw_hit *hit, const iw_value *value) noexcept nogil:
    """Append one group value as text; an absent one is the empty text."""
    cdef char text[48]
    if hits.used + GROUP_TEXT + 8 > HITS_ARENA:
        return
    if value.shape == 0:
        add_text(hits, NULL, 0)
    elif value.shape == IW_SHAPE_U64:
        add_text(hits, <uint8_t *>text, format_number(value.number, text))
    elif value.shape == IW_SHAPE_IP:
        add_text(hits, <uint8_t *>text, format_ip(value.data, text))
    else:
        add_text(hits, value.data, value.size)
    hit.group_count += 1
    hit.samples_at = hit.steps_at = hits.used


cdef void hits_sample(iw_hits *hits, iw_hit *hit, const uint8_t *text, uint32_t size) noexcept nogil:
    if hits.used + GROUP_TEXT + 8 > HITS_ARENA:
        return
    add_text(hits, text, size)
    hit.sample_count += 1
    hit.steps_at = hits.used


cdef void hits_step(iw_hits *hits, iw_hit *hit, const iw_step *step) noexcept nogil:
    if hits.used + sizeof(iw_step) > HITS_ARENA:
        return
    memcpy(hits.arena + hits.used, step, sizeof(iw_step))
    hits.used += sizeof(iw_step)
    hit.step_count += 1


cdef bint hits_allowed(
    iw_hits *hits, uint64_t key, uint64_t ts_ns, uint64_t cooldown_ns, uint64_t *suppressed,
) noexcept nogil:
    """Whether a match of `key` may become a hit; if so, how many were swallowed since the last.

    Event times may run backwards a little: a match within the cooldown before the last hit is swallowed too.
    """
    cdef iw_cooldown *slots
    cdef iw_cooldown *place
    cdef uint32_t i
    suppressed[0] = 0
    if cooldown_ns == 0:
        return True
    key |= 1
    slots = hits.cooldowns + (key >> 40 & (COOLDOWN_SETS - 1)) * COOLDOWN_WAYS
    place = slots
    for i in range(COOLDOWN_WAYS):
        if slots[i].key == key:
            place = slots + i
            break
        if slots[i].fired_ns < place.fired_ns:
            place = slots + i
    if place.key == key:
        if ts_ns < place.until_ns and ts_ns + cooldown_ns > place.fired_ns:
            place.suppressed += 1
            hits.suppressed += 1
            return False
        suppressed[0] = place.suppressed
    elif place.key and place.until_ns > ts_ns:
        hits.cooldowns_evicted += 1
    place.key = key
    place.fired_ns = ts_ns
    place.until_ns = ts_ns + cooldown_ns
    place.suppressed = 0
    return True


cdef class Hit:
    """One match; see the interface file."""
    cdef readonly str owner
    cdef readonly bytes record
    cdef readonly object ts_ns
    cdef readonly tuple group
    cdef readonly object count
    cdef readonly object suppressed
    cdef readonly object first_ts_ns
    cdef readonly tuple samples
    cdef readonly tuple steps
    cdef readonly object related
    cdef readonly object actor

    def __init__(self):
        raise TypeError("hits are made by the engine")

    def __repr__(self):
        return f"Hit({self.owner!r}, ts_ns={self.ts_ns}, group={self.group!r}, count={self.count})"


cdef tuple texts(const iw_hits *hits, uint32_t at, uint32_t count):
    cdef uint32_t i, size
    out = []
    for i in range(count):
        memcpy(&size, hits.arena + at, sizeof(uint32_t))
        out.append(to_str(hits.arena + at + sizeof(uint32_t), size))
        at += sizeof(uint32_t) + size
    return tuple(out)


cdef tuple steps_of(const iw_hits *hits, const iw_hit *hit, list owners):
    cdef iw_step step
    cdef uint32_t i
    out = []
    for i in range(hit.step_count):
        memcpy(&step, hits.arena + hit.steps_at + i * sizeof(iw_step), sizeof(iw_step))
        out.append((owners[step.owner], step.ts_ns, step.pid, step.start_ns))
    return tuple(out)


cdef list hits_take(iw_hits *hits, iw_table *table, list owners):
    """The batch as Hit objects; empties the buffer."""
    cdef uint32_t i
    cdef iw_hit *raw
    cdef Hit hit
    cdef bytes record = None
    out = []
    for i in range(hits.count):
        raw = &hits.hits[i]
        # Hits of one record share one bytes object.
        if i == 0 or raw.record_at != hits.hits[i - 1].record_at:
            record = (<char *>hits.arena + raw.record_at)[: raw.record_size]
        hit = Hit.__new__(Hit)
        hit.owner = owners[raw.owner]
        hit.record = record
        hit.ts_ns = raw.ts_ns
        hit.group = texts(hits, raw.group_at, raw.group_count)
        hit.count = raw.count
        hit.suppressed = raw.suppressed
        hit.first_ts_ns = raw.first_ts_ns
        hit.samples = texts(hits, raw.samples_at, raw.sample_count)
        hit.steps = steps_of(hits, raw, owners)
        hit.related = (raw.related_pid, raw.related_start_ns) if raw.related_pid else None
        if raw.actor.pid:
            hit.actor = process_info(&raw.actor)
            table_release(table, raw.actor.image)
        out.append(hit)
    hits.touched = max(hits.touched, hits.used)
    hits.count = 0
    hits.used = 0
    hits.copied = NULL
    return out
