# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from innerwarden_core.fields cimport iw_fixed_size, iw_strings, iw_value
from innerwarden_core.record cimport iw_header, iw_str

cdef enum:
    MALFORMED_NONE
    MALFORMED_SHORT     # fewer bytes than a header, or fewer than the record says that it has
    MALFORMED_SIZE      # not a multiple of 8, or above the limit
    MALFORMED_KIND      # no such kind
    MALFORMED_FIXED     # smaller than its kind's fixed part
    MALFORMED_STRING    # a string reaches outside the record or into the fixed part
    MALFORMED_REASONS

cdef enum:
    # Records made in this process (argv joined from its chunks) may be this much larger than wire records.
    JOINED_MAX = 65536 + 131072


cdef inline int check_record(const uint8_t *data, size_t room, uint32_t limit) noexcept nogil:
    """MALFORMED_NONE, or why the record at `data` (8-aligned, `room` readable bytes) is refused."""
    cdef const iw_header *header = <const iw_header *>data
    cdef const uint16_t *place
    cdef const iw_str *string
    cdef uint32_t fixed, size
    if room < sizeof(iw_header) or header.size > room or header.size < sizeof(iw_header):
        return MALFORMED_SHORT
    size = header.size
    if size & 7 or size > limit:
        return MALFORMED_SIZE
    fixed = iw_fixed_size(header.kind)
    if fixed == 0:
        return MALFORMED_KIND
    if size < fixed:
        return MALFORMED_FIXED
    place = iw_strings(header.kind)
    while place[0]:
        string = <const iw_str *>(data + place[0])
        place += 1
        if string.off == 0:
            if string.len != 0:
                return MALFORMED_STRING
        elif string.off < fixed or string.off > size or string.len > size - string.off:
            return MALFORMED_STRING
    return MALFORMED_NONE

cdef list split_argv(const uint8_t *text, size_t size)
cdef object value_object(const iw_value *value)
