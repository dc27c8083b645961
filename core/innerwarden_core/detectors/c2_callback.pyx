# SPDX-License-Identifier: Apache-2.0
"""A program that calls one public address again and again, at even intervals (ATT&CK T1071, T1571).

Native, because every connection passes here. State is one slot per program file, address and port: the latest TIMES moments,
connections within a second being one. A regular program is told after `intervals_count` intervals whose median absolute
deviation is at most TIGHT_PCT of their median; one that varies its pauses (jitter) after `jittered_intervals_count` at
LOOSE_PCT. Few intervals may be much longer (a call that was missed) and hardly any much shorter, which is what people and
queues differ in. The median and its deviation are taken because a few wild intervals do not move them. Source: the beacon score
of RITA (https://github.com/activecm/rita), whose dispersion test this is; thresholds by simulation, tests/unit/core.

SLOTS combinations are kept; the one that was quiet longest in its set gives way and is counted as evicted. Programs that lie
where packages are installed are not judged, and counted as skipped, unless they run what others wrote: shells, interpreters
and transfer tools.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen

from innerwarden_core.detector cimport *
from innerwarden_core.fields cimport IW_FIELD_EXE_PATH, IW_SHAPE_STR, iw_value
from innerwarden_core.hits cimport hits_sample
from innerwarden_core.record cimport *
from innerwarden_core.text cimport base_name, format_number, hash_bytes, iw_load64, iw_mix
from innerwarden_core.view cimport view_actor, view_get

cdef extern from "net.h" nogil:
    bint iw_is_local(const uint8_t *address)

cdef extern from *:
    """
    static const char *const iw_open_places[] = { "/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/memfd:", 0 };
    static const char *const iw_package_places[] = {
        "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/", "/usr/bin/", "/usr/sbin/",
        "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/share/", "/usr/games/", 0 };
    static const char *const iw_shells[] = {
        "sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox", "nc", "nc.openbsd", "nc.traditional", "ncat", "socat", 0 };
    /* Beginnings of names: a version follows some. */
    static const char *const iw_carriers[] = {
        "python", "perl", "ruby", "php", "node", "lua", "tclsh", "java", "curl", "wget", "openssl", "gawk", "mawk", 0 };
    static const char *const iw_variants[] = { "", "writable", "shell", "carrier", "other" };
    """
    const char *const *iw_open_places
    const char *const *iw_package_places
    const char *const *iw_shells
    const char *const *iw_carriers
    const char *const *iw_variants

cdef enum:
    TIMES = 24
    WAYS = 4
    SETS = 1024
    SLOTS = WAYS * SETS
    TIGHT_PCT = 8
    LOOSE_PCT = 30
    SHORT_PCT = 40      # of the median: an interval below is short
    LONG_PCT = 160
    NAME_SERVICE = 53
    TIME_SERVICE = 123
    UDP = 17

cdef enum:
    CLASS_PACKAGED
    CLASS_WRITABLE
    CLASS_SHELL
    CLASS_CARRIER
    CLASS_OTHER

cdef uint64_t NS = 1000000000

PARAMETERS = {
    "intervals_count": 8, "jittered_intervals_count": 16, "shortest_s": 5, "longest_s": 7200, "include_private": 0,
    "cooldown_s": 86400,
}

cdef struct iw_calls:
    uint64_t key            # 0: free
    uint64_t newest_ns
    uint32_t next
    uint32_t held
    uint64_t times_ns[TIMES]

cdef struct iw_beacons:
    iw_detector base
    iw_calls *slots
    uint32_t tight_count
    uint32_t loose_count
    uint64_t shortest_ns
    uint64_t longest_ns
    bint include_private


cdef bint has_head(const uint8_t *text, uint32_t size, const char *const *heads) noexcept nogil:
    cdef uint32_t length
    while heads[0] != NULL:
        length = <uint32_t>strlen(heads[0])
        if length <= size and memcmp(text, heads[0], length) == 0:
            return True
        heads += 1
    return False


cdef bint is_one(const uint8_t *text, uint32_t size, const char *const *names) noexcept nogil:
    while names[0] != NULL:
        if strlen(names[0]) == size and memcmp(text, names[0], size) == 0:
            return True
        names += 1
    return False


cdef int class_of(iw_scene *scene, const iw_value *path) noexcept nogil:
    """What the acting program is, by its file. An unknown one is another's."""
    cdef const iw_process *actor = view_actor(scene.view)
    cdef const uint8_t *name
    cdef uint32_t size
    if actor != NULL and actor.image != NULL:
        if actor.image.exec_flags & (IW_EXEC_MEMFD | IW_EXEC_DELETED | IW_EXEC_DIR_WORLD_WRITABLE):
            return CLASS_WRITABLE
    if path.shape != IW_SHAPE_STR:
        return CLASS_OTHER
    if has_head(path.data, path.size, iw_open_places):
        return CLASS_WRITABLE
    size = path.size
    name = base_name(path.data, &size)
    if is_one(name, size, iw_shells):
        return CLASS_SHELL
    if has_head(name, size, iw_carriers):
        return CLASS_CARRIER
    return CLASS_PACKAGED if has_head(path.data, path.size, iw_package_places) else CLASS_OTHER


cdef iw_calls *slot_of(iw_beacons *self, uint64_t key) noexcept nogil:
    cdef iw_calls *slots = self.slots + (key & (SETS - 1)) * WAYS
    cdef iw_calls *place = slots
    cdef uint32_t i
    for i in range(WAYS):
        if slots[i].key == key:
            return slots + i
        if slots[i].newest_ns < place.newest_ns:
            place = slots + i
    if place.key:
        self.base.tracker.evicted += 1
    memset(place, 0, sizeof(iw_calls))
    place.key = key
    return place


cdef void sort(uint64_t *list, uint32_t count) noexcept nogil:
    cdef uint32_t i, j
    cdef uint64_t item
    for i in range(1, count):
        item = list[i]
        j = i
        while j > 0 and list[j - 1] > item:
            list[j] = list[j - 1]
            j -= 1
        list[j] = item


cdef bint is_even(iw_beacons *self, const iw_calls *calls, uint64_t *median, uint32_t *spread_pct) noexcept nogil:
    """Are the intervals between the calls those of a clock? `median` in ns, `spread_pct` of it."""
    cdef uint64_t intervals[TIMES]
    cdef uint64_t apart[TIMES]
    cdef uint64_t earlier, later, middle
    cdef uint32_t count = calls.held - 1, i, first = (calls.next + TIMES - calls.held) % TIMES, short = 0, long = 0
    for i in range(count):
        earlier = calls.times_ns[(first + i) % TIMES]
        later = calls.times_ns[(first + i + 1) % TIMES]
        intervals[i] = later - earlier
    sort(intervals, count)
    middle = intervals[count // 2]
    if middle < self.shortest_ns or middle > self.longest_ns:
        return False
    for i in range(count):
        apart[i] = intervals[i] - middle if intervals[i] > middle else middle - intervals[i]
        if intervals[i] * 100 < middle * SHORT_PCT:
            short += 1
        elif intervals[i] * 100 > middle * LONG_PCT:
            long += 1
    sort(apart, count)
    median[0] = middle
    spread_pct[0] = <uint32_t>(apart[count // 2] * 100 // middle)
    if count >= self.tight_count and spread_pct[0] <= TIGHT_PCT and short * 10 <= count and long * 5 <= count:
        return True
    return count >= self.loose_count and spread_pct[0] <= LOOSE_PCT and short * 20 <= count and long * 20 <= count * 3


cdef void report(
    iw_beacons *self, iw_scene *scene, const iw_calls *calls, int program, uint64_t median, uint32_t spread_pct,
) noexcept nogil:
    cdef const iw_network_connect *record = <const iw_network_connect *>scene.record
    cdef const char *words = b" about every "
    cdef const char *tail = b" s, give or take "
    cdef char text[192]
    cdef uint32_t size
    cdef iw_hit *hit = detector_hit(&self.base, scene, calls.key)
    if hit == NULL:
        return
    size = format_peer(record.dst_ip, record.dst_port, text)
    memcpy(text + size, words, strlen(words))
    size += <uint32_t>strlen(words)
    size += format_number((median + NS // 2) // NS, text + size)
    memcpy(text + size, tail, strlen(tail))
    size += <uint32_t>strlen(tail)
    size += format_number(spread_pct, text + size)
    memcpy(text + size, b" %", 2)
    size += 2
    hit.count = calls.held
    hit.first_ts_ns = scene.record.ts_ns - (scene.ts_ns - calls.times_ns[(calls.next + TIMES - calls.held) % TIMES])
    hits_sample(scene.hits, hit, <const uint8_t *>iw_variants[program], <uint32_t>strlen(iw_variants[program]))
    hits_sample(scene.hits, hit, <const uint8_t *>text, size)


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    cdef iw_beacons *self = <iw_beacons *>state
    cdef const iw_network_connect *record = <const iw_network_connect *>scene.record
    cdef const iw_value *path
    cdef iw_calls *calls
    cdef uint64_t key, median = 0
    cdef uint32_t spread_pct = 0
    cdef int program
    if iw_is_local(record.dst_ip) and not self.include_private:
        return
    if record.protocol == UDP and (record.dst_port == NAME_SERVICE or record.dst_port == TIME_SERVICE):
        return
    path = view_get(scene.view, IW_FIELD_EXE_PATH)
    program = class_of(scene, path)
    if program == CLASS_PACKAGED:
        self.base.skipped += 1
        return
    key = self.base.owner_hash ^ record.dst_port
    if path.shape == IW_SHAPE_STR:
        key = hash_bytes(path.data, path.size, key)
    else:
        key = iw_mix(key ^ scene.record.start_ns ^ scene.record.pid)
    key = iw_mix(iw_load64(record.dst_ip) ^ iw_mix(iw_load64(record.dst_ip + 8) ^ key)) | 1
    calls = slot_of(self, key)
    if scene.ts_ns < calls.newest_ns + NS:
        return  # of the same call, or late
    if calls.held and scene.ts_ns - calls.newest_ns > 3 * self.longest_ns:
        calls.held = 0
    calls.newest_ns = scene.ts_ns
    calls.times_ns[calls.next] = scene.ts_ns
    calls.next = (calls.next + 1) % TIMES
    calls.held = min(calls.held + 1, <uint32_t>TIMES)
    if calls.held > self.tight_count and is_even(self, calls, &median, &spread_pct):
        report(self, scene, calls, program, median, spread_pct)
        calls.held = 0


cdef class C2Callback(Detector):
    cdef iw_beacons full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        for name in ("intervals_count", "jittered_intervals_count"):
            if not 4 <= parameters[name] < TIMES:
                raise ValueError(f"{name} is {parameters[name]}; it must lie in 4..{TIMES - 1}")
        if not 1 <= parameters["shortest_s"] < parameters["longest_s"] <= 86400:
            raise ValueError("shortest_s and longest_s must lie in 1..86400, the longest above the shortest")
        self.kinds = (IW_KIND_NETWORK_CONNECT,)
        self.handler = handle
        self.base = &self.full.base
        self.full.slots = <iw_calls *>calloc(SLOTS, sizeof(iw_calls))
        if self.full.slots == NULL:
            raise MemoryError()
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * NS
        self.full.tight_count = parameters["intervals_count"]
        self.full.loose_count = max(parameters["intervals_count"], parameters["jittered_intervals_count"])
        self.full.shortest_ns = <uint64_t>parameters["shortest_s"] * NS
        self.full.longest_ns = <uint64_t>parameters["longest_s"] * NS
        self.full.include_private = parameters["include_private"] != 0

    def __dealloc__(self):
        free(self.full.slots)


DETECTOR = C2Callback
