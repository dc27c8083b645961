# SPDX-License-Identifier: Apache-2.0
"""What records and /proc say about processes, written into the table."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from innerwarden_core.record cimport iw_str


cdef iw_process *table_see(iw_table *table, const iw_header *header) noexcept nogil:
    """The acting process of a kernel record, inserted when it is new; NULL when the record has no task."""
    cdef iw_process *process
    if header.pid == 0:
        return NULL
    process = table_find(table, header.pid, header.start_ns)
    if process == NULL:
        process = table_insert(table, header.pid, header.start_ns)
        process.ppid = header.ppid
        process.parent_start_ns = header.parent_start_ns
        process.uid = header.uid
        memcpy(process.comm, header.comm, 16)
        return process
    if process.coarse and header.start_ns:
        process.start_ns = header.start_ns
        process.coarse = 0
    if not process.exited:
        table_detach(table, process)
        table_append(table, process)
    return process


cdef inline const uint8_t *tail(const void *record, const iw_str *string) noexcept nogil:
    return <const uint8_t *>record + string.off


cdef void table_exec(iw_table *table, const iw_process_exec *record) noexcept nogil:
    """A new image. A thread that is not the leader takes over the leader's pid and start time at exec, so
    (pid, start) of the record already names the right entry."""
    cdef iw_process *process = table_see(table, &record.h)
    if process == NULL:
        return
    table_keep_before(table, process)
    process.exec_ts_ns = record.h.ts_ns
    process.uid = record.h.uid
    process.login_uid = record.login_uid
    memcpy(process.comm, record.h.comm, 16)
    table_set_image(
        table, process,
        tail(record, &record.exe_path), record.exe_path.len,
        tail(record, &record.argv), record.argv.len,
        tail(record, &record.cwd), record.cwd.len,
        tail(record, &record.cgroup_path), record.cgroup_path.len,
        record.exec_flags,
    )
    if process.image != NULL:
        process.image.argv_len = max(process.image.argv_len, record.argv_len)
        process.image.exe_inode = record.exe_inode
        process.image.exe_dev = record.exe_dev


cdef void table_fork(iw_table *table, const iw_process_fork *record) noexcept nogil:
    """The child, with its parent fixed for good, running what the parent runs."""
    cdef iw_process *parent = table_see(table, &record.h)
    cdef iw_process *child
    cdef iw_image *image = NULL
    cdef uint32_t login_uid = 0xFFFFFFFFU
    if parent == NULL or record.child_pid == 0:
        return
    if parent.image != NULL:
        image = parent.image
        image.references += 1  # ours: the parent itself may be evicted by the insertion
    login_uid = parent.login_uid
    child = table_find(table, record.child_pid, record.child_start_ns)
    if child == NULL or record.child_start_ns == 0:
        child = table_insert(table, record.child_pid, record.child_start_ns)
    if child.coarse and record.child_start_ns:
        child.start_ns = record.child_start_ns
        child.coarse = 0
    if not child.born:
        child.ppid = record.h.pid
        child.parent_start_ns = record.h.start_ns
        child.born = 1
    if child.exec_ts_ns == 0 and child.image == NULL:
        child.uid = record.h.uid
        child.login_uid = login_uid
        memcpy(child.comm, record.h.comm, 16)
        child.image = image
    elif image != NULL:
        table_release(table, image)


cdef void table_exit(iw_table *table, const iw_process_exit *record) noexcept nogil:
    cdef iw_process *process = table_see(table, &record.h)
    if process != NULL:
        table_mark_exited(table, process)


cdef void table_credential(iw_table *table, const iw_credential_change *record) noexcept nogil:
    cdef iw_process *process = table_find(table, record.h.pid, record.h.start_ns)
    if process != NULL:
        process.uid = record.h.uid


cdef int table_seed(
    iw_table *table, uint32_t pid, uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns, uint32_t uid,
    uint32_t login_uid, bytes comm, bytes exe, bytes argv, bytes cwd, bytes cgroup, uint32_t argv_len,
    uint64_t exe_inode, uint32_t exe_dev,
) except -1:
    """Insert from /proc; what the kernel's records already said stays."""
    cdef iw_process *process = table_find(table, pid, start_ns)
    if process == NULL:
        process = table_insert(table, pid, start_ns)
        process.coarse = 1
        process.uid = uid
    if process.ppid == 0:
        process.ppid = ppid
        process.parent_start_ns = parent_start_ns
    if process.comm[0] == 0 and comm:
        comm = comm[:15]
        memset(process.comm, 0, 16)
        memcpy(process.comm, <const char *>comm, len(comm))
    if process.image == NULL and (exe or argv or cwd or cgroup):
        process.login_uid = login_uid
        table_set_image(
            table, process,
            <const uint8_t *><const char *>exe, len(exe),
            <const uint8_t *><const char *>argv, len(argv),
            <const uint8_t *><const char *>cwd, len(cwd),
            <const uint8_t *><const char *>cgroup, len(cgroup), 0,
        )
        if process.image != NULL:
            process.image.argv_len = max(process.image.argv_len, argv_len)
            process.image.exe_inode = exe_inode
            process.image.exe_dev = exe_dev
    return 0
