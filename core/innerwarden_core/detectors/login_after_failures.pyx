# SPDX-License-Identifier: Apache-2.0
"""An SSH login that succeeds after the same address has failed several times (ATT&CK T1110, T1078).

Native, because every failed login of an internet-facing server passes here. State is one slot per address: the latest
failures by event time (exact up to LATEST, which bounds `failures_count`) and their number without a pause longer
than the window. A success looks at the slot and frees it.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from innerwarden_core.addresses cimport *
from innerwarden_core.detector cimport *
from innerwarden_core.hits cimport hits_sample
from innerwarden_core.record cimport *
from innerwarden_core.text cimport hash_bytes

PARAMETERS = {"failures_count": 3, "window_s": 600, "cooldown_s": 600}

cdef struct iw_logins:
    iw_detector base
    iw_addresses addresses
    uint64_t window_ns
    uint32_t failures_count


cdef void succeeded(iw_logins *self, iw_scene *scene, uint64_t key) noexcept nogil:
    cdef iw_address *address = address_find(&self.addresses, key)
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
    cdef uint64_t key = address_key(record, self.base.owner_hash)
    if key == 0:
        return
    if record.h.kind == IW_KIND_SSH_LOGIN_FAILED:
        address_add(&self.addresses, key, scene.ts_ns, max(record.repeat_count, <uint32_t>1), self.window_ns)
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
        if not addresses_init(&self.full.addresses):
            raise MemoryError()
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000
        self.full.window_ns = <uint64_t>parameters["window_s"] * 1000000000
        self.full.failures_count = parameters["failures_count"]

    def stats(self):
        """Addresses forgotten for want of room, and nothing dropped by an exception."""
        return {"skipped": self.base.skipped, "evicted": self.full.addresses.evicted}

    def __dealloc__(self):
        addresses_free(&self.full.addresses)


DETECTOR = LoginAfterFailures
