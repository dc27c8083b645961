# SPDX-License-Identifier: Apache-2.0
"""What native detectors share: bounded per-process state, hits with a cooldown, paths of programs."""

from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy, memset

from innerwarden_core.hits cimport hits_allowed, hits_open
from innerwarden_core.proctable cimport image_exe
from innerwarden_core.text cimport format_ip, format_number, iw_mix


cdef bint tracker_init(iw_tracker *tracker) noexcept:
    tracker.slots = <iw_tracked *>calloc(TRACKED_SETS * TRACKED_WAYS, sizeof(iw_tracked))
    return tracker.slots != NULL


cdef void tracker_free(iw_tracker *tracker) noexcept:
    free(tracker.slots)
    tracker.slots = NULL


cdef inline iw_tracked *set_of(const iw_tracker *tracker, uint32_t pid, uint64_t start_ns) noexcept nogil:
    return tracker.slots + (iw_mix(start_ns ^ pid) & (TRACKED_SETS - 1)) * TRACKED_WAYS


cdef iw_tracked *tracked_find(const iw_tracker *tracker, uint32_t pid, uint64_t start_ns) noexcept nogil:
    cdef iw_tracked *slots = set_of(tracker, pid, start_ns)
    cdef uint32_t i
    for i in range(TRACKED_WAYS):
        if slots[i].pid == pid and slots[i].start_ns == start_ns:
            return slots + i
    return NULL


cdef iw_tracked *tracked_make(
    iw_tracker *tracker, uint32_t pid, uint64_t start_ns, uint64_t ts_ns,
) noexcept nogil:
    """The process's state, fresh when there was none; the set's oldest gives way and is counted."""
    cdef iw_tracked *slots = set_of(tracker, pid, start_ns)
    cdef iw_tracked *place = tracked_find(tracker, pid, start_ns)
    cdef uint32_t i
    if place == NULL:
        place = slots
        for i in range(TRACKED_WAYS):
            if slots[i].seen_ns < place.seen_ns:
                place = slots + i
        if place.pid:
            tracker.evicted += 1
        memset(place, 0, sizeof(iw_tracked))
        place.pid = pid
        place.start_ns = start_ns
    place.seen_ns = ts_ns
    return place


cdef iw_hit *detector_hit(iw_detector *base, iw_scene *scene, uint64_t key) noexcept nogil:
    """A hit for the current record, or NULL within the cooldown of `key`."""
    cdef uint64_t suppressed
    if not hits_allowed(scene.hits, iw_mix(base.owner_hash ^ key), scene.ts_ns, base.cooldown_ns, &suppressed):
        return NULL
    return hits_open(scene.hits, base.owner, scene.record, scene.view.stamp, suppressed)


cdef void tracked_note(iw_tracked *tracked, const uint8_t *text, uint32_t size) noexcept nogil:
    tracked.text_size = min(size, <uint32_t>sizeof(tracked.text))
    memcpy(tracked.text, text, tracked.text_size)


cdef bint within(uint64_t now_ns, uint64_t then_ns, uint64_t window_ns) noexcept nogil:
    """Whether `then_ns` (0: never) is at most a window away; either may be the later one."""
    cdef uint64_t apart = now_ns - then_ns if now_ns >= then_ns else then_ns - now_ns
    return then_ns != 0 and apart <= window_ns


cdef uint32_t format_peer(const uint8_t *address, uint16_t port, char *out) noexcept nogil:
    """address:port, v6 in brackets; `out` has room for 64 bytes. Returns the length."""
    cdef uint32_t size = format_ip(address, out + 1), i
    if memchr(out + 1, c':', size) != NULL:
        out[0] = c'['
        out[size + 1] = c']'
        size += 2
    else:
        for i in range(size):
            out[i] = out[i + 1]
    out[size] = c':'
    return size + 1 + format_number(port, out + size + 1)


cdef bint exe_in(const iw_process *process, const iw_name *names) noexcept nogil:
    """Whether the process runs one of `names`, full paths. Paths, never comm: comm is forgeable."""
    cdef const uint8_t *path
    cdef uint32_t size
    if process == NULL or process.image == NULL:
        return False
    path = image_exe(process.image)
    size = process.image.exe_size
    while names.text != NULL:
        if names.size == size and memcmp(path, names.text, size) == 0:
            return True
        names += 1
    return False


cdef int check_parameters(dict parameters, dict defaults) except -1:
    if parameters.keys() != defaults.keys():
        raise ValueError(f"parameters are {', '.join(defaults)}, not {', '.join(parameters)}")
    return 0


cdef class Detector:

    def __init__(self, dict parameters not None):
        raise TypeError("a detector is one of the subclasses in innerwarden_core.detectors")

    cdef int adopt(self, iw_detector *base) except -1:
        """Take `base` (zeroed, part of this object) as the state's head."""
        self.base = base
        if not tracker_init(&base.tracker):
            raise MemoryError()
        return 0

    def __dealloc__(self):
        if self.base != NULL:
            tracker_free(&self.base.tracker)

    def stats(self):
        """Matches that a documented exception dropped, and processes forgotten for want of room."""
        return {"skipped": self.base.skipped, "evicted": self.base.tracker.evicted}
