# SPDX-License-Identifier: Apache-2.0
"""Correlations over several rules: enough of the steps within one window in any order, or all in the order given.

temporal keeps the latest event of each step. temporal_ordered keeps the LOG_EVENTS latest events of the key; when
more lie in the window, one of two neighbours of the same step goes first, then the oldest.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memmove


cdef bint add_temporal(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil:
    cdef iw_moment *steps = <iw_moment *>(slot + 1)
    cdef uint32_t i, kept = 0
    if not slot.mask >> event.step & 1 or event.ts_ns >= steps[event.step].ts_ns:
        set_moment(&steps[event.step], event)
        slot.mask |= 1U << event.step
    out.first_ts_ns = event.ts_ns
    for i in range(window.step_count):
        if slot.mask >> i & 1 and steps[i].ts_ns + window.timespan_ns >= slot.newest_ns:
            out.steps[kept] = steps[i]
            out.first_ts_ns = min(out.first_ts_ns, steps[i].ts_ns)
            kept += 1
    out.count = kept
    out.step_count = kept
    return kept >= window.threshold


cdef inline void set_moment(iw_moment *moment, const iw_event *event) noexcept nogil:
    moment.ts_ns = event.ts_ns
    moment.start_ns = event.record.start_ns
    moment.pid = event.record.pid
    moment.step = event.step
    moment.sequence = event.sequence


cdef inline bint before(const iw_moment *one, const iw_event *event) noexcept nogil:
    """Order of the log: time, then arrival, then the later step first, so that one record is never two steps."""
    if one.ts_ns != event.ts_ns:
        return one.ts_ns < event.ts_ns
    if one.sequence != event.sequence:
        return one.sequence < event.sequence
    return one.step > event.step


cdef void make_room(iw_slot *slot, iw_moment *log) noexcept nogil:
    """Drop the earlier of the first two neighbours of one step, else the oldest."""
    cdef uint32_t i, victim = 0
    for i in range(slot.length - 1):
        if log[i].step == log[i + 1].step:
            victim = i
            break
    memmove(log + victim, log + victim + 1, (slot.length - victim - 1) * sizeof(iw_moment))
    slot.length -= 1


cdef bint add_ordered(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil:
    cdef iw_moment *log = <iw_moment *>(slot + 1)
    cdef uint32_t kept = 0, i, at
    for i in range(slot.length):
        if log[i].ts_ns + window.timespan_ns >= slot.newest_ns:
            log[kept] = log[i]
            kept += 1
    slot.length = kept
    if kept == LOG_EVENTS:
        make_room(slot, log)
    at = slot.length
    while at > 0 and not before(&log[at - 1], event):
        log[at] = log[at - 1]
        at -= 1
    set_moment(&log[at], event)
    slot.length += 1
    return chain(window, slot, log, out)


cdef bint chain(iw_window *window, const iw_slot *slot, const iw_moment *log, iw_fired *out) noexcept nogil:
    """One pass over the log in time order. paths[s] is the latest-starting way to step s so far; everything in
    the log is within one timespan, so any complete way fires."""
    cdef uint8_t paths[STEPS_MAX][STEPS_MAX]
    cdef uint32_t reached = 0, i, step
    for i in range(slot.length):
        step = log[i].step
        if step == 0:
            paths[0][0] = <uint8_t>i
        elif reached >> (step - 1) & 1:
            memcpy(paths[step], paths[step - 1], step)
            paths[step][step] = <uint8_t>i
        else:
            continue
        reached |= 1U << step
    if not reached >> (window.step_count - 1) & 1:
        return False
    out.count = window.step_count
    out.step_count = window.step_count
    for i in range(window.step_count):
        out.steps[i] = log[paths[window.step_count - 1][i]]
    out.first_ts_ns = out.steps[0].ts_ns
    return True
