# SPDX-License-Identifier: Apache-2.0
"""A process-table entry as a Python object."""

from innerwarden_core.decode cimport split_argv
from innerwarden_core.containers cimport iw_container, iw_container_of
from innerwarden_core.proctable cimport image_argv, image_cgroup, image_cwd, image_exe
from innerwarden_core.text cimport to_str


cdef class ProcessInfo:
    """A copy of one entry; see the interface file."""
    cdef readonly unsigned int pid
    cdef readonly unsigned long long start_ns
    cdef readonly unsigned int ppid
    cdef readonly unsigned long long parent_start_ns
    cdef readonly unsigned int uid
    cdef readonly unsigned int login_uid
    cdef readonly str exe_path
    cdef readonly list argv
    cdef readonly unsigned int argv_len
    cdef readonly bint argv_incomplete
    cdef readonly str comm
    cdef readonly str cwd
    cdef readonly str cgroup_path
    cdef readonly str container_id
    cdef readonly str container_runtime
    cdef readonly str pod_uid
    cdef readonly unsigned long long exec_ts_ns
    cdef readonly bint exited
    cdef readonly unsigned int exec_flags
    cdef readonly unsigned long long exe_inode
    cdef readonly unsigned int exe_dev

    def __init__(self):
        raise TypeError("process entries are made by the engine")

    def __repr__(self):
        return f"ProcessInfo(pid={self.pid}, start_ns={self.start_ns}, exe_path={self.exe_path!r})"


cdef object process_info(const iw_process *process):
    cdef ProcessInfo out = ProcessInfo.__new__(ProcessInfo)
    cdef iw_container container
    cdef size_t size = 0
    while size < 16 and process.comm[size]:
        size += 1
    out.pid = process.pid
    out.start_ns = process.start_ns
    out.ppid = process.ppid
    out.parent_start_ns = process.parent_start_ns
    out.uid = process.uid
    out.login_uid = process.login_uid
    out.comm = to_str(<const unsigned char *>process.comm, size)
    out.exec_ts_ns = process.exec_ts_ns
    out.exited = process.exited
    out.argv = []
    if process.image != NULL:
        out.exec_flags = process.image.exec_flags
        out.exe_inode = process.image.exe_inode
        out.exe_dev = process.image.exe_dev
        out.argv_len = process.image.argv_len
        out.argv_incomplete = process.image.argv_len > process.image.argv_size
        out.argv = split_argv(image_argv(process.image), process.image.argv_size)
        if process.image.exe_size:
            out.exe_path = to_str(image_exe(process.image), process.image.exe_size)
        if process.image.cwd_size:
            out.cwd = to_str(image_cwd(process.image), process.image.cwd_size)
        if process.image.cgroup_size:
            out.cgroup_path = to_str(image_cgroup(process.image), process.image.cgroup_size)
            iw_container_of(image_cgroup(process.image), process.image.cgroup_size, &container)
            if container.runtime != NULL:
                out.container_runtime = container.runtime.decode()
                out.container_id = to_str(container.id, container.id_size)
            if container.pod != NULL:
                out.pod_uid = to_str(container.pod, container.pod_size).replace("_", "-")
    return out
