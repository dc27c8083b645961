# SPDX-License-Identifier: Apache-2.0
"""Every kernel hook: program, place, records, and the ATT&CK techniques that go blind without it. Data."""

from __future__ import annotations

import msgspec

TP_BTF = "tp_btf"
TRACEPOINT = "tracepoint"
CGROUP = "cgroup"


class Hook(msgspec.Struct, frozen=True):
    """`instead_of`: attached only when the hook of that name is not."""

    name: str
    program: str
    attach: str
    target: str
    kinds: tuple[str, ...]
    techniques: tuple[str, ...] = ()
    instead_of: str = ""


def _syscalls(program: str, calls: str, kinds: tuple[str, ...], techniques: tuple[str, ...]) -> list[Hook]:
    return [Hook(call, program, TRACEPOINT, call, kinds, techniques) for call in calls.split()]


_OPENS = "sys_exit_openat sys_exit_open sys_exit_openat2 sys_exit_creat sys_exit_open_by_handle_at"
_CREDENTIALS = "setuid setreuid setresuid setgid setregid setresgid capset"

HOOKS: tuple[Hook, ...] = (
    Hook(
        "sched_process_exec",
        "iw_exec",
        TP_BTF,
        "sched_process_exec",
        ("process.exec", "process.exec_argv"),
        ("T1059", "T1204", "T1053", "T1620", "T1548.001"),
    ),
    Hook("sched_process_fork", "iw_fork", TP_BTF, "sched_process_fork", ("process.fork",), ("T1106",)),
    Hook("sched_process_exit", "iw_exit", TP_BTF, "sched_process_exit", ("process.exit",)),
    Hook(
        "inet_sock_set_state",
        "iw_sock_state",
        TP_BTF,
        "inet_sock_set_state",
        ("network.connect", "network.listen"),
        ("T1071", "T1571", "T1095", "T1041"),
    ),
    Hook("cgroup_connect4", "iw_connect4", CGROUP, "connect4", ("network.connect",), ("T1071.004",)),
    Hook("cgroup_connect6", "iw_connect6", CGROUP, "connect6", ("network.connect",), ("T1071.004",)),
    Hook("cgroup_post_bind4", "iw_post_bind4", CGROUP, "post_bind4", ("network.bind",), ("T1571", "T1090")),
    Hook("cgroup_post_bind6", "iw_post_bind6", CGROUP, "post_bind6", ("network.bind",), ("T1571", "T1090")),
    Hook(
        "sys_exit_bind",
        "iw_bind_fallback",
        TRACEPOINT,
        "sys_exit_bind",
        ("network.bind",),
        ("T1571", "T1090"),
        instead_of="cgroup_post_bind4",
    ),
    *_syscalls("iw_open", _OPENS, ("file.open",), ("T1003.008", "T1552.001", "T1552.004", "T1098.004")),
    *_syscalls(
        "iw_names",
        "sys_exit_rename sys_exit_renameat sys_exit_renameat2",
        ("file.rename",),
        ("T1036.003", "T1070", "T1574.006"),
    ),
    *_syscalls("iw_names", "sys_exit_unlink sys_exit_unlinkat", ("file.delete",), ("T1070.002", "T1070.004")),
    *_syscalls(
        "iw_identity_enter",
        " ".join(f"sys_enter_{call}" for call in _CREDENTIALS.split()),
        ("credential.change",),
        ("T1548", "T1068"),
    ),
    *_syscalls(
        "iw_identity_exit",
        " ".join(f"sys_exit_{call}" for call in _CREDENTIALS.split()),
        ("credential.change",),
        ("T1548", "T1068"),
    ),
    *_syscalls("iw_ptrace", "sys_exit_ptrace", ("process.ptrace",), ("T1055.008",)),
    *_syscalls("iw_memfd_create", "sys_exit_memfd_create", ("process.memfd_create",), ("T1620",)),
    *_syscalls("iw_fd_redirect", "sys_exit_dup2 sys_exit_dup3", ("process.fd_redirect",), ("T1059.004",)),
    *_syscalls("iw_mount", "sys_exit_mount", ("filesystem.mount",), ("T1611",)),
    *_syscalls("iw_bpf", "sys_exit_bpf", ("kernel.bpf",), ("T1014", "T1562.001")),
    *_syscalls("iw_init_module", "sys_enter_init_module", ("kernel.module_load",), ("T1547.006", "T1014")),
    *_syscalls("iw_finit_module", "sys_enter_finit_module", ("kernel.module_load",), ("T1547.006", "T1014")),
    Hook(
        "module_load",
        "iw_module_load",
        TP_BTF,
        "module_load",
        ("kernel.module_load",),
        ("T1547.006", "T1014"),
    ),
)

#: Loaded so that they can be attached later; attached by nobody here.
UNATTACHED_PROGRAMS = frozenset({"iw_xdp"})
