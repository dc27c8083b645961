# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.record cimport iw_log

cdef enum:
    LATEST = 32         # moments that are kept of one address
    ADDRESS_WAYS = 4
    ADDRESS_SETS = 1024

# What an address did: its latest moments in a circle, in order of arrival.
cdef struct iw_address:
    uint64_t key            # 0: free
    uint64_t newest_ns
    uint64_t first_ns       # of the present run
    uint64_t run_count      # moments of the run, which ends with a pause longer than the window
    uint32_t next           # place of the next moment
    uint32_t held           # moments in the circle
    uint32_t fresh          # moments since the detector last forgot them, at most `held`
    uint64_t times_ns[LATEST]

cdef struct iw_addresses:
    iw_address *slots
    uint64_t evicted

cdef bint addresses_init(iw_addresses *table) noexcept
cdef void addresses_free(iw_addresses *table) noexcept
cdef uint64_t address_key(const iw_log *record, uint64_t salt) noexcept nogil
cdef iw_address *address_find(const iw_addresses *table, uint64_t key) noexcept nogil
cdef iw_address *address_add(
    iw_addresses *table, uint64_t key, uint64_t ts_ns, uint32_t times, uint64_t window_ns,
) noexcept nogil
cdef bint address_reached(const iw_address *address, uint32_t count, uint64_t window_ns) noexcept nogil
