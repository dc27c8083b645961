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
    image_argv, image_cgroup, image_cwd, image_exe, iw_image, table_find, table_parent,
)
from innerwarden_core.record cimport *
from innerwarden_core.text cimport base_name, format_ip, format_number, is_mapped, iw_fold

cdef extern from "utf8.h" nogil:
    size_t iw_utf8_valid(const uint8_t *text, size_t size)
    void iw_utf8_clean(uint8_t *to, const uint8_t *text, size_t size)

cdef extern from "fingerprint.h" nogil:
    enum:
        IW_JA3_SIZE
        IW_JA4_SIZE
    struct iw_offer:
        uint32_t legacy
    int iw_offer_read(const uint8_t *message, size_t size, iw_offer *offer)
    void iw_ja3(const iw_offer *offer, char *out)
    void iw_ja4(const iw_offer *offer, char *out)

cdef extern from "intel.h" nogil:
    size_t iw_registered(const uint8_t *name, size_t size)
    uint32_t iw_name_encoded(const uint8_t *name, size_t end)
    uint32_t iw_intel_address(const iw_intel *self, const uint8_t *address, uint32_t *prefix)
    uint32_t iw_intel_name(const iw_intel *self, const uint8_t *name, size_t size, size_t *at)
    uint32_t iw_intel_print(const iw_intel *self, const char *text, size_t size)
    void iw_intel_mask(uint8_t *address, uint32_t prefix)

cdef enum:
    TLS_INCOMPLETE = 4   # tls_flags
    NETWORK_TEXT = 64    # a network or a number as text

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
        if has_task(view.header):
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
        elif has_task(view.header) and view.header.ppid:
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


cdef void set_exe(const iw_image *image, iw_value *out) noexcept nogil:
    if image != NULL and image.exe_size:
        set_text(out, image_exe(image), image.exe_size)


cdef void set_argv(const iw_image *image, iw_value *out) noexcept nogil:
    if image != NULL and image.argv_size:
        set_text(out, image_argv(image), image.argv_size)


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
    cdef iw_image *image
    if (
        field != IW_FIELD_EXE_PATH and field != IW_FIELD_ARGV and field != IW_FIELD_CWD
        and field != IW_FIELD_CGROUP_PATH
    ):
        return
    image = image_then(view.header, view_actor(view))
    if image == NULL:
        return
    if field == IW_FIELD_EXE_PATH:
        set_exe(image, out)
    elif field == IW_FIELD_ARGV:
        set_argv(image, out)
    elif field == IW_FIELD_CGROUP_PATH:
        if image.cgroup_size:
            set_text(out, image_cgroup(image), image.cgroup_size)
    elif image.cwd_size:
        set_text(out, image_cwd(image), image.cwd_size)


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
    elif field >= IW_DERIVED_THREAT_LIST:
        resolve_threat(view, field, out)
    elif field >= IW_DERIVED_DNS_DOMAIN:
        resolve_name(view, field, out)
    elif field >= IW_DERIVED_TLS_JA3:
        resolve_fingerprint(view, field, out)
    elif field >= IW_DERIVED_ARG0:
        set_argument(view_get(view, IW_FIELD_ARGV), field - IW_DERIVED_ARG0, out)
    elif field >= IW_DERIVED_CONTAINER_ID:
        resolve_container(view, field, out)
    elif view_parent(view) != NULL:
        resolve_parent(view, field, out)


cdef void resolve_fingerprint(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """Absent on a hello of which a part is missing: a wrong fingerprint would be worse."""
    cdef const iw_value *hello = view_get(view, IW_FIELD_TLS_HELLO)
    cdef uint32_t size = IW_JA3_SIZE if field == IW_DERIVED_TLS_JA3 else IW_JA4_SIZE
    cdef iw_offer offer
    cdef uint8_t *place
    if hello.shape != IW_SHAPE_STR or view_get(view, IW_FIELD_TLS_FLAGS).number & TLS_INCOMPLETE:
        return
    if not iw_offer_read(hello.data, hello.size, &offer):
        return
    place = take(view, size)
    if place == NULL:
        return
    if field == IW_DERIVED_TLS_JA3:
        iw_ja3(&offer, <char *>place)
    else:
        iw_ja4(&offer, <char *>place)
    set_text(out, place, size)


cdef const iw_value *asked_name(iw_view *view) noexcept nogil:
    """The name that the record is about: the one asked for, or the server's."""
    if view.header.kind == IW_KIND_NETWORK_TLS:
        return view_get(view, IW_FIELD_TLS_SNI)
    return view_get(view, IW_FIELD_DNS_QUERY)


cdef void resolve_name(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    cdef const iw_value *name = asked_name(view)
    cdef size_t start
    if name.shape != IW_SHAPE_STR:
        return
    start = iw_registered(name.data, name.size)
    if field == IW_DERIVED_DNS_ENCODED_COUNT:
        out.shape = IW_SHAPE_U64
        out.number = iw_name_encoded(name.data, start)
    elif start < name.size:
        set_text(out, name.data + start, name.size - <uint32_t>start)


cdef void resolve_threat(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """The list that names what the record is about, or the entry of it: names first, then fingerprints, then the peer."""
    cdef const iw_value *name
    cdef uint32_t kind = view.header.kind
    if view.intel == NULL:
        return
    name = asked_name(view)
    if name.shape == IW_SHAPE_STR and threat_of_name(view, field, name, out):
        return
    if kind == IW_KIND_NETWORK_TLS and view.intel.count[IW_INTEL_PRINT]:
        if threat_of_print(view, field, view_get(view, IW_DERIVED_TLS_JA4), out):
            return
        if threat_of_print(view, field, view_get(view, IW_DERIVED_TLS_JA3), out):
            return
    if kind == IW_KIND_NETWORK_CONNECT or kind == IW_KIND_NETWORK_TLS or kind == IW_KIND_NETWORK_DNS:
        threat_of_address(view, field, view_get(view, IW_FIELD_DST_IP), out)
    elif not threat_of_address(view, field, view_get(view, IW_FIELD_SRC_IP), out):
        threat_of_address(view, field, view_get(view, IW_FIELD_DST_IP), out)


cdef bint set_threat(
    iw_view *view, uint32_t field, uint32_t listed, const uint8_t *entry, uint32_t size, iw_value *out,
) noexcept nogil:
    if listed == 0:
        return False
    if field == IW_DERIVED_THREAT_LIST:
        set_text(out, view.intel.names[listed - 1], view.intel.name_sizes[listed - 1])
    else:
        set_text(out, entry, size)
    return True


cdef bint threat_of_name(iw_view *view, uint32_t field, const iw_value *name, iw_value *out) noexcept nogil:
    cdef size_t at = 0
    cdef uint32_t listed = iw_intel_name(view.intel, name.data, name.size, &at)
    return set_threat(view, field, listed, name.data + at, name.size - <uint32_t>at, out)


cdef bint threat_of_print(iw_view *view, uint32_t field, const iw_value *text, iw_value *out) noexcept nogil:
    if text.shape != IW_SHAPE_STR:
        return False
    return set_threat(
        view, field, iw_intel_print(view.intel, <const char *>text.data, text.size), text.data, text.size, out,
    )


cdef bint threat_of_address(iw_view *view, uint32_t field, const iw_value *address, iw_value *out) noexcept nogil:
    cdef uint32_t prefix = 0, size = 0, listed
    cdef uint8_t network[16]
    cdef uint8_t *place = NULL
    if address.shape != IW_SHAPE_IP:
        return False
    listed = iw_intel_address(view.intel, address.data, &prefix)
    if listed == 0:
        return False
    if field == IW_DERIVED_THREAT_INDICATOR:
        place = take(view, NETWORK_TEXT)
        if place == NULL:
            return False
        memcpy(network, address.data, 16)
        if address.data[10] == 0xFF and address.data[11] == 0xFF and prefix <= 32:
            iw_intel_mask(network, prefix + 96)
        else:
            iw_intel_mask(network, prefix)
        size = format_ip(network, <char *>place)
        place[size] = c'/'
        size += 1
        size += format_number(prefix, <char *>place + size)
    return set_threat(view, field, listed, place, size, out)


def registered_domain(str name not None):
    """The domain that somebody registered, by the public suffix list; None for a public suffix."""
    cdef bytes text = name.encode()
    cdef size_t start = iw_registered(<const uint8_t *><const char *>text, len(text))
    return text[start:].decode() if start < <size_t>len(text) else None


def encoded_count(str name not None):
    """Letters and digits in front of the registered domain, in labels that look like encoded data."""
    cdef bytes text = name.encode()
    cdef const uint8_t *data = <const uint8_t *><const char *>text
    return iw_name_encoded(data, iw_registered(data, len(text)))


def fingerprints(const uint8_t[::1] message not None):
    """A whole client hello message -> (JA3, JA4); None when it is not one."""
    cdef iw_offer offer
    cdef char ja3[32]
    cdef char ja4[36]
    cdef size_t size = <size_t>message.shape[0]
    if size == 0 or not iw_offer_read(&message[0], size, &offer):
        return None
    iw_ja3(&offer, ja3)
    iw_ja4(&offer, ja4)
    return (<bytes>ja3[:32]).decode("ascii"), (<bytes>ja4[:36]).decode("ascii")


cdef void resolve_parent(iw_view *view, uint32_t field, iw_value *out) noexcept nogil:
    """The caller has checked that there is one."""
    cdef iw_process *parent = view.parent
    cdef iw_value argv
    if field == IW_DERIVED_PARENT_EXE_PATH:
        set_exe(image_then(view.header, parent), out)
    elif field == IW_DERIVED_PARENT_EXE_NAME:
        set_base(view_get(view, IW_DERIVED_PARENT_EXE_PATH), out)
    elif field == IW_DERIVED_PARENT_COMMAND_LINE:
        argv.shape = 0
        set_argv(image_then(view.header, parent), &argv)
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
        set_exe(image_then(view.header, table_parent(view.table, parent)), out)


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
