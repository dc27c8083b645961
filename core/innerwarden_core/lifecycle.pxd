# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t, uint64_t

from innerwarden_core.proctable cimport *
from innerwarden_core.record cimport (
    iw_credential_change, iw_header, iw_process_exec, iw_process_exit, iw_process_fork,
)

# All but the last may insert, and so evict: pointers from earlier calls are void after them.
cdef iw_process *table_see(iw_table *table, const iw_header *header) noexcept nogil
cdef void table_exec(iw_table *table, const iw_process_exec *record) noexcept nogil
cdef void table_fork(iw_table *table, const iw_process_fork *record) noexcept nogil
cdef void table_exit(iw_table *table, const iw_process_exit *record) noexcept nogil
cdef int table_seed(
    iw_table *table, uint32_t pid, uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns, uint32_t uid,
    uint32_t login_uid, bytes comm, bytes exe, bytes argv, bytes cwd, bytes cgroup, uint32_t argv_len,
    uint64_t exe_inode, uint32_t exe_dev,
) except -1
cdef void table_credential(iw_table *table, const iw_credential_change *record) noexcept nogil
