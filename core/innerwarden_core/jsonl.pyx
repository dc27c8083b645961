# SPDX-License-Identifier: Apache-2.0
"""One event as one line of JSON, made while the event is looked at: no Python object, no second decoding.

`{"kind": dotted kind, "details": {field: value}, "process": {...}}`: `details` are the record's own fields as
`Record.to_dict` gives them, with argv as a list and the time on the real-time clock; `process` is what the process
table adds. A reader that wants the record again needs `details` alone.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy, strlen

from innerwarden_core.fields cimport *
from innerwarden_core.program cimport KINDS
from innerwarden_core.record cimport IW_F_REALTIME
from innerwarden_core.text cimport format_ip
from innerwarden_core.view cimport has_task, view_get

cdef extern from "json_text.h" nogil:
    enum:
        IW_JSON_GROWTH
        IW_JSON_NUMBER
    char *iw_json_number(char *to, uint64_t number)
    char *iw_json_text(char *to, const uint8_t *text, size_t size)

cdef enum:
    KEY_MAX = 40
    LINES_MIN = 1 << 20
    LINES_MAX = 1 << 27         # bytes that wait to be taken; an event beyond is lost and counted
    KEPT_MAX = 1 << 23          # room that stays for the next batch
    TEXT_MAX = 4096             # of a text about the acting process; what the record itself says is whole
    MARGIN = 256                # braces, kind and the names of what the process table adds

# `,"name":` of every field, wire and derived.
cdef struct iw_key:
    uint32_t size
    char text[KEY_MAX]

cdef iw_key keys[IW_FIELD_TOTAL]
# The fields of each kind's records in the order of their ids; how many; bytes of names and numbers at most.
cdef uint16_t members[KINDS][IW_FIELD_COUNT]
cdef uint32_t member_counts[KINDS]
cdef size_t fixed_bytes[KINDS]
#: Of the record, what belongs to the transport.
FRAME = {"size", "kind", "sequence"}


def _fill():
    from innerwarden_core.rules import FIELDS

    cdef uint32_t kind
    cdef uint32_t number
    for name, field in FIELDS.items():
        text = f',"{name}":'.encode()
        if len(text) > KEY_MAX:
            raise ImportError(f"the field name {name} is too long; raise KEY_MAX")
        number = field
        keys[number].size = <uint32_t>len(text)
        memcpy(keys[number].text, <const char *>text, len(text))
    for kind in range(IW_KIND_TOP + 1):
        fixed_bytes[kind] = MARGIN
        for number in range(IW_FIELD_COUNT):
            if iw_place(kind, number).shape and iw_field_name(number).decode() not in FRAME:
                members[kind][member_counts[kind]] = <uint16_t>number
                member_counts[kind] += 1
                fixed_bytes[kind] += keys[number].size + 48  # an address is the longest that is no text


if IW_KIND_TOP >= KINDS:
    raise ImportError("more kinds than KINDS")
_fill()


cdef inline char *put(char *to, const char *text, size_t size) noexcept nogil:
    memcpy(to, text, size)
    return to + size


cdef inline char *put_key(char *to, uint32_t field, bint first) noexcept nogil:
    """The first member of an object needs no comma."""
    return put(to, keys[field].text + first, keys[field].size - first)


cdef char *put_list(char *to, const uint8_t *text, size_t size) noexcept nogil:
    """NUL-terminated arguments as a list; a last one without its terminator was cut and is kept."""
    cdef const uint8_t *end
    cdef size_t length
    cdef char *begin = to + 1
    to = put(to, "[", 1)
    while size:
        end = <const uint8_t *>memchr(text, 0, size)
        length = end - text if end != NULL else size
        if to != begin:
            to = put(to, ",", 1)
        to = iw_json_text(to, text, length)
        length = length + 1 if end != NULL else length
        text += length
        size -= length
    return put(to, "]", 1)


cdef char *put_value(char *to, const iw_value *value) noexcept nogil:
    cdef char address[46]
    if value.shape == IW_SHAPE_U64:
        return iw_json_number(to, value.number)
    if value.shape == IW_SHAPE_IP:
        return iw_json_text(to, <const uint8_t *>address, format_ip(value.data, address))
    return iw_json_text(to, value.data, value.size)


cdef bint make_room(iw_event_lines *self, size_t more) noexcept nogil:
    cdef size_t room = self.room if self.room else <size_t>LINES_MIN
    cdef void *grown
    while room < self.used + more:
        room *= 2
    if room == self.room:
        return True
    grown = realloc(self.data, room) if room <= LINES_MAX else NULL
    if grown == NULL:
        return False
    self.data = <char *>grown
    self.room = room
    return True


cdef void event_line(iw_event_lines *self, iw_view *view, uint64_t offset_ns) noexcept nogil:
    """Append the line of the record that the view looks at."""
    cdef uint32_t kind = view.header.kind, i, field
    # Every byte of the record may be text, and arguments are separated by three more bytes each.
    cdef size_t most = fixed_bytes[kind] + <size_t>view.header.size * IW_JSON_GROWTH
    cdef bint realtime = view.header.flags & IW_F_REALTIME != 0
    cdef const char *name = iw_kind_name(kind)
    cdef iw_value value
    cdef char *to
    cdef char *begin
    most += 5 * TEXT_MAX * IW_JSON_GROWTH if has_task(view.header) else 0
    if not make_room(self, most):
        self.lost += 1
        return
    to = put(self.data + self.used, '{"kind":"', 9)
    to = put(to, name, strlen(name))
    to = put(to, '","details":{', 13)
    begin = to
    for i in range(member_counts[kind]):
        field = members[kind][i]
        wire_value(view.record, kind, field, &value)
        if value.shape == 0:
            continue
        if field == IW_FIELD_TS_NS and not realtime:
            value.number += offset_ns
        elif field == IW_FIELD_FLAGS:
            value.number |= IW_F_REALTIME
        to = put_key(to, field, to == begin)
        to = put_list(to, value.data, value.size) if field == IW_FIELD_ARGV else put_value(to, &value)
    to = put(to, "}", 1)
    if has_task(view.header):
        to = put_process(to, view, kind)
    to = put(to, "}\n", 2)
    self.used = to - self.data


cdef char *put_process(char *to, iw_view *view, uint32_t kind) noexcept nogil:
    """What the table knows of the acting process, unless the record says it itself."""
    cdef uint32_t[5] wanted = [
        IW_FIELD_EXE_PATH, IW_DERIVED_COMMAND_LINE, IW_DERIVED_PARENT_EXE_PATH, IW_DERIVED_PARENT_COMMAND_LINE,
        IW_DERIVED_CONTAINER_ID,
    ]
    cdef const iw_value *value
    cdef char *begin
    cdef uint32_t i, field
    to = put(to, ',"process":{', 12)
    begin = to
    for i in range(5):
        field = wanted[i]
        if field < IW_FIELD_COUNT and iw_place(kind, field).shape:
            continue
        if field == IW_DERIVED_COMMAND_LINE and iw_place(kind, IW_FIELD_ARGV).shape:
            continue
        value = view_get(view, field)
        if value.shape != IW_SHAPE_STR:
            continue
        to = put_key(to, field, to == begin)
        to = iw_json_text(to, value.data, min(value.size, <uint32_t>TEXT_MAX))
    return put(to, "}", 1)


cdef object lines_take(iw_event_lines *self):
    """The lines since the last call, as bytes."""
    out = self.data[: self.used] if self.used else b""
    self.used = 0
    if self.room > KEPT_MAX:
        free(self.data)
        self.data = NULL
        self.room = 0
    return out


cdef void lines_free(iw_event_lines *self) noexcept:
    free(self.data)
    self.data = NULL
