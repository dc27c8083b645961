# SPDX-License-Identifier: Apache-2.0
"""One record's fields, wire and derived, each computed at most once and only when something asks.

Derived fields about the acting process and its parents come from the process table. On an exec record
exe_path, argv and cwd are the record's own; on other kernel records the table supplies them.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen

from innerwarden_core.containers cimport iw_container, iw_container_of
from innerwarden_core.fields cimport *
from innerwarden_core.proctable cimport (
    image_argv, image_cgroup, image_cwd, image_exe, table_find, table_parent,
)
from innerwarden_core.text cimport base_name, is_mapped, iw_fold

cdef extern from "utf8.h" nogil:
    size_t iw_utf8_valid(const uint8_t *text, size_t size)
    void iw_utf8_clean(uint8_t *to, const uint8_t *text, size_t size)

cdef enum:
    FIRST_LOG_KIND = 64  # kinds from here on have no task; iw_event.h

if IW_FIELD_TOTAL > VIEW_CELLS:
    raise ImportError("the view has fewer cells than there are fields; raise VIEW_CELLS")


cdef bint view_init(iw_view *view, const iw_table *table) noexcept:
    memset(view, 0, sizeof(iw_view))
    view.table = table
    view.scratch = <uint8_t *>malloc(VIEW_SCRATCH)
    return view.scratch != NULL


cdef void view_free(iw_view *view) noexcept:
    free(view.scratch)
    view.scratch = NULL


cdef iw_process *view_actor(iw_view *view) noexcept nogil:
    """The table's entry of the acting process; NULL when unknown, or the record has no task."""
    if not view.actor_known:
        view.actor_known = 1
        view.actor = NULL
        if view.header.kind < FIRST_LOG_KIND and view.header.pid:
            view.actor = table_find(view.table, view.header.pid, view.header.start_ns)
    return view.actor


cdef iw_process *view_parent(iw_view *view) noexcept nogil:
    """The parent at birth; of an unknown process the one that the record names."""
    cdef iw_process *actor
    if not view.parent_known:
        view.parent_known = 1
        view.parent = NULL
        actor = view_actor(view)
        if actor != NULL:
            view.parent = table_parent(view.table, actor)
        elif view.header.kind < FIRST_LOG_KIND and view.header.ppid:
            view.parent = table_find(view.table, view.header.ppid, view.header.parent_start_ns)
    return view.parent


cdef uint8_t *take(iw_view *view, uint32_t size) noexcept nogil:
    cdef uint8_t *place = view.scratch + view.used
    if size > VIEW_SCRATCH - view.used:
        return NULL
    view.used += size
    return place


cdef inline void set_text(iw_value *out, const uint8_t *data, uint32_t size) noexcept nogil:
    out.shape = IW_SHAPE_STR
    out.data = data
    out.size = size


cdef void set_exe(const iw_process *process, iw_value *out) noexcept nogil:
    if process != NULL and process.image != NULL and process.image.exe_size:
        set_text(out, image_exe(process.image), process.image.exe_size)


cdef void set_argv(const iw_process *process, iw_value *out) noexcept nogil:
    if process != NULL and process.image != NULL and process.image.argv_size:
        set_text(out, image_argv(process.image), process.image.argv_size)


cdef void set_base(const iw_value *path, iw_value *out) noexcept nogil:
    cdef uint32_t size
    if path.shape == IW_SHAPE_STR:
        size = path.size
        set_text(out, base_name(path.data, &size), 0)
        out.size = size


cdef void join(iw_view *view, const iw_value *argv, iw_value *out) noexcept nogil:
    """Arguments joined by one space; the last one's terminator is not one more argument."""
    cdef uint32_t size, i
    cdef uint8_t *place
    if argv.shape != IW_SHAPE_STR or argv.size == 0:
        return
    size = argv.size
    if argv.data[size - 1] == 0:
        size -= 1
    place = take(view, size)
    if place == NULL:
        return
    for i in range(size):
        place[i] = argv.data[i] if argv.data[i] else c' '
    set_text(out, place, size)


cdef void set_argument(const iw_value *argv, uint32_t number, iw_value *out) noexcept nogil:
    """One argument, without its terminator; absent when there are fewer."""
    cdef uint32_t at = 0, end
    if argv.shape != IW_SHAPE_STR:
        return
    while at < argv.size:
        end = at
        while end < argv.size and argv.data[end]:
            end += 1
        if number == 0:
            set_text(out, argv.data + at, end - at)
            return
        number -= 1
        at = end + 1


cdef void from_table(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """A wire field that the record lacks and the acting process has."""
    cdef iw_process *actor
    if (
        field != IW_FIELD_EXE_PATH and field != IW_FIELD_ARGV and field != IW_FIELD_CWD
        and field != IW_FIELD_CGROUP_PATH
    ):
        return
    actor = view_actor(view)
    if actor == NULL or actor.image == NULL:
        return
    if field == IW_FIELD_EXE_PATH:
        set_exe(actor, out)
    elif field == IW_FIELD_ARGV:
        set_argv(actor, out)
    elif field == IW_FIELD_CGROUP_PATH:
        if actor.image.cgroup_size:
            set_text(out, image_cgroup(actor.image), actor.image.cgroup_size)
    elif actor.image.cwd_size:
        set_text(out, image_cwd(actor.image), actor.image.cwd_size)


cdef void resolve_container(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """Of the acting process, from its cgroup's path."""
    cdef const iw_value *path = view_get(view, IW_FIELD_CGROUP_PATH)
    cdef iw_container container
    cdef uint8_t *place
    cdef uint32_t i
    if path.shape != IW_SHAPE_STR:
        return
    iw_container_of(path.data, path.size, &container)
    if field == IW_DERIVED_CONTAINER_ID and container.runtime != NULL:
        set_text(out, container.id, container.id_size)
    elif field == IW_DERIVED_CONTAINER_RUNTIME and container.runtime != NULL:
        set_text(out, <const uint8_t *>container.runtime, <uint32_t>strlen(container.runtime))
    elif field == IW_DERIVED_POD_UID and container.pod != NULL:
        place = take(view, container.pod_size)
        if place != NULL:
            for i in range(container.pod_size):
                place[i] = c'-' if container.pod[i] == c'_' else container.pod[i]
            set_text(out, place, container.pod_size)


cdef void set_network(iw_view *view, const iw_value *address, iw_value *out) noexcept nogil:
    """The first address of the /64 of an IPv6 address, of the /24 of an IPv4 one."""
    cdef uint8_t *place
    cdef uint32_t kept
    if address.shape != IW_SHAPE_IP:
        return
    place = take(view, 16)
    if place == NULL:
        return
    kept = 15 if is_mapped(address.data) else 8
    memset(place, 0, 16)
    memcpy(place, address.data, kept)
    out.shape = IW_SHAPE_IP
    out.data = place
    out.size = 16


cdef void view_resolve(iw_view *view, uint32_t field, iw_cell *cell) noexcept nogil:
    """A field that is not simply a member of the record."""
    cdef iw_value *out = &cell.value
    cdef uint32_t kind = view.header.kind
    out.shape = 0
    if field < IW_FIELD_COUNT:  # one that this kind's records lack; see view_get
        from_table(view, field, out)
    elif field == IW_DERIVED_COMMAND_LINE:
        join(view, view_get(view, IW_FIELD_ARGV), out)
    elif field == IW_DERIVED_EXE_NAME:
        set_base(view_get(view, IW_FIELD_EXE_PATH), out)
    elif field == IW_DERIVED_FILE_NAME:
        set_base(view_get(view, IW_FIELD_PATH), out)
    elif field == IW_DERIVED_KIND_NAME:
        set_text(out, <const uint8_t *>iw_kind_name(kind), <uint32_t>strlen(iw_kind_name(kind)))
    elif field == IW_DERIVED_SRC_NETWORK:
        set_network(view, view_get(view, IW_FIELD_SRC_IP), out)
    elif field >= IW_DERIVED_ARG0:
        set_argument(view_get(view, IW_FIELD_ARGV), field - IW_DERIVED_ARG0, out)
    elif field >= IW_DERIVED_CONTAINER_ID:
        resolve_container(view, field, out)
    elif view_parent(view) != NULL:
        resolve_parent(view, field, out)


cdef void resolve_parent(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """The caller has checked that there is one."""
    cdef iw_process *parent = view.parent
    cdef iw_value argv
    if field == IW_DERIVED_PARENT_EXE_PATH:
        set_exe(parent, out)
    elif field == IW_DERIVED_PARENT_EXE_NAME:
        set_base(view_get(view, IW_DERIVED_PARENT_EXE_PATH), out)
    elif field == IW_DERIVED_PARENT_COMMAND_LINE:
        argv.shape = 0
        set_argv(parent, &argv)
        join(view, &argv, out)
    elif field == IW_DERIVED_PARENT_COMM:
        out.size = 0
        while out.size < 16 and parent.comm[out.size]:
            out.size += 1
        if out.size:
            set_text(out, <const uint8_t *>parent.comm, out.size)
    elif field == IW_DERIVED_PARENT_UID:
        out.shape = IW_SHAPE_U64
        out.number = parent.uid
    elif field == IW_DERIVED_GRANDPARENT_EXE_PATH:
        set_exe(table_parent(view.table, parent), out)


cdef void view_fold(iw_view *view, iw_cell *cell) noexcept nogil:
    cdef uint8_t *place
    cell.folded = cell.value
    if cell.value.shape != IW_SHAPE_STR or cell.value.size == 0:
        return
    place = take(view, cell.value.size)
    if place == NULL:
        cell.folded.shape = 0
        return
    iw_fold(place, cell.value.data, cell.value.size)
    cell.folded.data = place


cdef const iw_value *view_valid(iw_view *view, uint32_t field) noexcept nogil:
    """The field's value; in a text, bytes that are no UTF-8 read as the character SUB (0x1A)."""
    cdef const iw_value *raw = view_get(view, field)
    cdef iw_value *out = &view.valid[field]
    cdef uint8_t *place
    if view.valid_stamps[field] == view.stamp:
        return out
    view.valid_stamps[field] = view.stamp
    out[0] = raw[0]
    if raw.shape == IW_SHAPE_STR and iw_utf8_valid(raw.data, raw.size) != raw.size:
        place = take(view, raw.size)
        if place == NULL:
            out.shape = 0
        else:
            iw_utf8_clean(place, raw.data, raw.size)
            out.data = place
    return out
