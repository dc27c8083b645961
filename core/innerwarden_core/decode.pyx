# SPDX-License-Identifier: Apache-2.0
"""Bounds checks of a record, and its decoded view for Python.

After `check_record` has accepted a record, every field access is a table lookup without further checks:
the fixed part is inside the record and so is every string.
"""

from libc.stdint cimport uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from innerwarden_core.fields cimport (
    IW_FIELD_ARGV, IW_SHAPE_IP, IW_SHAPE_U64, iw_field_name, iw_kind_name, iw_kind_struct, iw_value, wire_value,
)
from innerwarden_core.record cimport IW_ABI_VERSION
from innerwarden_core.text cimport format_ip, to_str

MALFORMED_NAMES = ("", "short", "size", "kind", "fixed_part", "string")

# Offsets of each kind's strings, so that the check does not walk all fields. Filled once at import.
cdef uint16_t string_offsets[128][8]
cdef uint8_t string_counts[128]


cdef int find_strings() except -1:
    cdef uint32_t kind, field
    cdef iw_field_place place
    memset(string_counts, 0, sizeof(string_counts))
    for kind in range(IW_KIND_TOP + 1):
        for field in range(IW_FIELD_COUNT):
            place = iw_place(kind, field)
            if place.shape == IW_SHAPE_STR:
                if kind >= 128 or string_counts[kind] == 8:
                    raise ImportError("a record kind has more strings than the decoder's table; raise its size")
                string_offsets[kind][string_counts[kind]] = place.offset
                string_counts[kind] += 1
    return 0


find_strings()


cdef int check_record(const uint8_t *data, size_t room, uint32_t limit) noexcept nogil:
    """MALFORMED_NONE, or why the record at `data` (8-aligned, `room` readable bytes) is refused."""
    cdef const iw_header *header = <const iw_header *>data
    cdef uint32_t fixed, size, i
    cdef const uint32_t *string
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
    for i in range(string_counts[header.kind]):
        string = <const uint32_t *>(data + string_offsets[header.kind][i])
        if string[0] == 0:
            if string[1] != 0:
                return MALFORMED_STRING
        elif string[0] < fixed or string[0] > size or string[1] > size - string[0]:
            return MALFORMED_STRING
    return MALFORMED_NONE


FIELD_IDS = {iw_field_name(i).decode(): i for i in range(IW_FIELD_COUNT)}
KIND_NAMES = {k: iw_kind_name(k).decode() for k in range(IW_KIND_TOP + 1) if iw_fixed_size(k)}
ABI_VERSION = IW_ABI_VERSION
# Struct -> bytes and struct -> {field: offset}, as the C compiler of this extension laid them out.
SIZES = {iw_kind_struct(k).decode(): iw_fixed_size(k) for k in KIND_NAMES}
LAYOUT = {
    iw_kind_struct(k).decode(): {
        name: iw_place(k, i).offset for name, i in FIELD_IDS.items() if iw_place(k, i).shape
    }
    for k in KIND_NAMES
}


cdef object value_object(const iw_value *value):
    """int, str, or None when absent."""
    cdef char text[46]
    if value.shape == IW_SHAPE_U64:
        return value.number
    if value.shape == IW_SHAPE_STR:
        return to_str(value.data, value.size)
    if value.shape == IW_SHAPE_IP:
        return text[:format_ip(value.data, text)].decode()
    return None


cdef class Record:
    """A decoded view of one record; bounds were checked. Absent fields are None."""
    cdef uint8_t *data
    cdef readonly int kind

    def __init__(self, const uint8_t[::1] data not None):
        cdef size_t size = <size_t>data.shape[0]
        cdef int reason
        if self.data != NULL:
            raise ValueError("a record is filled once")
        # malloc aligns; the buffer that was passed need not be.
        self.data = <uint8_t *>malloc(size if size else 1)
        if self.data == NULL:
            raise MemoryError()
        if size:
            memcpy(self.data, &data[0], size)
        reason = check_record(self.data, size, JOINED_MAX)
        if reason != MALFORMED_NONE:
            raise ValueError(f"malformed record: {MALFORMED_NAMES[reason]}")
        self.kind = (<iw_header *>self.data).kind

    def __dealloc__(self):
        free(self.data)

    def get(self, str field not None):
        """A wire field by name; None when absent. Raises KeyError for a name that no record has."""
        cdef iw_value value
        wire_value(self.data, self.kind, FIELD_IDS[field], &value)
        return value_object(&value)

    def argv(self):
        """The arguments; empty when the record has none."""
        cdef iw_value value
        value.shape = value.size = 0
        value.data = NULL
        wire_value(self.data, self.kind, IW_FIELD_ARGV, &value)
        if value.shape == 0 or value.size == 0:
            return []
        return split_argv(value.data, value.size)

    def to_dict(self):
        """Field name -> value, for the fields that are present."""
        cdef iw_value value
        cdef uint32_t field
        out = {}
        for name, number in FIELD_IDS.items():
            field = number
            wire_value(self.data, self.kind, field, &value)
            if value.shape:
                out[name] = value_object(&value)
        return out


cdef list split_argv(const uint8_t *text, size_t size):
    """NUL-terminated arguments -> list; a last argument without its terminator was cut and is kept."""
    cdef size_t begin = 0, i
    arguments = []
    for i in range(size):
        if text[i] == 0:
            arguments.append(to_str(text + begin, i - begin))
            begin = i + 1
    if begin < size:
        arguments.append(to_str(text + begin, size - begin))
    return arguments
