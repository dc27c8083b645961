# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    OP_EQUALS
    OP_CONTAINS
    OP_STARTSWITH
    OP_ENDSWITH
    OP_GLOB
    OP_CIDR
    OP_EXISTS
    OP_IS_NULL
    OP_EQ
    OP_NE
    OP_LT
    OP_LE
    OP_GT
    OP_GE
    OP_BIT_ALL
    OP_BIT_ANY
    OP_FIELD_EQUALS
    OP_FIELD_CONTAINS
    OP_FIELD_STARTSWITH
    OP_FIELD_ENDSWITH
    OP_RE
    OP_COUNT

cdef enum:
    MATCH = -1
    NO_MATCH = -2
    MAX_NODES = 65536


cdef class Predicate:
    cdef readonly uint32_t field
    cdef readonly uint32_t operator
    cdef readonly tuple literals    # bytes folded unless cased; cidr as (16 bytes, prefix); Regex; numbers as given
    cdef readonly bint cased
    cdef readonly tuple needs       # of OP_RE: folded text of which a matching field holds one; empty: unknown
    cdef readonly tuple key         # equal for predicates that test the same


cdef class Rule:
    cdef readonly str owner
    cdef readonly tuple kinds
    cdef readonly tuple predicates
    cdef readonly tuple nodes
    cdef readonly tuple group_by
    cdef readonly uint64_t cooldown_ns
    cdef readonly bint emit
    cdef readonly tuple key         # what it matches in three parts, and what it is grouped by


cdef class Correlation:
    cdef readonly str owner
    cdef readonly str kind
    cdef readonly tuple rules
    cdef readonly tuple group_by
    cdef readonly uint64_t timespan_ns
    cdef readonly str operator
    cdef readonly uint32_t threshold
    cdef readonly int value_field
    cdef readonly int sample_field
    cdef readonly uint64_t cooldown_ns
    cdef readonly tuple key


cdef class NativeDetector:
    cdef readonly str owner
    cdef readonly str detector
    cdef readonly dict parameters
