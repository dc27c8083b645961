# SPDX-License-Identifier: Apache-2.0
"""Bounds checks of a record, and its decoded view for Python.

After `check_record` has accepted a record, every field access is a table lookup without further checks:
the fixed part is inside the record and so is every string.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import sys

from innerwarden_core.fields cimport (
    IW_FIELD_ARGV, IW_FIELD_COUNT, IW_KIND_TOP, IW_SHAPE_IP, IW_SHAPE_STR, IW_SHAPE_U64, iw_field_name, iw_kind_name, iw_kind_struct, iw_place, iw_value,
    wire_value,
)
from innerwarden_core.record cimport IW_ABI_VERSION
from innerwarden_core.text cimport format_ip, to_str

MALFORMED_NAMES = ("", "short", "size", "kind", "fixed_part", "string")

# PERF: interned, as the names of a Struct's members are: others are compared letter by letter with each of them. Row 10.
FIELD_IDS = {sys.intern(iw_field_name(i).decode()): i for i in range(IW_FIELD_COUNT)}
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
# Kind -> the fields that its records have, with their ids.
FIELDS_OF = {
    k: tuple((name, i) for name, i in FIELD_IDS.items() if iw_place(k, i).shape) for k in KIND_NAMES
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
        for name, number in FIELDS_OF[self.kind]:
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
