# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int64_t, uint32_t, uint64_t

from innerwarden_core.lines cimport LineParser

cdef extern from "authlog_base.h" nogil:
    struct iw_dedup:
        uint64_t duplicates
        uint64_t evicted
    struct iw_auth:
        iw_dedup *dedup
        int64_t side
        int64_t now_s
        int64_t utc_offset_s
        uint32_t source_id
        int service_files
        uint64_t lines
        uint64_t matched
        uint64_t ignored
        uint64_t malformed
        uint64_t too_long


cdef class AuthDedup:
    cdef iw_dedup table


cdef class AuthParser(LineParser):
    cdef iw_auth auth
    cdef AuthDedup shared  # keeps what auth.dedup points into alive
    cdef char *scratch
