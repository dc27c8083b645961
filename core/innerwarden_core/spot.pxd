# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.record cimport iw_header
from innerwarden_core.text cimport iw_load32, iw_load64

# Where in the header a number of every record stands: who acts, as whom, where.
cdef struct iw_spot:
    uint16_t offset
    uint8_t size        # 4 or 8 bytes; 0: the field is no such number
    uint64_t whole      # all ones when it is 8

cdef iw_spot spot_of(uint32_t field) noexcept

cdef inline uint64_t spot_number(const iw_header *record, iw_spot spot) noexcept nogil:
    """PERF: both sizes are read, so that the choice is no branch. Row 2 of the benchmarks."""
    cdef const uint8_t *place = <const uint8_t *>record + spot.offset
    return (iw_load64(place) & spot.whole) | (iw_load32(place) & ~spot.whole)
