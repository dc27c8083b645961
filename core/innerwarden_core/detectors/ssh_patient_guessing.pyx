# SPDX-License-Identifier: Apache-2.0
"""An address whose SSH logins fail again and again over hours, never fast (ATT&CK T1110.001).

Native, because every failed login of an internet-facing server passes here. An address that fails fast is
ssh_bruteforce's: as long as it does, nothing counts here, so that one attack is not told twice.
"""

from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.addresses cimport *
from innerwarden_core.detector cimport *
from innerwarden_core.record cimport *

PARAMETERS = {
    "slow_window_s": 43200, "slow_failures_count": 20, "fast_window_s": 300, "fast_failures_count": 8,
    "cooldown_s": 3600,
}

cdef struct iw_patience:
    iw_detector base
    iw_addresses addresses
    uint64_t slow_window_ns
    uint64_t fast_window_ns
    uint32_t slow_count
    uint32_t fast_count


cdef void handle(void *state, iw_scene *scene) noexcept nogil:
    cdef iw_patience *self = <iw_patience *>state
    cdef const iw_log *record = <const iw_log *>scene.record
    cdef uint64_t key = address_key(record, self.base.owner_hash)
    cdef iw_address *address
    cdef iw_hit *hit
    if key == 0:
        return
    address = address_add(
        &self.addresses, key, scene.ts_ns, max(record.repeat_count, <uint32_t>1), self.slow_window_ns,
    )
    if address.held >= self.fast_count and address_reached(address, self.fast_count, self.fast_window_ns):
        address.fresh = 0
        return
    if address.fresh < self.slow_count or not address_reached(address, self.slow_count, self.slow_window_ns):
        return
    address.fresh = 0
    hit = detector_hit(&self.base, scene, key)
    if hit != NULL:
        hit.count = self.slow_count
        hit.first_ts_ns = address.times_ns[(address.next + LATEST - self.slow_count) % LATEST]


cdef class SshPatientGuessing(Detector):
    cdef iw_patience full

    def __init__(self, dict parameters not None):
        check_parameters(parameters, PARAMETERS)
        for name in ("slow_failures_count", "fast_failures_count"):
            if not 1 <= parameters[name] <= LATEST:
                raise ValueError(f"{name} is {parameters[name]}; it must lie in 1..{LATEST}")
        for name in ("slow_window_s", "fast_window_s"):
            if parameters[name] < 1:
                raise ValueError(f"{name} is {parameters[name]}; it must be at least 1")
        self.kinds = (IW_KIND_SSH_LOGIN_FAILED,)
        self.handler = handle
        self.base = &self.full.base
        if not addresses_init(&self.full.addresses):
            raise MemoryError()
        self.full.base.cooldown_ns = <uint64_t>parameters["cooldown_s"] * 1000000000
        self.full.slow_window_ns = <uint64_t>parameters["slow_window_s"] * 1000000000
        self.full.fast_window_ns = <uint64_t>parameters["fast_window_s"] * 1000000000
        self.full.slow_count = parameters["slow_failures_count"]
        self.full.fast_count = parameters["fast_failures_count"]

    def stats(self):
        """Addresses forgotten for want of room, and nothing dropped by an exception."""
        return {"skipped": self.base.skipped, "evicted": self.full.addresses.evicted}

    def __dealloc__(self):
        addresses_free(&self.full.addresses)


DETECTOR = SshPatientGuessing
