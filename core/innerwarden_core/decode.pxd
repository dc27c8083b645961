# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t

from innerwarden_core.fields cimport (
    IW_FIELD_COUNT, IW_KIND_TOP, IW_SHAPE_STR, iw_field_place, iw_fixed_size, iw_place,
)
from innerwarden_core.record cimport IW_ARGV_MAX, IW_RECORD_MAX, iw_header

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

cdef int check_record(const uint8_t *data, size_t room, uint32_t limit) noexcept nogil
cdef list split_argv(const uint8_t *text, size_t size)
