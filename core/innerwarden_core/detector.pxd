# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.hits cimport iw_hit, iw_hits
from innerwarden_core.proctable cimport iw_process, iw_table
from innerwarden_core.record cimport iw_header
from innerwarden_core.view cimport iw_view

cdef extern from *:
    """
    #ifndef IW_NAME
    #define IW_NAME(text) { text, sizeof(text) - 1 }
    /* PERF: with its length, by which most names of a list are told apart without a look at them. Row 5. */
    struct iw_name { const char *text; unsigned size; };
    #endif
    """
    cdef struct iw_name:
        const char *text    # NULL: the end of a list
        uint32_t size

cdef enum:
    TRACKED_WAYS = 4
    TRACKED_SETS = 512

# What a detector sees of one record. Nothing of it outlives the call.
cdef struct iw_scene:
    const iw_header *record
    uint64_t ts_ns          # event time on the real-time clock
    iw_view *view
    const iw_table *table
    iw_hits *hits

# State that a detector keeps for one process. `own_ns` and `relative_ns` are event times of what the process did
# and of what one of its relatives did, 0 for never; `alarm_ns` is the time of the last match.
cdef struct iw_tracked:
    uint64_t start_ns
    uint64_t seen_ns        # event time of the last change; the oldest gives way
    uint64_t own_ns
    uint64_t relative_ns
    uint64_t alarm_ns
    uint64_t relative_start_ns
    uint32_t relative_pid
    uint32_t pid            # 0: free
    uint32_t text_size
    uint8_t text[124]       # evidence, cut to fit

cdef struct iw_tracker:
    iw_tracked *slots
    uint64_t evicted

cdef struct iw_detector:
    uint32_t owner
    uint64_t owner_hash
    uint64_t cooldown_ns
    uint64_t skipped        # matches that a documented exception dropped
    iw_tracker tracker

ctypedef void (*iw_handler)(void *state, iw_scene *scene) noexcept nogil

cdef bint tracker_init(iw_tracker *tracker) noexcept
cdef void tracker_free(iw_tracker *tracker) noexcept
cdef iw_tracked *tracked_find(const iw_tracker *tracker, uint32_t pid, uint64_t start_ns) noexcept nogil
cdef iw_tracked *tracked_make(
    iw_tracker *tracker, uint32_t pid, uint64_t start_ns, uint64_t ts_ns,
) noexcept nogil
cdef iw_hit *detector_hit(iw_detector *base, iw_scene *scene, uint64_t key) noexcept nogil
cdef void tracked_note(iw_tracked *tracked, const uint8_t *text, uint32_t size) noexcept nogil
cdef bint within(uint64_t now_ns, uint64_t then_ns, uint64_t window_ns) noexcept nogil
cdef uint32_t format_peer(const uint8_t *address, uint16_t port, char *out) noexcept nogil
cdef bint exe_in(const iw_process *process, const iw_name *names) noexcept nogil
cdef int check_parameters(dict parameters, dict defaults) except -1


cdef class Detector:
    """Base of the native detectors: the kinds that it wants and the function that gets their records.

    `base` is the head of the C state that `handler` gets: the subclass's own struct, or `own`.
    """
    cdef iw_detector own
    cdef iw_detector *base
    cdef iw_handler handler
    cdef readonly tuple kinds
    cdef int adopt(self, iw_detector *base) except -1
