# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.chunks cimport iw_chunks
from innerwarden_core.detector cimport iw_handler
from innerwarden_core.hits cimport iw_hits
from innerwarden_core.jsonl cimport iw_event_lines
from innerwarden_core.payload cimport iw_payloads
from innerwarden_core.proctable cimport iw_table
from innerwarden_core.program cimport KINDS, iw_binding, iw_program
from innerwarden_core.record cimport iw_header
from innerwarden_core.view cimport iw_view
from innerwarden_core.windows cimport iw_event, iw_window

cdef enum:
    MAX_DETECTORS = 64
    FEED_BATCH = 8
    FEEDS = 4 * FEED_BATCH  # events on their way into windows; a power of two

cdef enum:
    WORK_KEEP = 1           # capture
    WORK_APPLY = 2          # the process table learns from this kind
    WORK_JUDGE = 4          # a rule or a detector wants this kind
    WORK_PARSE = 8          # other records are made of this kind's
    WORK_TELL = 16          # a line for the stream of events

cdef struct iw_kind_state:
    uint64_t records
    uint64_t bytes
    uint32_t work
    uint32_t native_count
    uint8_t natives[MAX_DETECTORS]

# One event on its way into one window.
cdef struct iw_feed:
    iw_event event
    const iw_binding *binding

cdef struct iw_native:
    iw_handler handler
    void *state

cdef struct iw_capture:
    uint8_t *data
    size_t used
    size_t room
    uint64_t lost

cdef struct iw_pipeline:
    iw_table table
    iw_view view
    iw_hits hits
    iw_chunks chunks
    iw_capture captured
    iw_event_lines lines
    iw_payloads *payloads
    iw_program *program
    iw_window **windows
    uint8_t *joined         # room for one exec record with its whole argv
    uint64_t seed
    uint64_t offset_ns      # boot clock to real-time clock
    uint64_t sequence       # of judged records
    uint64_t exempt_start_ns
    uint32_t exempt_pid     # whose records, and those of its descendants, nobody judges; 0: nobody's
    uint32_t made           # events put into `feeds` since it was last empty
    uint32_t fed
    bint capturing
    bint telling            # every event becomes a line
    iw_feed feeds[FEEDS]
    iw_native natives[MAX_DETECTORS]
    iw_kind_state kinds[KINDS]

cdef void pipeline_plan(iw_pipeline *self) noexcept
cdef void pipeline_work(iw_pipeline *self, const iw_header *record, uint32_t work) noexcept nogil
cdef void pipeline_feed(iw_pipeline *self, uint32_t until) noexcept nogil
cdef void pipeline_tick(iw_pipeline *self) noexcept nogil

# One window as it stands for a record's key.
cdef struct iw_look:
    uint32_t owner
    uint32_t steps
    uint64_t count

cdef uint32_t pipeline_look(iw_pipeline *self, const iw_header *record, iw_look *out, uint32_t room) noexcept nogil

cdef inline uint32_t pipeline_run(iw_pipeline *self, const uint8_t *data) noexcept nogil:
    """A checked record, which must stay where it is until `pipeline_settle`. 0 when nothing wanted it."""
    cdef const iw_header *record = <const iw_header *>data
    cdef iw_kind_state *kind = &self.kinds[record.kind]
    kind.records += 1
    kind.bytes += record.size
    if kind.work:
        pipeline_work(self, record, kind.work)
    return kind.work

cdef inline void pipeline_settle(iw_pipeline *self) noexcept nogil:
    """Feed every event that waits; after this no record is referred to."""
    if self.made:
        pipeline_feed(self, self.made)
        self.made = self.fed = 0
