# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.fields cimport IW_SHAPE_U64, iw_value
from innerwarden_core.program cimport iw_literal, iw_predicate
from innerwarden_core.rules cimport OP_BIT_ALL, OP_EQ, OP_GE, OP_GT, OP_LE, OP_LT, OP_NE
from innerwarden_core.spot cimport spot_number
from innerwarden_core.view cimport iw_view, view_get

cdef bint predicate_true(const iw_predicate *predicate, const iw_literal *literals, iw_view *view) noexcept nogil

cdef inline bint number_true(uint32_t op, uint64_t value, uint64_t literal) noexcept nogil:
    if op == OP_EQ:
        return value == literal
    if op == OP_NE:
        return value != literal
    if op == OP_LT:
        return value < literal
    if op == OP_LE:
        return value <= literal
    if op == OP_GT:
        return value > literal
    if op == OP_GE:
        return value >= literal
    if op == OP_BIT_ALL:
        return value & literal == literal
    return value & literal != 0


cdef inline bint number_predicate(
    const iw_predicate *predicate, const iw_literal *literals, iw_view *view,
) noexcept nogil:
    """A number test, OP_EQ to OP_BIT_ANY; any one literal suffices."""
    cdef const iw_value *value
    cdef uint64_t number
    cdef uint32_t i
    if predicate.spot.size:
        number = spot_number(view.header, predicate.spot)
    else:
        value = view_get(view, predicate.field)
        if value.shape != IW_SHAPE_U64:
            return False
        number = value.number
    for i in range(predicate.first, predicate.first + predicate.count):
        if number_true(predicate.op, number, literals[i].number):
            return True
    return False
