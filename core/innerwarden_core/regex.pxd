# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t

cdef bint regex_match(const void *regex, const uint8_t *text, size_t size) noexcept nogil


cdef class Regex:
    cdef void *handle           # for regex_match; valid as long as the object
    cdef readonly bytes pattern
