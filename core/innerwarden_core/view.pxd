# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from innerwarden_core.fields cimport IW_FIELD_COUNT, iw_place, iw_value, wire_value
from innerwarden_core.proctable cimport image_at, iw_image, iw_process, iw_table
from innerwarden_core.record cimport IW_F_REALTIME, iw_header

cdef extern from "intel.h" nogil:
    enum:
        IW_INTEL_V4
        IW_INTEL_V6
        IW_INTEL_NAME
        IW_INTEL_PRINT
        IW_INTEL_KINDS
    struct iw_intel:
        const uint8_t **names
        uint32_t *name_sizes
        uint64_t count[4]
        uint64_t seed
        uint64_t *v4
        uint64_t v4_slots
        uint64_t slots

cdef enum:
    VIEW_CELLS = 256    # at least IW_FIELD_TOTAL, checked at import
    # One record's strings folded once, joined once and made UTF-8 once: argv, its joined form, both folded and both
    # as UTF-8, and the rest of the record, plus what the table knows of actor and parents. Only pages that are used
    # become resident.
    VIEW_SCRATCH = 2097152

cdef enum:
    FIRST_LOG_KIND = 64     # iw_event.h: from here on records of logs, which have no task
    FIRST_HOST_KIND = 128   # and from here on of collectors, which have one where the pid is given

cdef inline bint has_task(const iw_header *header) noexcept nogil:
    return header.pid and (header.kind < FIRST_LOG_KIND or header.kind >= FIRST_HOST_KIND)

cdef inline iw_image *image_then(const iw_header *header, const iw_process *process) noexcept nogil:
    """What the process ran when the record was made; NULL when nobody knows."""
    if process == NULL:
        return NULL
    return process.image if header.flags & IW_F_REALTIME else image_at(process, header.ts_ns)

cdef struct iw_cell:
    uint64_t stamp          # of the record that `value` belongs to
    uint64_t folded_stamp
    iw_value value
    iw_value folded

cdef struct iw_view:
    uint64_t stamp          # changes with every record; never 0, never wraps in practice
    uint32_t used           # bytes of scratch
    const uint8_t *record
    const iw_header *header
    const iw_table *table
    const iw_intel *intel   # lists of bad addresses and names; NULL: none
    iw_process *actor       # NULL: unknown
    iw_process *parent
    uint8_t actor_known     # actor was looked up for this record
    uint8_t parent_known
    uint8_t *scratch
    iw_cell cells[VIEW_CELLS]
    uint64_t valid_stamps[VIEW_CELLS]
    iw_value valid[VIEW_CELLS]

cdef bint view_init(iw_view *view, const iw_table *table) noexcept
cdef void view_free(iw_view *view) noexcept
cdef iw_process *view_actor(iw_view *view) noexcept nogil
cdef iw_process *view_parent(iw_view *view) noexcept nogil
cdef void view_resolve(iw_view *view, uint32_t field, iw_cell *cell) noexcept nogil
cdef const iw_value *view_valid(iw_view *view, uint32_t field) noexcept nogil
cdef void view_fold(iw_view *view, iw_cell *cell) noexcept nogil

cdef inline void view_begin(iw_view *view, const iw_header *header) noexcept nogil:
    """Look at this record from now on; every value of the last one is void."""
    view.header = header
    view.record = <const uint8_t *>header
    view.actor_known = 0
    view.parent_known = 0
    view.used = 0
    view.stamp += 1

cdef inline const iw_value *view_get(iw_view *view, uint32_t field) noexcept nogil:
    """The field's value for this record, looked up at most once. Valid until view_begin."""
    cdef iw_cell *cell = &view.cells[field]
    cdef uint32_t kind
    if cell.stamp != view.stamp:
        cell.stamp = view.stamp
        kind = view.header.kind
        if field < IW_FIELD_COUNT and iw_place(kind, field).shape:
            wire_value(view.record, kind, field, &cell.value)
        else:
            view_resolve(view, field, cell)
    return &cell.value

cdef inline const iw_value *view_folded(iw_view *view, uint32_t field) noexcept nogil:
    """The same with ASCII letters in lower case."""
    cdef iw_cell *cell = &view.cells[field]
    view_get(view, field)
    if cell.folded_stamp != view.stamp:
        cell.folded_stamp = view.stamp
        view_fold(view, cell)
    return &cell.folded
