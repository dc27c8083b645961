# SPDX-License-Identifier: Apache-2.0
"""Processes by (tgid, start time), with the parent that each had at birth.

A pid alone is never a key: it is reused. Entries whose start time comes from /proc have clock-tick (10 ms)
resolution and become exact with the first kernel record of the process; within one tick a pid can not be
reused. Exited processes stay, because ancestry and late records need them, until their slot is wanted:
exited ones go first, oldest exit first, then the live one that was seen least recently.

One heap block per exec holds the strings; no other record allocates.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cdef enum:
    NONE = 0x7FFFFFFF
    IMAGE_TRIES = 64    # evictions that one image may cost before it is refused


cdef bint table_init(iw_table *table, uint32_t entries, uint64_t byte_limit) noexcept:
    """Allocate; False when there is no memory. `entries` below 16 become 16."""
    cdef uint32_t heads = 16, i
    entries = max(entries, <uint32_t>16)
    while heads < entries:
        heads *= 2
    table.slots = <iw_process *>calloc(entries, sizeof(iw_process))
    table.heads = <uint32_t *>malloc(heads * sizeof(uint32_t))
    if table.slots == NULL or table.heads == NULL:
        return False
    table.capacity = entries
    table.head_mask = heads - 1
    table.byte_limit = byte_limit
    for i in range(heads):
        table.heads[i] = NONE
    for i in range(entries):
        table.slots[i].next = i + 1 if i + 1 < entries else <uint32_t>NONE
    table.live.first = table.live.last = table.gone.first = table.gone.last = NONE
    return True


cdef void table_free(iw_table *table) noexcept:
    cdef uint32_t i
    if table.slots != NULL:
        for i in range(table.capacity):
            if table.slots[i].used:
                table_drop_images(table, &table.slots[i])
    free(table.slots)
    free(table.heads)
    table.slots = NULL
    table.heads = NULL


cdef inline uint32_t bucket(const iw_table *table, uint32_t pid) noexcept nogil:
    return (pid * 0x9E3779B1U >> 7) & table.head_mask


cdef inline iw_list *list_of(iw_table *table, const iw_process *process) noexcept nogil:
    return &table.gone if process.exited else &table.live


cdef void table_detach(iw_table *table, iw_process *process) noexcept nogil:
    cdef iw_list *chain = list_of(table, process)
    if process.previous != NONE:
        table.slots[process.previous].next = process.next
    else:
        chain.first = process.next
    if process.next != NONE:
        table.slots[process.next].previous = process.previous
    else:
        chain.last = process.previous


cdef void table_append(iw_table *table, iw_process *process) noexcept nogil:
    cdef iw_list *chain = list_of(table, process)
    cdef uint32_t index = <uint32_t>(process - table.slots)
    process.next = NONE
    process.previous = chain.last
    if chain.last != NONE:
        table.slots[chain.last].next = index
    else:
        chain.first = index
    chain.last = index


cdef void table_mark_exited(iw_table *table, iw_process *process) noexcept nogil:
    if not process.exited:
        table_detach(table, process)
        process.exited = 1
        table_append(table, process)


cdef void table_release(iw_table *table, iw_image *image) noexcept nogil:
    """Give one reference back; NULL is none."""
    if image == NULL:
        return
    image.references -= 1
    if image.references == 0:
        table.bytes -= (
            sizeof(iw_image) + image.exe_size + image.argv_size + image.cwd_size + image.cgroup_size
        )
        free(image)


cdef void table_drop_image(iw_table *table, iw_process *process) noexcept nogil:
    table_release(table, process.image)
    process.image = NULL


cdef void table_keep_before(iw_table *table, iw_process *process) noexcept nogil:
    """Before an exec: what it runs now is what it ran before."""
    table_release(table, process.before)
    process.before = process.image
    process.image = NULL


cdef void table_drop_images(iw_table *table, iw_process *process) noexcept nogil:
    """Of an entry that goes."""
    table_drop_image(table, process)
    table_release(table, process.before)
    process.before = NULL


cdef void evict(iw_table *table) noexcept nogil:
    """Free one slot; the caller knows that there is one in use."""
    cdef uint32_t index = table.gone.first
    cdef uint32_t *link
    cdef iw_process *process
    if index != NONE:
        table.evicted_exited += 1
    else:
        index = table.live.first
        table.evicted_live += 1
    process = &table.slots[index]
    table_detach(table, process)
    link = &table.heads[bucket(table, process.pid)]
    while link[0] != index:
        link = &table.slots[link[0]].chain
    link[0] = process.chain
    table_drop_images(table, process)
    process.used = 0
    process.next = table.free
    table.free = index
    table.entries -= 1


cdef iw_process *table_find(const iw_table *table, uint32_t pid, uint64_t start_ns) noexcept nogil:
    """The process, or NULL. `start_ns` 0 asks for the pid's latest. Cost: one chain of a few slots."""
    cdef uint32_t index = table.heads[bucket(table, pid)]
    cdef iw_process *process
    cdef iw_process *found = NULL
    while index != NONE:
        process = &table.slots[index]
        index = process.chain
        if process.pid != pid:
            continue
        if start_ns == 0:
            if found == NULL or process.start_ns > found.start_ns:
                found = process
        elif process.start_ns == start_ns:
            return process
        elif process.start_ns // TICK_NS == start_ns // TICK_NS and (
            process.coarse or start_ns % TICK_NS == 0
        ):
            found = process
    return found


cdef iw_process *table_parent(const iw_table *table, const iw_process *process) noexcept nogil:
    """The parent at birth, or NULL when the table does not know it (any more)."""
    if process.ppid == 0 or (process.ppid == process.pid and process.parent_start_ns == process.start_ns):
        return NULL
    return table_find(table, process.ppid, process.parent_start_ns)


cdef iw_process *table_insert(iw_table *table, uint32_t pid, uint64_t start_ns) noexcept nogil:
    """A fresh live entry. Live entries with the same pid must have died unseen and are marked so."""
    cdef uint32_t head = bucket(table, pid)
    cdef uint32_t index = table.heads[head]
    cdef iw_process *process
    while index != NONE:
        process = &table.slots[index]
        index = process.chain
        if process.pid == pid and process.start_ns < start_ns:
            table_mark_exited(table, process)
    if table.free == NONE:
        evict(table)
    index = table.free
    process = &table.slots[index]
    table.free = process.next
    process.start_ns = start_ns
    process.parent_start_ns = 0
    process.exec_ts_ns = 0
    process.image = process.before = NULL
    process.pid = pid
    process.ppid = 0
    process.uid = 0
    process.login_uid = 0xFFFFFFFFU
    process.used = 1
    process.exited = 0
    process.born = 0
    process.coarse = 0
    process.comm[0] = 0
    process.chain = table.heads[head]
    table.heads[head] = index
    table_append(table, process)
    table.entries += 1
    return process


cdef void table_set_image(
    iw_table *table, iw_process *process, const uint8_t *exe, uint32_t exe_size, const uint8_t *argv,
    uint32_t argv_size, const uint8_t *cwd, uint32_t cwd_size, const uint8_t *cgroup, uint32_t cgroup_size,
    uint32_t exec_flags,
) noexcept nogil:
    """Copy the strings. Over the byte limit others are evicted; when that is not enough, none are kept."""
    cdef iw_image *image
    cdef uint8_t *at
    cdef uint64_t size
    cdef uint32_t tries = 0, argv_len = argv_size
    argv_size = min(argv_size, <uint32_t>KEPT_ARGV)
    size = sizeof(iw_image) + <uint64_t>exe_size + argv_size + cwd_size + cgroup_size
    table_drop_image(table, process)
    # To the end of its list, so that an eviction for its own strings never hits the process itself.
    table_detach(table, process)
    table_append(table, process)
    while table.bytes + size > table.byte_limit and tries < IMAGE_TRIES and table.entries > 1:
        if table.gone.first == NONE and table.live.first == <uint32_t>(process - table.slots):
            break
        if table.gone.first == <uint32_t>(process - table.slots):
            break
        evict(table)
        tries += 1
    image = NULL
    if table.bytes + size <= table.byte_limit:
        image = <iw_image *>malloc(size)
    if image == NULL:
        table.images_refused += 1
        return
    table.bytes += size
    image.references = 1
    image.exec_flags = exec_flags
    image.exe_size = exe_size
    image.argv_size = argv_size
    image.argv_len = argv_len
    image.cwd_size = cwd_size
    image.cgroup_size = cgroup_size
    image.exe_dev = 0
    image.exe_inode = 0
    at = <uint8_t *>image + sizeof(iw_image)
    if exe_size:
        memcpy(at, exe, exe_size)
    if argv_size:
        memcpy(at + exe_size, argv, argv_size)
    if cwd_size:
        memcpy(at + exe_size + argv_size, cwd, cwd_size)
    if cgroup_size:
        memcpy(at + exe_size + argv_size + cwd_size, cgroup, cgroup_size)
    process.image = image
