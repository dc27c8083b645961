# SPDX-License-Identifier: Apache-2.0
"""What detectors of log lines keep for each source address: one slot with its latest moments.

ADDRESS_WAYS x ADDRESS_SETS addresses have room, in memory that becomes resident as they come. The one that was quiet
longest in its set gives way and is counted.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from innerwarden_core.detector cimport within
from innerwarden_core.text cimport iw_load64, iw_mix


cdef bint addresses_init(iw_addresses *table) noexcept:
    table.slots = <iw_address *>calloc(ADDRESS_SETS * ADDRESS_WAYS, sizeof(iw_address))
    return table.slots != NULL


cdef void addresses_free(iw_addresses *table) noexcept:
    free(table.slots)
    table.slots = NULL


cdef uint64_t address_key(const iw_log *record, uint64_t salt) noexcept nogil:
    """Of the record's source address; 0 when the line names none. The salt keeps others from choosing the set."""
    if record.family == 0:
        return 0
    return iw_mix(iw_load64(record.src_ip) ^ iw_mix(iw_load64(record.src_ip + 8) ^ salt)) | 1


cdef inline iw_address *set_of(const iw_addresses *table, uint64_t key) noexcept nogil:
    # Bit 0 is set in every key.
    return table.slots + ((key >> 1) & (ADDRESS_SETS - 1)) * ADDRESS_WAYS


cdef iw_address *address_find(const iw_addresses *table, uint64_t key) noexcept nogil:
    cdef iw_address *slots = set_of(table, key)
    cdef uint32_t i
    for i in range(ADDRESS_WAYS):
        if slots[i].key == key:
            return slots + i
    return NULL


cdef iw_address *address_make(iw_addresses *table, uint64_t key) noexcept nogil:
    cdef iw_address *slots = set_of(table, key)
    cdef iw_address *place = address_find(table, key)
    cdef uint32_t i
    if place != NULL:
        return place
    place = slots
    for i in range(ADDRESS_WAYS):
        if slots[i].newest_ns < place.newest_ns:
            place = slots + i
    if place.key:
        table.evicted += 1
    memset(place, 0, sizeof(iw_address))
    place.key = key
    return place


cdef iw_address *address_add(
    iw_addresses *table, uint64_t key, uint64_t ts_ns, uint32_t times, uint64_t window_ns,
) noexcept nogil:
    """Note that the address did it `times` times; a line may stand for several. Returns its slot."""
    cdef iw_address *address = address_make(table, key)
    cdef uint32_t i
    if not within(ts_ns, address.newest_ns, window_ns):
        address.run_count = 0
        address.first_ns = ts_ns
    address.run_count += times
    address.newest_ns = max(address.newest_ns, ts_ns)
    for i in range(min(times, <uint32_t>LATEST)):
        address.times_ns[address.next] = ts_ns
        address.next = (address.next + 1) % LATEST
        address.held = min(address.held + 1, <uint32_t>LATEST)
        address.fresh = min(address.fresh + 1, <uint32_t>LATEST)
    return address


cdef bint address_reached(const iw_address *address, uint32_t count, uint64_t window_ns) noexcept nogil:
    """Do the last `count` moments (1..LATEST, and as many there must be) lie within one window that ends now?

    Only the first of them is looked at: log lines come in order of time, give or take a moment.
    """
    cdef uint64_t first_ns = address.times_ns[(address.next + LATEST - count) % LATEST]
    return address.newest_ns - first_ns < window_ns
