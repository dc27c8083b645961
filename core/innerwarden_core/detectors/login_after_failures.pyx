# SPDX-License-Identifier: Apache-2.0
"""An SSH login that succeeds after the same address has failed several times (ATT&CK T1110, T1078).

Native, because every failed login of an internet-facing server passes here. State is one slot per address: the latest
failures by event time (exact up to LATEST, which bounds `failures_count`) and their number without a pause longer
than the window. A success looks at the slot and frees it. SLOTS addresses are kept; the one that was quiet longest
in its set gives way and is counted as evicted.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from innerwarden_core.detector cimport *
from innerwarden_core.hits cimport hits_sample
from innerwarden_core.record cimport *
from innerwarden_core.text cimport hash_bytes, iw_load64, iw_mix

cdef enum:
    LATEST = 16
    WAYS = 4
    SETS = 1024
    SLOTS = WAYS * SETS

PARAMETERS = {"failures_count": 3, "window_s": 600, "cooldown_s": 600}

cdef struct iw_address:
    uint64_t key            # 0: free
    uint64_t newest_ns      # event time of the latest failure
    uint64_t first_ns       # of the first one of the present run
    uint64_t run_count      # failures of the run
    uint32_t next
    uint32_t held
    uint64_t times_ns[LATEST]

cdef struct iw_logins:
    iw_detector base
    iw_address *slots
    uint64_t window_ns
    uint32_t failures_count


cdef iw_address *slot_of(iw_logins *self, uint64_t key, bint make) noexcept nogil:
    cdef iw_address *slots = self.slots + (key & (SETS - 1)) * WAYS
    cdef iw_address *place = slots
    cdef uint32_t i
    for i in range(WAYS):
        if slots[i].key == key:
            return slots + i
        if slots[i].newest_ns < place.newest_ns:
            place = slots + i
    if not make:
        return NULL
    if place.key:
        self.base.tracker.evicted += 1
    memset(place, 0, sizeof(iw_address))
    place.key = key
    return place


cdef void failed(iw_logins *self, uint64_t key, uint64_t ts_ns, uint32_t times) noexcept nogil:
    """Remember `times` failures; a syslog line may stand for several."""
    cdef iw_address *address = slot_of(self, key, True)
    cdef uint32_t i
    if not within(ts_ns, address.newest_ns, self.window_ns):
        address.run_count = 0
        address.first_ns = ts_ns
    address.run_count += times
    address.newest_ns = max(address.newest_ns, ts_ns)
    for i in range(min(times, <uint32_t>LATEST)):
        address.times_ns[address.next] = ts_ns
        address.next = (address.next + 1) % LATEST
        address.held = min(address.held + 1, <uint32_t>LATEST)


cdef void succeeded(iw_logins *self, iw_scene *scene, uint64_t key) noexcept nogil:
    cdef iw_address *address = slot_of(self, key, False)
    cdef const iw_log *record = <const iw_log *>scene.record
    cdef uint32_t i, recent = 0
    cdef iw_hit *hit
    if address == NULL:
        return
    for i in range(address.held):
        if address.times_ns[i] <= scene.ts_ns and within(scene.ts_ns, address.times_ns[i], self.window_ns):
            recent += 1
    if recent < self.failures_count:
        return
    hit = detector_hit(&self.base, scene, hash_bytes(<const uint8_t *>record + record.user.off, record.user.len, key))
    if hit != NULL:
        hit.count = max(<uint64_t>recent, address.run_count)
        hit.first_ts_ns = address.first_ns
        hits_sample(scene.hits, hit, <const uint8_t *>record + record.user.off, record.user.len)
    memset(address, 0, sizeof(iw_address))


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    cdef iw_logins *self = <iw_logins *>state
    cdef const iw_log *record = <const iw_log *>scene.record
    cdef uint64_t key
    if record.family == 0:
        return  # the line names no address
    key = iw_mix(iw_load64(record.src_ip) ^ iw_mix(iw_load64(record.src_ip + 8) ^ self.base.owner_hash)) | 1
    if record.h.kind == IW_KIND_SSH_LOGIN_FAILED:
        failed(self, key, scene.ts_ns, max(record.repeat_count, <uint32_t>1))
    else:
        succeeded(self, scene, key)


cdef class LoginAfterFailures(Detector):
    cdef iw_logins full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        if not 1 <= parameters["failures_count"] <= LATEST:
            raise ValueError(f"failures_count is {parameters['failures_count']}; it must lie in 1..{LATEST}")
        self.kinds = (IW_KIND_SSH_LOGIN_FAILED, IW_KIND_SSH_LOGIN_SUCCESS)
        self.handler = handle
        self.base = &self.full.base
        self.full.slots = <iw_address *>calloc(SLOTS, sizeof(iw_address))
        if self.full.slots == NULL:
            raise MemoryError()
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000
        self.full.window_ns = <uint64_t>parameters["window_s"] * 1000000000
        self.full.failures_count = parameters["failures_count"]

    def __dealloc__(self):
        free(self.full.slots)


DETECTOR = LoginAfterFailures
