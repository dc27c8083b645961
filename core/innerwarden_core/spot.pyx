# SPDX-License-Identifier: Apache-2.0
"""Numbers that every kind of record has at one place, read without a look at the field table."""

from innerwarden_core.fields cimport (
    IW_FIELD_COUNT, IW_KIND_TOP, IW_SHAPE_U32, IW_SHAPE_U64, iw_field_place, iw_fixed_size, iw_place,
)


cdef iw_spot spot_of(uint32_t field) noexcept:
    cdef iw_spot spot
    cdef iw_field_place place, other
    cdef uint32_t kind
    spot.offset = spot.size = 0
    spot.whole = 0
    if field >= IW_FIELD_COUNT:
        return spot
    place.offset = place.shape = 0
    for kind in range(IW_KIND_TOP + 1):
        if iw_fixed_size(kind) == 0:
            continue
        other = iw_place(kind, field)
        if place.shape == 0:
            place = other
        if other.shape != place.shape or other.offset != place.offset or other.shape == 0:
            return spot
    # Eight bytes are read at either size.
    if place.offset + sizeof(uint64_t) > sizeof(iw_header):
        return spot
    if place.shape == IW_SHAPE_U32 or place.shape == IW_SHAPE_U64:
        spot.offset = place.offset
        spot.size = 8 if place.shape == IW_SHAPE_U64 else 4
        spot.whole = <uint64_t>-1 if place.shape == IW_SHAPE_U64 else 0
    return spot
