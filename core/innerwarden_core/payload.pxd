# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.record cimport iw_network_payload

cdef extern from "payload.h" nogil:
    enum:
        IW_UNPARSED_REASONS
    # What streams in pieces wait in; the counters are read by payload_stats.
    struct iw_payloads:
        uint32_t used
        uint64_t unparsed[IW_UNPARSED_REASONS]
        uint64_t dns
        uint64_t tls
        uint64_t incomplete
        uint64_t evicted
        uint64_t expired
        uint64_t gaps
        uint64_t refused
    ctypedef void (*iw_payload_emit)(void *context, const uint8_t *record) noexcept
    iw_payloads *iw_payloads_new()
    void iw_payloads_free(iw_payloads *self)
    # `emit` gets each record that this one completes or ends, valid during the call.
    void iw_payloads_take(iw_payloads *self, const iw_network_payload *record, iw_payload_emit emit, void *context)
    # The same for streams that have waited too long at `now_ns` (CLOCK_BOOTTIME).
    void iw_payloads_tick(iw_payloads *self, uint64_t now_ns, iw_payload_emit emit, void *context)

cdef dict payload_stats(const iw_payloads *payloads)
