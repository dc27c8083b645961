# SPDX-License-Identifier: Apache-2.0
"""What each kernel record is about, in words for people: one line per kind. Data."""

from __future__ import annotations

from innerwarden.sensor.kernel_hooks import Hook

EFFECTS: dict[str, str] = {
    "process.exec": "a program was started",
    "process.exec_argv": "a program was started",
    "process.fork": "a process was born",
    "process.exit": "a process ended",
    "network.connect": "a connection was made",
    "network.bind": "a port was bound",
    "network.listen": "a service listens",
    "file.open": "a watched file was opened",
    "file.rename": "a watched name was moved",
    "file.delete": "a watched name was removed",
    "credential.change": "an identity changed",
    "process.ptrace": "a hold on another process",
    "process.memfd_create": "a file in memory was made",
    "kernel.module_load": "a kernel module was loaded",
    "filesystem.mount": "a file system was mounted",
    "process.fd_redirect": "a socket became standard input or output",
    "kernel.bpf": "somebody else used BPF",
    "network.xdp_drop": "packets were dropped by the list",
    "file.link": "a second name was made",
    "file.attribute": "owner, mode or size of a file changed",
    "file.node": "a device or a pipe was made",
    "network.accept": "a connection was taken",
    "network.socket": "a raw or rare socket was made",
    "network.socket_filter": "a filter was put on a socket",
    "network.payload": "the first bytes of a connection",
    "network.dns": "a name was looked up",
    "network.tls": "an encrypted connection began",
    "process.namespace": "a process changed its namespace",
    "process.memory_access": "memory of another process was touched",
    "process.memory_exec": "memory became executable",
    "process.signal": "a process was signalled",
    "process.rename": "a process changed its name",
    "process.cgroup_move": "a process was moved to another cgroup",
    "process.compat_syscall": "a 32-bit call of a 64-bit program",
    "kernel.io_uring": "io_uring was used",
    "kernel.kexec": "another kernel was loaded",
    "kernel.perf_event": "a performance event was opened",
    "kernel.port_access": "hardware ports were opened",
    "credential.key": "a kernel key was used",
    "process.userfaultfd": "page faults were taken over",
    "enforcement.decision": "an action was refused",
    "sensor.flood": "records were held back",
}


def effect_of(hook: Hook) -> str:
    """What is seen by this hook."""
    return EFFECTS[hook.kinds[0]]
