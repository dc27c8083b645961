# SPDX-License-Identifier: Apache-2.0
"""Every kernel hook: program, place, records, and the ATT&CK techniques that go blind without it. Data."""

from __future__ import annotations

import msgspec

from innerwarden.model._wire import HookId

TP_BTF = "tp_btf"
#: Seen by the one program on sys_exit, which hands it to the hook's own.
SYSCALL = "syscall"
CGROUP = "cgroup"
#: Hooks on kernel objects: seen whoever asks, io_uring's workers included, and free of cost for other syscalls.
#: On entry to a kernel function or on its way out (`fexit`), which the program's section says.
FENTRY = "fentry"
LSM = "lsm"

#: Kinds of hook that a kernel may list and still refuse: one sample of each is tried before the rest is loaded.
SAMPLED = (FENTRY, LSM)


class Hook(msgspec.Struct, frozen=True):
    """`id` is the number its records are counted under; `instead_of`: attached only when none of the hooks of those
    names is."""

    name: str
    id: HookId
    program: str
    attach: str
    target: str
    kinds: tuple[str, ...]
    techniques: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()


def _syscalls(
    program: str,
    calls: str,
    kinds: tuple[str, ...],
    techniques: tuple[str, ...],
    instead_of: tuple[str, ...] = (),
) -> list[Hook]:
    return [
        Hook(call, HookId[call.upper()], program, SYSCALL, call, kinds, techniques, instead_of)
        for call in calls.split()
    ]


def _enforcement(name: str, program: str, hook: str) -> list[Hook]:
    """Loaded only when a rule that needs it is on; what they see, other hooks see too, so nothing goes blind."""
    return [Hook(name, HookId[name.upper()], program, LSM, f"bpf_lsm_{hook}", ("enforcement.decision",))]


def _objects() -> list[Hook]:
    """Hooks on file objects. They stand before the calls of the same effect, which they replace."""
    return [
        Hook(name, HookId[name.upper()], f"iw_{name}", FENTRY, target, kinds, techniques)
        for name, target, kinds, techniques in (
            (
                "object_open",
                "security_file_open",
                ("file.open", "process.memory_access"),
                ("T1003.008", "T1552.001", "T1552.004", "T1098.004", "T1055.009"),
            ),
            (
                "object_rename",
                "security_path_rename",
                ("file.rename",),
                ("T1036.003", "T1070", "T1574.006"),
            ),
            ("object_unlink", "security_path_unlink", ("file.delete",), ("T1070.002", "T1070.004")),
            ("object_link", "security_path_link", ("file.link",), ("T1547.009", "T1574.006")),
            ("object_symlink", "security_path_symlink", ("file.link",), ("T1547.009",)),
            ("object_chmod", "chmod_common", ("file.attribute",), ("T1548.001", "T1222.002")),
            ("object_chown", "chown_common", ("file.attribute",), ("T1222.002",)),
            ("object_truncate", "vfs_truncate", ("file.attribute",), ("T1070.002",)),
            ("object_mprotect", "security_file_mprotect", ("process.memory_exec",), ("T1620", "T1055")),
        )
    ]


#: The program that every SYSCALL hook needs.
DISPATCHER = "iw_sys_exit"

HOOKS: tuple[Hook, ...] = (
    Hook(
        "sched_process_exec",
        HookId.SCHED_EXEC,
        "iw_exec",
        TP_BTF,
        "sched_process_exec",
        ("process.exec", "process.exec_argv", "credential.change"),
        ("T1059", "T1204", "T1053", "T1620", "T1548.001"),
    ),
    Hook(
        "sched_process_fork",
        HookId.SCHED_FORK,
        "iw_fork",
        TP_BTF,
        "sched_process_fork",
        ("process.fork", "credential.change"),
        ("T1106", "T1068"),
    ),
    Hook("sched_process_exit", HookId.SCHED_EXIT, "iw_exit", TP_BTF, "sched_process_exit", ("process.exit",)),
    Hook(
        "inet_sock_set_state",
        HookId.SOCK_STATE,
        "iw_sock_state",
        TP_BTF,
        "inet_sock_set_state",
        ("network.connect", "network.listen"),
        ("T1071", "T1571", "T1095", "T1041"),
    ),
    Hook(
        "cgroup_connect4",
        HookId.CONNECT4,
        "iw_connect4",
        CGROUP,
        "connect4",
        ("network.connect",),
        ("T1071.004",),
    ),
    Hook(
        "cgroup_connect6",
        HookId.CONNECT6,
        "iw_connect6",
        CGROUP,
        "connect6",
        ("network.connect",),
        ("T1071.004",),
    ),
    Hook(
        "cgroup_sendmsg4",
        HookId.SENDMSG4,
        "iw_sendmsg4",
        CGROUP,
        "sendmsg4",
        ("network.connect",),
        ("T1071.004", "T1095"),
    ),
    Hook(
        "cgroup_sendmsg6",
        HookId.SENDMSG6,
        "iw_sendmsg6",
        CGROUP,
        "sendmsg6",
        ("network.connect",),
        ("T1071.004", "T1095"),
    ),
    Hook(
        "cgroup_egress",
        HookId.EGRESS,
        "iw_egress",
        CGROUP,
        "egress",
        ("network.payload",),
        ("T1071.001", "T1071.004", "T1572", "T1573.002", "T1048"),
    ),
    Hook(
        "cgroup_post_bind4",
        HookId.POST_BIND4,
        "iw_post_bind4",
        CGROUP,
        "post_bind4",
        ("network.bind",),
        ("T1571", "T1090"),
    ),
    Hook(
        "cgroup_post_bind6",
        HookId.POST_BIND6,
        "iw_post_bind6",
        CGROUP,
        "post_bind6",
        ("network.bind",),
        ("T1571", "T1090"),
    ),
    *_syscalls(
        "iw_do_bind",
        "bind",
        ("network.bind",),
        ("T1571", "T1090"),
        ("cgroup_post_bind4", "cgroup_post_bind6"),
    ),
    *_objects(),
    *_syscalls(
        "iw_do_open",
        "openat open openat2 creat open_by_handle_at",
        ("file.open", "process.memory_access"),
        ("T1003.008", "T1552.001", "T1552.004", "T1098.004", "T1055.009"),
        ("object_open",),
    ),
    *_syscalls(
        "iw_do_names",
        "rename renameat renameat2",
        ("file.rename",),
        ("T1036.003", "T1070", "T1574.006"),
        ("object_rename",),
    ),
    *_syscalls(
        "iw_do_names", "unlink unlinkat", ("file.delete",), ("T1070.002", "T1070.004"), ("object_unlink",)
    ),
    *_syscalls("iw_do_link", "link linkat", ("file.link",), ("T1547.009", "T1574.006"), ("object_link",)),
    *_syscalls("iw_do_link", "symlink symlinkat", ("file.link",), ("T1547.009",), ("object_symlink",)),
    *_syscalls(
        "iw_do_attribute",
        "chmod fchmod fchmodat fchmodat2",
        ("file.attribute",),
        ("T1548.001", "T1222.002"),
        ("object_chmod",),
    ),
    *_syscalls(
        "iw_do_attribute",
        "chown fchown lchown fchownat",
        ("file.attribute",),
        ("T1222.002",),
        ("object_chown",),
    ),
    *_syscalls("iw_do_attribute", "truncate", ("file.attribute",), ("T1070.002",), ("object_truncate",)),
    *_syscalls("iw_do_attribute", "ftruncate", ("file.attribute",), ("T1070.002",)),
    *_syscalls(
        "iw_do_attribute",
        "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat",
        ("file.attribute",),
        ("T1548.001", "T1222.002"),
    ),
    *_syscalls("iw_do_attribute", "utime utimes futimesat utimensat", ("file.attribute",), ("T1070.006",)),
    *_syscalls("iw_do_link", "mknod mknodat", ("file.node",), ("T1611", "T1006")),
    *_syscalls("iw_do_mmap", "mmap", ("process.memory_exec",), ("T1620", "T1055")),
    *_syscalls(
        "iw_do_mprotect",
        "mprotect pkey_mprotect",
        ("process.memory_exec",),
        ("T1620", "T1055"),
        ("object_mprotect",),
    ),
    *_syscalls(
        "iw_do_credential",
        "setuid setreuid setresuid setgid setregid setresgid capset",
        ("credential.change",),
        ("T1548", "T1068"),
    ),
    *_syscalls("iw_do_ptrace", "ptrace", ("process.ptrace",), ("T1055.008",)),
    *_syscalls("iw_do_memfd_create", "memfd_create", ("process.memfd_create",), ("T1620",)),
    *_syscalls("iw_do_fd_redirect", "dup dup2 dup3 fcntl", ("process.fd_redirect",), ("T1059.004",)),
    *_syscalls("iw_do_mount", "mount", ("filesystem.mount",), ("T1611",)),
    *_syscalls("iw_do_move_mount", "move_mount", ("filesystem.mount",), ("T1611", "T1564")),
    *_syscalls("iw_do_new_mount", "fsmount open_tree", ("filesystem.mount",), ("T1611", "T1564")),
    *_syscalls("iw_do_mount_path", "umount2 mount_setattr", ("filesystem.mount",), ("T1562",)),
    *_syscalls("iw_do_bpf", "bpf", ("kernel.bpf",), ("T1014", "T1562.001")),
    *_syscalls("iw_do_module", "init_module finit_module", ("kernel.module_load",), ("T1547.006", "T1014")),
    Hook(
        "module_load",
        HookId.MODULE_LOAD,
        "iw_module_load",
        TP_BTF,
        "module_load",
        ("kernel.module_load",),
        ("T1547.006", "T1014"),
    ),
    *_syscalls("iw_do_namespace", "unshare setns", ("process.namespace",), ("T1611", "T1564", "T1068")),
    *_syscalls("iw_do_clone", "clone clone3", ("process.namespace",), ("T1611", "T1564", "T1068")),
    *_syscalls("iw_do_root", "chroot pivot_root", ("process.namespace",), ("T1611",)),
    Hook(
        "signal_generate",
        HookId.SIGNAL,
        "iw_signal",
        TP_BTF,
        "signal_generate",
        ("process.signal",),
        ("T1562.001", "T1489"),
    ),
    Hook(
        "task_rename",
        HookId.TASK_RENAME,
        "iw_task_rename",
        TP_BTF,
        "task_rename",
        ("process.rename",),
        ("T1036.004", "T1036.005"),
    ),
    Hook(
        "cgroup_attach_task",
        HookId.CGROUP_ATTACH,
        "iw_cgroup_attach",
        TP_BTF,
        "cgroup_attach_task",
        ("process.cgroup_move",),
        ("T1611", "T1564"),
    ),
    *_syscalls(
        "iw_do_process_vm",
        "process_vm_readv process_vm_writev",
        ("process.memory_access",),
        ("T1055", "T1003.007"),
    ),
    *_syscalls("iw_do_pidfd_getfd", "pidfd_getfd", ("process.memory_access",), ("T1055",)),
    Hook(
        "ptrace_access_check",
        HookId.PTRACE_ACCESS,
        "iw_ptrace_access",
        FENTRY,
        "security_ptrace_access_check",
        ("process.memory_access",),
        ("T1055.008", "T1055.009"),
    ),
    *_syscalls("iw_do_userfaultfd", "userfaultfd", ("process.userfaultfd",), ("T1068",)),
    *_syscalls("iw_do_socket", "socket", ("network.socket",), ("T1040", "T1205.002", "T1095")),
    *_syscalls("iw_do_setsockopt", "setsockopt", ("network.socket_filter",), ("T1205.002", "T1040")),
    *_syscalls("iw_do_accept", "accept accept4", ("network.accept",), ("T1571", "T1090")),
    *_syscalls(
        "iw_do_socketcall",
        "socketcall",
        ("network.socket", "network.socket_filter", "network.accept"),
        ("T1205.002",),
    ),
    Hook(
        "io_uring_create",
        HookId.IO_URING_CREATE,
        "iw_io_uring_create",
        TP_BTF,
        "io_uring_create",
        ("kernel.io_uring",),
        ("T1106", "T1562.001"),
    ),
    Hook(
        "io_uring_submit_req",
        HookId.IO_URING_SUBMIT,
        "iw_io_uring_submit_req",
        TP_BTF,
        "io_uring_submit_req",
        ("kernel.io_uring",),
    ),
    Hook(
        "io_uring_submit_sqe",
        HookId.IO_URING_SUBMIT,
        "iw_io_uring_submit_sqe",
        TP_BTF,
        "io_uring_submit_sqe",
        ("kernel.io_uring",),
        ("T1106", "T1562.001"),
        ("io_uring_submit_req",),
    ),
    *_syscalls("iw_do_kexec", "kexec_load kexec_file_load", ("kernel.kexec",), ("T1542", "T1014")),
    *_syscalls("iw_do_perf_event", "perf_event_open", ("kernel.perf_event",), ("T1014", "T1562.001")),
    *_syscalls("iw_do_port_access", "ioperm iopl", ("kernel.port_access",), ("T1014", "T1542")),
    *_syscalls("iw_do_key", "keyctl add_key request_key", ("credential.key",), ("T1555", "T1003")),
    Hook(
        "compat_syscall",
        HookId.COMPAT,
        DISPATCHER,
        TP_BTF,
        "sys_exit",
        ("process.compat_syscall",),
        ("T1106", "T1562.001"),
    ),
    *_enforcement("lsm_exec", "iw_lsm_exec", "bprm_check_security"),
    *_enforcement("lsm_file_open", "iw_lsm_file_open", "file_open"),
    *_enforcement("lsm_inode_rename", "iw_lsm_inode_rename", "inode_rename"),
    *_enforcement("lsm_inode_unlink", "iw_lsm_inode_unlink", "inode_unlink"),
    *_enforcement("lsm_truncate", "iw_lsm_path_truncate", "path_truncate"),
    *_enforcement("lsm_bpf", "iw_lsm_bpf", "bpf"),
    *_enforcement("lsm_bpf_map", "iw_lsm_bpf_map", "bpf_map"),
    *_enforcement("lsm_task_kill", "iw_lsm_task_kill", "task_kill"),
    *_enforcement("lsm_ptrace", "iw_lsm_ptrace", "ptrace_access_check"),
)

#: Of the object, and for the responder: not loaded here, its large maps with room for one.
RESPONDER_PROGRAMS = ("iw_xdp", "iw_xdp_observe")
RESPONDER_MAPS = ("iw_xdp_rows_v4", "iw_xdp_block_v4", "iw_xdp_block_v6")
