# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.view cimport iw_intel


cdef class Intel:
    cdef iw_intel table
    cdef readonly tuple lists       # names, in order
    cdef tuple _names               # the same as bytes; the table points into them
    cdef readonly list problems
    cdef readonly dict refused
    cdef uint64_t _read(self, name, const uint8_t[::1] content, uint32_t number, uint64_t left, uint64_t *counts)
    cdef _refuse(self, name, line_number, reason)
