# SPDX-License-Identifier: Apache-2.0
from cython cimport final
from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.drain cimport iw_rings
from innerwarden_core.intel cimport Intel
from innerwarden_core.pipeline cimport iw_pipeline
from innerwarden_core.program cimport Program


@final
cdef class Engine:
    cdef iw_pipeline pipeline
    cdef iw_rings rings
    cdef uint32_t window_keys
    cdef bint behind_           # the last drain left records
    cdef Program _program
    cdef dict _windows          # owner -> Window
    cdef dict _natives          # owner -> (key, Detector)
    cdef list _owners           # owner index -> id
    cdef dict _states           # owner -> (definition, hash of its cooldowns)
    cdef uint64_t _state_count  # hashes given so far
    cdef object _lock
    cdef Intel _intel           # the view points into it
