# SPDX-License-Identifier: Apache-2.0
"""One predicate against one record. Absent fields are false for every operator but is_null."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from innerwarden_core.fields cimport IW_SHAPE_IP, IW_SHAPE_STR, IW_SHAPE_U64, iw_value
from innerwarden_core.regex cimport regex_match
from innerwarden_core.rules cimport *
from innerwarden_core.text cimport glob_match, memmem
from innerwarden_core.view cimport view_folded, view_get, view_valid


cdef inline bint text_true(uint32_t op, const iw_value *value, const iw_literal *literal) noexcept nogil:
    if op == OP_GLOB:
        return glob_match(value.data, value.size, literal.data, literal.size)
    if literal.size > value.size:
        return False
    if op == OP_EQUALS:
        return literal.size == value.size and memcmp(value.data, literal.data, literal.size) == 0
    if op == OP_CONTAINS:
        return memmem(value.data, value.size, literal.data, literal.size) != NULL
    if literal.size == 0:
        return True
    # PERF: of many alternatives most differ in the last byte already. Row 5 of the benchmarks.
    if op == OP_STARTSWITH:
        return value.data[literal.size - 1] == literal.data[literal.size - 1] \
            and memcmp(value.data, literal.data, literal.size) == 0
    return value.data[value.size - 1] == literal.data[literal.size - 1] \
        and memcmp(value.data + value.size - literal.size, literal.data, literal.size) == 0


cdef bint in_network(const uint8_t *address, const iw_literal *network) noexcept nogil:
    cdef uint32_t whole = network.size >> 3, rest = network.size & 7
    if memcmp(address, network.data, whole):
        return False
    return rest == 0 or (address[whole] ^ network.data[whole]) >> (8 - rest) == 0


cdef bint part_of(uint32_t op, const iw_value *one, const iw_value *other) noexcept nogil:
    """Does the one hold the other: OP_FIELD_CONTAINS, OP_FIELD_STARTSWITH or OP_FIELD_ENDSWITH?"""
    cdef iw_literal literal
    if one.shape != IW_SHAPE_STR or other.shape != IW_SHAPE_STR:
        return False
    literal.data = other.data
    literal.size = other.size
    return text_true(op - OP_FIELD_EQUALS + OP_EQUALS, one, &literal)


cdef bint same(const iw_value *one, const iw_value *other) noexcept nogil:
    if one.shape != other.shape or one.shape == 0:
        return False
    if one.shape == IW_SHAPE_U64:
        return one.number == other.number
    return one.size == other.size and memcmp(one.data, other.data, one.size) == 0


cdef bint predicate_true(const iw_predicate *predicate, const iw_literal *literals, iw_view *view) noexcept nogil:
    """Any one literal suffices, for every operator."""
    cdef uint32_t op = predicate.op, i
    cdef const iw_literal *literal = literals + predicate.first
    cdef const iw_value *value
    cdef const iw_value *other
    if op <= OP_GLOB:
        value = view_get(view, predicate.field) if predicate.cased else view_folded(view, predicate.field)
        if value.shape != IW_SHAPE_STR:
            return False
        for i in range(predicate.count):
            if text_true(op, value, literal + i):
                return True
        return False
    if op == OP_RE:
        value = view_valid(view, predicate.field)
        for i in range(predicate.count):
            if value.shape == IW_SHAPE_STR and regex_match(literal[i].data, value.data, value.size):
                return True
        return False
    value = view_get(view, predicate.field)
    if op == OP_EXISTS:
        return value.shape != 0
    if op == OP_IS_NULL:
        return value.shape == 0
    if op == OP_CIDR:
        for i in range(predicate.count):
            if value.shape == IW_SHAPE_IP and in_network(value.data, literal + i):
                return True
        return False
    if OP_FIELD_EQUALS <= op <= OP_FIELD_ENDSWITH:
        if not predicate.cased:
            value = view_folded(view, predicate.field)
        for i in range(predicate.count):
            other = view_get(view, literal[i].number) if predicate.cased else view_folded(view, literal[i].number)
            if same(value, other) if op == OP_FIELD_EQUALS else part_of(op, value, other):
                return True
        return False
    return number_predicate(predicate, literals, view)
