# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    KEPT_ARGV = 4096    # bytes of argv that the table keeps; records and hits carry all of it
    MAX_DEPTH = 64      # ancestors that a walk visits at most
    TICK_NS = 10000000  # USER_HZ is 100 on every Linux architecture that we build for

# What a process runs; shared with the children that it forks until they exec.
cdef struct iw_image:
    uint32_t references
    uint32_t exec_flags
    uint32_t exe_size    # 0: not known
    uint32_t argv_size   # bytes kept
    uint32_t argv_len    # bytes that were passed to exec
    uint32_t cwd_size
    uint32_t cgroup_size
    uint32_t exe_dev     # major << 20 | minor; 0 with inode 0: not known
    uint64_t exe_inode
    # exe_path, argv, cwd and cgroup_path follow the struct, in this order

cdef struct iw_process:
    uint64_t start_ns
    uint64_t parent_start_ns
    uint64_t exec_ts_ns     # of the last exec seen, 0 before
    iw_image *image         # NULL: not known
    iw_image *before        # what it ran until exec_ts_ns: records of a slower ring come after the exec's
    uint32_t pid
    uint32_t ppid
    uint32_t uid
    uint32_t login_uid
    uint32_t chain          # next slot with the same pid hash
    uint32_t previous       # in the list of live, of exited or of free slots
    uint32_t next
    uint8_t used
    uint8_t exited
    uint8_t born            # the parent is from a fork record, so it is the one at birth
    uint8_t coarse          # start_ns has 10 ms resolution (from /proc)
    char comm[16]

cdef struct iw_list:
    uint32_t first   # next to be evicted
    uint32_t last

cdef struct iw_table:
    iw_process *slots
    uint32_t *heads
    uint32_t capacity
    uint32_t head_mask
    uint32_t free
    uint32_t entries
    iw_list live
    iw_list gone
    uint64_t bytes          # of images
    uint64_t byte_limit
    uint64_t evicted_exited
    uint64_t evicted_live
    uint64_t images_refused

cdef bint table_init(iw_table *table, uint32_t entries, uint64_t byte_limit) noexcept
cdef void table_free(iw_table *table) noexcept
cdef iw_process *table_find(const iw_table *table, uint32_t pid, uint64_t start_ns) noexcept nogil
cdef iw_process *table_parent(const iw_table *table, const iw_process *process) noexcept nogil
# Inserting evicts: pointers from earlier calls are void after it.
cdef iw_process *table_insert(iw_table *table, uint32_t pid, uint64_t start_ns) noexcept nogil
cdef void table_mark_exited(iw_table *table, iw_process *process) noexcept nogil
cdef void table_detach(iw_table *table, iw_process *process) noexcept nogil
cdef void table_append(iw_table *table, iw_process *process) noexcept nogil
cdef void table_keep_before(iw_table *table, iw_process *process) noexcept nogil
cdef void table_release(iw_table *table, iw_image *image) noexcept nogil
cdef void table_set_image(
    iw_table *table, iw_process *process, const uint8_t *exe, uint32_t exe_size, const uint8_t *argv,
    uint32_t argv_size, const uint8_t *cwd, uint32_t cwd_size, const uint8_t *cgroup, uint32_t cgroup_size,
    uint32_t exec_flags,
) noexcept nogil

cdef inline bint same_start(uint64_t exact_ns, uint64_t known_ns) noexcept nogil:
    """Is `known_ns`, which may be rounded to a clock tick, this start time?"""
    return exact_ns == known_ns or (known_ns % TICK_NS == 0 and exact_ns // TICK_NS == known_ns // TICK_NS)

cdef inline iw_image *image_at(const iw_process *process, uint64_t ts_ns) noexcept nogil:
    """What the process ran at that moment of the boot clock; NULL when that is not known."""
    return process.before if process.before != NULL and ts_ns < process.exec_ts_ns else process.image

cdef inline const uint8_t *image_exe(const iw_image *image) noexcept nogil:
    return <const uint8_t *>image + sizeof(iw_image)

cdef inline const uint8_t *image_argv(const iw_image *image) noexcept nogil:
    return <const uint8_t *>image + sizeof(iw_image) + image.exe_size

cdef inline const uint8_t *image_cwd(const iw_image *image) noexcept nogil:
    return <const uint8_t *>image + sizeof(iw_image) + image.exe_size + image.argv_size

cdef inline const uint8_t *image_cgroup(const iw_image *image) noexcept nogil:
    return image_cwd(image) + image.cwd_size
