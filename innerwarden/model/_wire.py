# SPDX-License-Identifier: Apache-2.0
# GENERATED from bpf/include/iw_event.h by bpf/tools/gen.py; edit the header, run `make gen`.
"""Layout of the wire record."""

from __future__ import annotations

from enum import IntEnum, IntFlag

ABI_VERSION = 1
COMM_LEN = 16
PATH_MAX = 4096
ARGV_CHUNK = 16384
ARGV_MAX = 131072
RECORD_MAX = 65536


class Kind(IntEnum):
    PROCESS_EXEC = 1
    PROCESS_EXEC_ARGV = 2
    PROCESS_FORK = 3
    PROCESS_EXIT = 4
    NETWORK_CONNECT = 5
    NETWORK_BIND = 6
    NETWORK_LISTEN = 7
    FILE_OPEN = 8
    FILE_RENAME = 9
    FILE_DELETE = 10
    CREDENTIAL_CHANGE = 11
    PROCESS_PTRACE = 12
    PROCESS_MEMFD_CREATE = 13
    KERNEL_MODULE_LOAD = 14
    FILESYSTEM_MOUNT = 15
    PROCESS_FD_REDIRECT = 16
    KERNEL_BPF = 17
    NETWORK_XDP_DROP = 18
    FILE_LINK = 19
    FILE_ATTRIBUTE = 20
    FILE_NODE = 21
    NETWORK_ACCEPT = 22
    NETWORK_SOCKET = 23
    NETWORK_FILTER = 24
    NETWORK_PAYLOAD = 25
    NETWORK_DNS = 26
    NETWORK_TLS = 27
    PROCESS_NAMESPACE = 28
    PROCESS_MEMORY_ACCESS = 29
    PROCESS_MEMORY_EXEC = 30
    PROCESS_SIGNAL = 31
    PROCESS_RENAME = 32
    PROCESS_CGROUP_MOVE = 33
    PROCESS_COMPAT_SYSCALL = 34
    KERNEL_IO_URING = 35
    KERNEL_KEXEC = 36
    KERNEL_PERF_EVENT = 37
    KERNEL_PORT_ACCESS = 38
    CREDENTIAL_KEY = 39
    PROCESS_USERFAULTFD = 40
    ENFORCEMENT_DECISION = 41
    SENSOR_FLOOD = 42
    SSH_LOGIN_FAILED = 64
    SSH_LOGIN_SUCCESS = 65
    SSH_PROBE = 66
    SSH_DISCONNECT = 67
    SUDO_COMMAND = 68
    AUTH_SESSION = 69
    AUTH_FAILED = 70
    USER_CHANGE = 71
    LOG_LINE = 72
    HOST_HIDDEN_PROCESS = 128
    HOST_MEMORY_MAP = 129
    HOST_SUID_FILE = 130
    HOST_SERVICE_UNIT = 131
    HOST_SYSCTL = 132
    HOST_MODULE = 133
    HOST_BPF_PROGRAM = 134
    HOST_LISTENER = 135
    HOST_DEVICE = 136


class HookId(IntEnum):
    OPEN = 1
    OPENAT = 2
    OPENAT2 = 3
    CREAT = 4
    OPEN_BY_HANDLE_AT = 5
    RENAME = 6
    RENAMEAT = 7
    RENAMEAT2 = 8
    UNLINK = 9
    UNLINKAT = 10
    LINK = 11
    LINKAT = 12
    SYMLINK = 13
    SYMLINKAT = 14
    TRUNCATE = 15
    FTRUNCATE = 16
    CHMOD = 17
    FCHMOD = 18
    FCHMODAT = 19
    FCHMODAT2 = 20
    CHOWN = 21
    FCHOWN = 22
    LCHOWN = 23
    FCHOWNAT = 24
    SETXATTR = 25
    LSETXATTR = 26
    FSETXATTR = 27
    REMOVEXATTR = 28
    LREMOVEXATTR = 29
    FREMOVEXATTR = 30
    SETXATTRAT = 31
    UTIME = 32
    UTIMES = 33
    FUTIMESAT = 34
    UTIMENSAT = 35
    MKNOD = 36
    MKNODAT = 37
    REMOVEXATTRAT = 38
    SETUID = 40
    SETREUID = 41
    SETRESUID = 42
    SETGID = 43
    SETREGID = 44
    SETRESGID = 45
    CAPSET = 46
    SETFSUID = 47
    SETFSGID = 48
    UNSHARE = 50
    SETNS = 51
    CLONE = 52
    CLONE3 = 53
    CHROOT = 54
    PIVOT_ROOT = 55
    PTRACE = 56
    PROCESS_VM_READV = 57
    PROCESS_VM_WRITEV = 58
    PIDFD_GETFD = 59
    MEMFD_CREATE = 60
    MEMFD_SECRET = 61
    DUP = 62
    DUP2 = 63
    DUP3 = 64
    FCNTL = 65
    MMAP = 66
    MPROTECT = 67
    PKEY_MPROTECT = 68
    PRCTL = 69
    USERFAULTFD = 70
    SOCKET = 72
    SETSOCKOPT = 73
    ACCEPT = 74
    ACCEPT4 = 75
    BIND = 76
    SOCKETCALL = 77
    INIT_MODULE = 80
    FINIT_MODULE = 81
    DELETE_MODULE = 82
    BPF = 83
    KEXEC_LOAD = 84
    KEXEC_FILE_LOAD = 85
    IO_URING_SETUP = 86
    IO_URING_REGISTER = 87
    PERF_EVENT_OPEN = 88
    IOPERM = 89
    IOPL = 90
    KEYCTL = 91
    ADD_KEY = 92
    REQUEST_KEY = 93
    MOUNT = 96
    UMOUNT2 = 97
    FSOPEN = 98
    FSMOUNT = 99
    MOVE_MOUNT = 100
    OPEN_TREE = 101
    MOUNT_SETATTR = 102
    SCHED_EXEC = 128
    SCHED_FORK = 129
    SCHED_EXIT = 130
    SOCK_STATE = 131
    CONNECT4 = 132
    CONNECT6 = 133
    SENDMSG4 = 134
    SENDMSG6 = 135
    POST_BIND4 = 136
    POST_BIND6 = 137
    EGRESS = 138
    MODULE_LOAD = 139
    SIGNAL = 140
    TASK_RENAME = 141
    CGROUP_ATTACH = 142
    IO_URING_CREATE = 143
    IO_URING_SUBMIT = 144
    COMPAT = 145
    FLOOD = 146
    XDP = 147
    LSM_EXEC = 150
    LSM_FILE_OPEN = 151
    LSM_INODE_RENAME = 152
    LSM_INODE_UNLINK = 153
    LSM_BPF = 154
    LSM_TASK_KILL = 155
    LSM_PTRACE = 156
    LSM_TRUNCATE = 157
    LSM_BPF_MAP = 158
    OBJECT_OPEN = 170
    OBJECT_RENAME = 171
    OBJECT_UNLINK = 172
    OBJECT_LINK = 173
    OBJECT_SYMLINK = 174
    OBJECT_TRUNCATE = 175
    OBJECT_CHMOD = 176
    OBJECT_CHOWN = 177
    COMMIT_CREDS = 178
    PTRACE_ACCESS = 179
    OBJECT_MPROTECT = 180


class Flag(IntFlag):
    TRUNCATED = 1
    REALTIME = 2
    KTHREAD = 4
    PATH_FROM_ARG = 8
    PATH_PARTIAL = 16
    ARGV_INCOMPLETE = 32
    READ_FAULT = 64


class ExecFlag(IntFlag):
    MEMFD = 1
    DELETED = 2
    SETUID = 4
    SETGID = 8
    OVERLAY_UPPER = 16
    DIR_WORLD_WRITABLE = 32
    SCRIPT = 64
    STDIN_SOCKET = 128
    STDOUT_SOCKET = 256
    STDERR_SOCKET = 512
    FROM_FD = 1024
    STDIN_PIPE = 2048
    LD_PRELOAD = 4096
    LD_LIBRARY_PATH = 8192


class OpenFlag(IntFlag):
    WRITE = 1
    CREATED = 2
    WATCHED_READ = 4


class LinkType(IntEnum):
    HARD = 1
    SYMBOLIC = 2


class Attribute(IntEnum):
    MODE = 1
    OWNER = 2
    XATTR_SET = 3
    XATTR_REMOVED = 4
    TIMES = 5
    SIZE = 6


class Access(IntEnum):
    VM_READ = 1
    VM_WRITE = 2
    MEM_FILE = 3
    GET_FD = 4
    CHECK = 5


class MemoryFlag(IntFlag):
    RWX = 1
    MEMFD = 2
    DELETED = 4
    WORLD_WRITABLE = 8
    ANONYMOUS = 16
    STACK = 32


class IoOperation(IntEnum):
    CREATE = 1
    SUBMIT = 2


class EnforcementMode(IntEnum):
    OBSERVE = 1
    REHEARSE = 2
    ENFORCE = 3


class EnforcementRule(IntEnum):
    EXEC_DENY = 1
    EXEC_ALLOW = 2
    FILE_PROTECT = 3
    BPF = 4
    SELF_SIGNAL = 5
    SELF_PTRACE = 6


class Change(IntEnum):
    BASELINE = 1
    APPEARED = 2
    CHANGED = 3
    VANISHED = 4
    FOUND = 5


#: dotted kind -> Kind
KINDS: dict[str, Kind] = {
    "process.exec": Kind.PROCESS_EXEC,
    "process.exec_argv": Kind.PROCESS_EXEC_ARGV,
    "process.fork": Kind.PROCESS_FORK,
    "process.exit": Kind.PROCESS_EXIT,
    "network.connect": Kind.NETWORK_CONNECT,
    "network.bind": Kind.NETWORK_BIND,
    "network.listen": Kind.NETWORK_LISTEN,
    "file.open": Kind.FILE_OPEN,
    "file.rename": Kind.FILE_RENAME,
    "file.delete": Kind.FILE_DELETE,
    "credential.change": Kind.CREDENTIAL_CHANGE,
    "process.ptrace": Kind.PROCESS_PTRACE,
    "process.memfd_create": Kind.PROCESS_MEMFD_CREATE,
    "kernel.module_load": Kind.KERNEL_MODULE_LOAD,
    "filesystem.mount": Kind.FILESYSTEM_MOUNT,
    "process.fd_redirect": Kind.PROCESS_FD_REDIRECT,
    "kernel.bpf": Kind.KERNEL_BPF,
    "network.xdp_drop": Kind.NETWORK_XDP_DROP,
    "file.link": Kind.FILE_LINK,
    "file.attribute": Kind.FILE_ATTRIBUTE,
    "file.node": Kind.FILE_NODE,
    "network.accept": Kind.NETWORK_ACCEPT,
    "network.socket": Kind.NETWORK_SOCKET,
    "network.socket_filter": Kind.NETWORK_FILTER,
    "network.payload": Kind.NETWORK_PAYLOAD,
    "network.dns": Kind.NETWORK_DNS,
    "network.tls": Kind.NETWORK_TLS,
    "process.namespace": Kind.PROCESS_NAMESPACE,
    "process.memory_access": Kind.PROCESS_MEMORY_ACCESS,
    "process.memory_exec": Kind.PROCESS_MEMORY_EXEC,
    "process.signal": Kind.PROCESS_SIGNAL,
    "process.rename": Kind.PROCESS_RENAME,
    "process.cgroup_move": Kind.PROCESS_CGROUP_MOVE,
    "process.compat_syscall": Kind.PROCESS_COMPAT_SYSCALL,
    "kernel.io_uring": Kind.KERNEL_IO_URING,
    "kernel.kexec": Kind.KERNEL_KEXEC,
    "kernel.perf_event": Kind.KERNEL_PERF_EVENT,
    "kernel.port_access": Kind.KERNEL_PORT_ACCESS,
    "credential.key": Kind.CREDENTIAL_KEY,
    "process.userfaultfd": Kind.PROCESS_USERFAULTFD,
    "enforcement.decision": Kind.ENFORCEMENT_DECISION,
    "sensor.flood": Kind.SENSOR_FLOOD,
    "ssh.login_failed": Kind.SSH_LOGIN_FAILED,
    "ssh.login_success": Kind.SSH_LOGIN_SUCCESS,
    "ssh.probe": Kind.SSH_PROBE,
    "ssh.disconnect": Kind.SSH_DISCONNECT,
    "sudo.command": Kind.SUDO_COMMAND,
    "auth.session": Kind.AUTH_SESSION,
    "auth.failed": Kind.AUTH_FAILED,
    "user.change": Kind.USER_CHANGE,
    "log.line": Kind.LOG_LINE,
    "host.hidden_process": Kind.HOST_HIDDEN_PROCESS,
    "host.memory_map": Kind.HOST_MEMORY_MAP,
    "host.suid_file": Kind.HOST_SUID_FILE,
    "host.service_unit": Kind.HOST_SERVICE_UNIT,
    "host.sysctl": Kind.HOST_SYSCTL,
    "host.module": Kind.HOST_MODULE,
    "host.bpf_program": Kind.HOST_BPF_PROGRAM,
    "host.listener": Kind.HOST_LISTENER,
    "host.device": Kind.HOST_DEVICE,
}

#: Kind -> struct name
RECORD_OF: dict[Kind, str] = {
    Kind.PROCESS_EXEC: "iw_process_exec",
    Kind.PROCESS_EXEC_ARGV: "iw_process_exec_argv",
    Kind.PROCESS_FORK: "iw_process_fork",
    Kind.PROCESS_EXIT: "iw_process_exit",
    Kind.NETWORK_CONNECT: "iw_network_connect",
    Kind.NETWORK_BIND: "iw_network_bind",
    Kind.NETWORK_LISTEN: "iw_network_listen",
    Kind.FILE_OPEN: "iw_file_open",
    Kind.FILE_RENAME: "iw_file_rename",
    Kind.FILE_DELETE: "iw_file_delete",
    Kind.CREDENTIAL_CHANGE: "iw_credential_change",
    Kind.PROCESS_PTRACE: "iw_process_ptrace",
    Kind.PROCESS_MEMFD_CREATE: "iw_process_memfd_create",
    Kind.KERNEL_MODULE_LOAD: "iw_kernel_module_load",
    Kind.FILESYSTEM_MOUNT: "iw_filesystem_mount",
    Kind.PROCESS_FD_REDIRECT: "iw_process_fd_redirect",
    Kind.KERNEL_BPF: "iw_kernel_bpf",
    Kind.NETWORK_XDP_DROP: "iw_network_xdp_drop",
    Kind.FILE_LINK: "iw_file_link",
    Kind.FILE_ATTRIBUTE: "iw_file_attribute",
    Kind.FILE_NODE: "iw_file_node",
    Kind.NETWORK_ACCEPT: "iw_network_accept",
    Kind.NETWORK_SOCKET: "iw_network_socket",
    Kind.NETWORK_FILTER: "iw_network_filter",
    Kind.NETWORK_PAYLOAD: "iw_network_payload",
    Kind.NETWORK_DNS: "iw_network_dns",
    Kind.NETWORK_TLS: "iw_network_tls",
    Kind.PROCESS_NAMESPACE: "iw_process_namespace",
    Kind.PROCESS_MEMORY_ACCESS: "iw_process_memory_access",
    Kind.PROCESS_MEMORY_EXEC: "iw_process_memory_exec",
    Kind.PROCESS_SIGNAL: "iw_process_signal",
    Kind.PROCESS_RENAME: "iw_process_rename",
    Kind.PROCESS_CGROUP_MOVE: "iw_process_cgroup_move",
    Kind.PROCESS_COMPAT_SYSCALL: "iw_process_compat_syscall",
    Kind.KERNEL_IO_URING: "iw_kernel_io_uring",
    Kind.KERNEL_KEXEC: "iw_kernel_kexec",
    Kind.KERNEL_PERF_EVENT: "iw_kernel_perf_event",
    Kind.KERNEL_PORT_ACCESS: "iw_kernel_port_access",
    Kind.CREDENTIAL_KEY: "iw_credential_key",
    Kind.PROCESS_USERFAULTFD: "iw_process_userfaultfd",
    Kind.ENFORCEMENT_DECISION: "iw_enforcement_decision",
    Kind.SENSOR_FLOOD: "iw_sensor_flood",
    Kind.SSH_LOGIN_FAILED: "iw_log",
    Kind.SSH_LOGIN_SUCCESS: "iw_log",
    Kind.SSH_PROBE: "iw_log",
    Kind.SSH_DISCONNECT: "iw_log",
    Kind.SUDO_COMMAND: "iw_log",
    Kind.AUTH_SESSION: "iw_log",
    Kind.AUTH_FAILED: "iw_log",
    Kind.USER_CHANGE: "iw_log",
    Kind.LOG_LINE: "iw_log",
    Kind.HOST_HIDDEN_PROCESS: "iw_host_fact",
    Kind.HOST_MEMORY_MAP: "iw_host_fact",
    Kind.HOST_SUID_FILE: "iw_host_fact",
    Kind.HOST_SERVICE_UNIT: "iw_host_fact",
    Kind.HOST_SYSCTL: "iw_host_fact",
    Kind.HOST_MODULE: "iw_host_fact",
    Kind.HOST_BPF_PROGRAM: "iw_host_fact",
    Kind.HOST_LISTENER: "iw_host_fact",
    Kind.HOST_DEVICE: "iw_host_fact",
}

#: struct name -> bytes of its fixed part
SIZES: dict[str, int] = {
    "iw_str": 8,
    "iw_header": 96,
    "iw_process_exec": 232,
    "iw_process_exec_argv": 112,
    "iw_process_fork": 112,
    "iw_process_exit": 104,
    "iw_network_connect": 136,
    "iw_network_bind": 120,
    "iw_network_listen": 120,
    "iw_file_open": 128,
    "iw_file_rename": 112,
    "iw_file_delete": 104,
    "iw_credential_change": 128,
    "iw_process_ptrace": 120,
    "iw_process_memfd_create": 112,
    "iw_kernel_module_load": 120,
    "iw_filesystem_mount": 136,
    "iw_process_fd_redirect": 128,
    "iw_kernel_bpf": 120,
    "iw_network_xdp_drop": 136,
    "iw_file_link": 120,
    "iw_file_attribute": 160,
    "iw_file_node": 112,
    "iw_network_accept": 136,
    "iw_network_socket": 104,
    "iw_network_filter": 112,
    "iw_network_payload": 160,
    "iw_network_dns": 160,
    "iw_network_tls": 168,
    "iw_process_namespace": 128,
    "iw_process_memory_access": 120,
    "iw_process_memory_exec": 144,
    "iw_process_signal": 120,
    "iw_process_rename": 104,
    "iw_process_cgroup_move": 128,
    "iw_process_compat_syscall": 104,
    "iw_kernel_io_uring": 120,
    "iw_kernel_kexec": 120,
    "iw_kernel_perf_event": 112,
    "iw_kernel_port_access": 112,
    "iw_credential_key": 112,
    "iw_process_userfaultfd": 104,
    "iw_enforcement_decision": 144,
    "iw_sensor_flood": 112,
    "iw_log": 192,
    "iw_host_fact": 208,
}

#: struct name -> ((field, offset, shape), ...); shape: u16 u32 u64 ip comm str
LAYOUT: dict[str, tuple[tuple[str, int, str], ...]] = {
    "iw_header": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
    ),
    "iw_process_exec": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("exe_inode", 96, "u64"),
        ("cap_effective", 104, "u64"),
        ("exe_dev", 112, "u32"),
        ("exe_mode", 116, "u32"),
        ("exe_uid", 120, "u32"),
        ("exe_gid", 124, "u32"),
        ("exe_nlink", 128, "u32"),
        ("exec_flags", 132, "u32"),
        ("login_uid", 136, "u32"),
        ("session_id", 140, "u32"),
        ("tty_dev", 144, "u32"),
        ("argv_len", 148, "u32"),
        ("old_tid", 152, "u32"),
        ("stdio_peer_port", 156, "u16"),
        ("stdio_peer_family", 158, "u16"),
        ("stdio_peer_ip", 160, "ip"),
        ("exe_path", 176, "str"),
        ("filename", 184, "str"),
        ("argv", 192, "str"),
        ("cwd", 200, "str"),
        ("cap_permitted", 208, "u64"),
        ("user_ns", 216, "u32"),
        ("net_ns", 220, "u32"),
        ("cgroup_path", 224, "str"),
    ),
    "iw_process_exec_argv": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("argv_offset", 96, "u32"),
        ("argv_len", 100, "u32"),
        ("argv", 104, "str"),
    ),
    "iw_process_fork": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("child_start_ns", 96, "u64"),
        ("child_pid", 104, "u32"),
        ("reserved0", 108, "u32"),
    ),
    "iw_process_exit": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("exit_code", 96, "u32"),
        ("exit_signal", 100, "u32"),
    ),
    "iw_network_connect": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("dst_ip", 112, "ip"),
        ("src_port", 128, "u16"),
        ("dst_port", 130, "u16"),
        ("family", 132, "u16"),
        ("protocol", 134, "u16"),
    ),
    "iw_network_bind": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("src_port", 112, "u16"),
        ("family", 114, "u16"),
        ("protocol", 116, "u16"),
        ("reserved0", 118, "u16"),
    ),
    "iw_network_listen": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("src_port", 112, "u16"),
        ("family", 114, "u16"),
        ("protocol", 116, "u16"),
        ("reserved0", 118, "u16"),
    ),
    "iw_file_open": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("inode", 96, "u64"),
        ("dev", 104, "u32"),
        ("mode", 108, "u32"),
        ("file_flags", 112, "u32"),
        ("open_flags", 116, "u32"),
        ("path", 120, "str"),
    ),
    "iw_file_rename": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("path", 96, "str"),
        ("old_path", 104, "str"),
    ),
    "iw_file_delete": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("path", 96, "str"),
    ),
    "iw_credential_change": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("cap_effective", 96, "u64"),
        ("old_cap_effective", 104, "u64"),
        ("old_uid", 112, "u32"),
        ("old_euid", 116, "u32"),
        ("old_gid", 120, "u32"),
        ("syscall_nr", 124, "u32"),
    ),
    "iw_process_ptrace": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("target_start_ns", 96, "u64"),
        ("request", 104, "u32"),
        ("target_pid", 108, "u32"),
        ("target_uid", 112, "u32"),
        ("reserved0", 116, "u32"),
    ),
    "iw_process_memfd_create": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("memfd_flags", 96, "u32"),
        ("reserved0", 100, "u32"),
        ("name", 104, "str"),
    ),
    "iw_kernel_module_load": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("load_stage", 96, "u32"),
        ("taints", 100, "u32"),
        ("name", 104, "str"),
        ("path", 112, "str"),
    ),
    "iw_filesystem_mount": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("mount_flags", 96, "u64"),
        ("source", 104, "str"),
        ("path", 112, "str"),
        ("fs_type", 120, "str"),
        ("mount_call", 128, "u32"),
        ("reserved0", 132, "u32"),
    ),
    "iw_process_fd_redirect": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("peer_ip", 96, "ip"),
        ("peer_port", 112, "u16"),
        ("family", 114, "u16"),
        ("old_fd", 116, "u32"),
        ("new_fd", 120, "u32"),
        ("reserved0", 124, "u32"),
    ),
    "iw_kernel_bpf": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("bpf_command", 96, "u32"),
        ("program_type", 100, "u32"),
        ("attach_type", 104, "u32"),
        ("reserved0", 108, "u32"),
        ("name", 112, "str"),
    ),
    "iw_network_xdp_drop": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("packet_count", 112, "u64"),
        ("interface_index", 120, "u32"),
        ("reserved0", 124, "u32"),
        ("enforcement_mode", 128, "u32"),
        ("reserved1", 132, "u32"),
    ),
    "iw_file_link": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("link_type", 96, "u32"),
        ("reserved0", 100, "u32"),
        ("path", 104, "str"),
        ("old_path", 112, "str"),
    ),
    "iw_file_attribute": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("inode", 96, "u64"),
        ("new_size", 104, "u64"),
        ("mtime_ns", 112, "u64"),
        ("dev", 120, "u32"),
        ("mode", 124, "u32"),
        ("attribute", 128, "u32"),
        ("new_uid", 132, "u32"),
        ("new_gid", 136, "u32"),
        ("reserved0", 140, "u32"),
        ("path", 144, "str"),
        ("name", 152, "str"),
    ),
    "iw_file_node": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("mode", 96, "u32"),
        ("node_dev", 100, "u32"),
        ("path", 104, "str"),
    ),
    "iw_network_accept": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("dst_ip", 112, "ip"),
        ("src_port", 128, "u16"),
        ("dst_port", 130, "u16"),
        ("family", 132, "u16"),
        ("protocol", 134, "u16"),
    ),
    "iw_network_socket": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("family", 96, "u16"),
        ("protocol", 98, "u16"),
        ("socket_type", 100, "u32"),
    ),
    "iw_network_filter": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("option", 96, "u32"),
        ("filter_length", 100, "u32"),
        ("family", 104, "u16"),
        ("protocol", 106, "u16"),
        ("socket_type", 108, "u32"),
    ),
    "iw_network_payload": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("dst_ip", 112, "ip"),
        ("socket_cookie", 128, "u64"),
        ("src_port", 136, "u16"),
        ("dst_port", 138, "u16"),
        ("family", 140, "u16"),
        ("protocol", 142, "u16"),
        ("stream_offset", 144, "u32"),
        ("payload_len", 148, "u32"),
        ("payload", 152, "str"),
    ),
    "iw_network_dns": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("dst_ip", 112, "ip"),
        ("src_port", 128, "u16"),
        ("dst_port", 130, "u16"),
        ("family", 132, "u16"),
        ("protocol", 134, "u16"),
        ("dns_type", 136, "u32"),
        ("dns_id", 140, "u32"),
        ("dns_flags", 144, "u32"),
        ("reserved0", 148, "u32"),
        ("dns_query", 152, "str"),
    ),
    "iw_network_tls": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("dst_ip", 112, "ip"),
        ("src_port", 128, "u16"),
        ("dst_port", 130, "u16"),
        ("family", 132, "u16"),
        ("protocol", 134, "u16"),
        ("tls_version", 136, "u32"),
        ("tls_flags", 140, "u32"),
        ("tls_sni", 144, "str"),
        ("tls_alpn", 152, "str"),
        ("tls_hello", 160, "str"),
    ),
    "iw_process_namespace": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("namespace_call", 96, "u32"),
        ("namespace_flags", 100, "u32"),
        ("user_ns", 104, "u32"),
        ("net_ns", 108, "u32"),
        ("child_pid", 112, "u32"),
        ("reserved0", 116, "u32"),
        ("path", 120, "str"),
    ),
    "iw_process_memory_access": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("target_start_ns", 96, "u64"),
        ("target_pid", 104, "u32"),
        ("target_uid", 108, "u32"),
        ("access_kind", 112, "u32"),
        ("target_mnt_ns", 116, "u32"),
    ),
    "iw_process_memory_exec": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("address", 96, "u64"),
        ("length", 104, "u64"),
        ("inode", 112, "u64"),
        ("dev", 120, "u32"),
        ("protection", 124, "u32"),
        ("memory_flags", 128, "u32"),
        ("reserved0", 132, "u32"),
        ("path", 136, "str"),
    ),
    "iw_process_signal": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("target_start_ns", 96, "u64"),
        ("target_pid", 104, "u32"),
        ("target_uid", 108, "u32"),
        ("signal", 112, "u32"),
        ("reserved0", 116, "u32"),
    ),
    "iw_process_rename": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("name", 96, "str"),
    ),
    "iw_process_cgroup_move": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("target_start_ns", 96, "u64"),
        ("new_cgroup_id", 104, "u64"),
        ("target_pid", 112, "u32"),
        ("reserved0", 116, "u32"),
        ("path", 120, "str"),
    ),
    "iw_process_compat_syscall": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("syscall_nr", 96, "u32"),
        ("reserved0", 100, "u32"),
    ),
    "iw_kernel_io_uring": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("ring_id", 96, "u64"),
        ("io_operation", 104, "u32"),
        ("opcode", 108, "u32"),
        ("ring_flags", 112, "u32"),
        ("ring_entries", 116, "u32"),
    ),
    "iw_kernel_kexec": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("kexec_flags", 96, "u64"),
        ("kexec_call", 104, "u32"),
        ("call_errno", 108, "u32"),
        ("path", 112, "str"),
    ),
    "iw_kernel_perf_event": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("perf_config", 96, "u64"),
        ("perf_type", 104, "u32"),
        ("target_pid", 108, "u32"),
    ),
    "iw_kernel_port_access": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("port_call", 96, "u32"),
        ("port_from", 100, "u32"),
        ("port_count", 104, "u32"),
        ("reserved0", 108, "u32"),
    ),
    "iw_credential_key": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("key_call", 96, "u32"),
        ("key_operation", 100, "u32"),
        ("name", 104, "str"),
    ),
    "iw_process_userfaultfd": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("userfault_flags", 96, "u32"),
        ("reserved0", 100, "u32"),
    ),
    "iw_enforcement_decision": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("inode", 96, "u64"),
        ("target_start_ns", 104, "u64"),
        ("dev", 112, "u32"),
        ("target_pid", 116, "u32"),
        ("enforcement_rule", 120, "u32"),
        ("enforcement_mode", 124, "u32"),
        ("enforcement_detail", 128, "u32"),
        ("reserved0", 132, "u32"),
        ("path", 136, "str"),
    ),
    "iw_sensor_flood": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("suppressed", 96, "u64"),
        ("flood_kind", 104, "u32"),
        ("reserved0", 108, "u32"),
    ),
    "iw_log": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("src_port", 112, "u16"),
        ("family", 114, "u16"),
        ("repeat_count", 116, "u32"),
        ("source_id", 120, "u32"),
        ("reserved0", 124, "u32"),
        ("host_name", 128, "str"),
        ("program", 136, "str"),
        ("user", 144, "str"),
        ("method", 152, "str"),
        ("reason", 160, "str"),
        ("command", 168, "str"),
        ("message", 176, "str"),
        ("src_host", 184, "str"),
    ),
    "iw_host_fact": (
        ("size", 0, "u32"),
        ("kind", 4, "u16"),
        ("cpu", 6, "u16"),
        ("flags", 8, "u32"),
        ("sequence", 12, "u32"),
        ("ts_ns", 16, "u64"),
        ("start_ns", 24, "u64"),
        ("parent_start_ns", 32, "u64"),
        ("cgroup_id", 40, "u64"),
        ("pid", 48, "u32"),
        ("tid", 52, "u32"),
        ("ppid", 56, "u32"),
        ("uid", 60, "u32"),
        ("gid", 64, "u32"),
        ("euid", 68, "u32"),
        ("mnt_ns", 72, "u32"),
        ("pid_ns", 76, "u32"),
        ("comm", 80, "comm"),
        ("src_ip", 96, "ip"),
        ("inode", 112, "u64"),
        ("target_start_ns", 120, "u64"),
        ("target_pid", 128, "u32"),
        ("target_uid", 132, "u32"),
        ("change", 136, "u32"),
        ("mode", 140, "u32"),
        ("program_type", 144, "u32"),
        ("program_id", 148, "u32"),
        ("memory_flags", 152, "u32"),
        ("src_port", 156, "u16"),
        ("protocol", 158, "u16"),
        ("name", 160, "str"),
        ("path", 168, "str"),
        ("value", 176, "str"),
        ("old_value", 184, "str"),
        ("sha256", 192, "str"),
        ("reason", 200, "str"),
    ),
}

#: field name -> unit and meaning, from the header's comments
MEANING: dict[str, str] = {
    "size": "bytes of the whole record, a multiple of 8",
    "kind": "enum iw_kind",
    "cpu": "that produced the record",
    "flags": "enum iw_flag",
    "sequence": "per cpu and ring, +1 a record made, lost ones included",
    "ts_ns": "CLOCK_BOOTTIME ns, or CLOCK_REALTIME with IW_F_REALTIME",
    "start_ns": "CLOCK_BOOTTIME ns at which the process started",
    "parent_start_ns": "the same of the real parent",
    "cgroup_id": "cgroup v2 inode",
    "pid": "process (thread group) id, initial namespace",
    "tid": "thread id, initial namespace",
    "ppid": "real parent's process id",
    "uid": "real user id, initial namespace",
    "gid": "real group id",
    "euid": "effective user id",
    "mnt_ns": "mount namespace inode",
    "pid_ns": "pid namespace inode",
    "comm": "task name; forgeable, grants nothing",
    "exe_inode": "of the executed file (for a script: of its interpreter)",
    "cap_effective": "bit mask after exec",
    "exe_dev": "major << 20 | minor",
    "exe_mode": "st_mode",
    "exe_uid": "owner",
    "exe_gid": "owning group",
    "exe_nlink": "links left",
    "exec_flags": "enum iw_exec_flag",
    "login_uid": "audit login id; 4294967295 when unset",
    "session_id": "audit session; 4294967295 when unset",
    "tty_dev": "major << 20 | minor of the controlling terminal; 0 without one",
    "argv_len": "bytes passed to the kernel, terminators included",
    "old_tid": "thread that called exec; differs from pid for a non-leader",
    "stdio_peer_port": "of the first stdio socket, host order; 0 without one",
    "stdio_peer_family": "AF_INET, AF_INET6, AF_UNIX; 0 without a socket",
    "stdio_peer_ip": "address of that peer; v4 in v4-mapped form",
    "exe_path": "canonical, from the dentry, in the mount namespace's view",
    "filename": "as passed to exec; a script's own path",
    "argv": "NUL-separated arguments, the last argv_len bytes that fit",
    "cwd": "working directory, from the dentry",
    "cap_permitted": "bit mask after exec",
    "user_ns": "user namespace inode of the new credentials",
    "net_ns": "network namespace inode",
    "cgroup_path": "last components of the task's cgroup, '/'-separated; v2's, on v1 that of the pids, memory or systemd hierarchy",
    "argv_offset": "bytes of argv that precede this chunk",
    "child_start_ns": "CLOCK_BOOTTIME ns",
    "child_pid": "process id",
    "exit_code": "status passed to exit(), 0..255",
    "exit_signal": "terminating signal, 0 for a normal exit",
    "src_ip": "v4 in v4-mapped form; zero before it is chosen",
    "dst_ip": "v4 in v4-mapped form",
    "src_port": "host order",
    "dst_port": "host order",
    "family": "AF_INET or AF_INET6",
    "protocol": "IPPROTO_*",
    "inode": "of the opened file",
    "dev": "major << 20 | minor",
    "mode": "st_mode",
    "file_flags": "O_* as the open file holds them, with O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC of the call",
    "open_flags": "enum iw_open_flag",
    "path": "canonical, from the dentry",
    "old_path": "former name",
    "old_cap_effective": "before",
    "old_uid": "before",
    "old_euid": "before",
    "old_gid": "before",
    "syscall_nr": "that changed it; 4294967295 when not a syscall",
    "target_start_ns": "CLOCK_BOOTTIME ns; 0 when the target is gone",
    "request": "PTRACE_*",
    "target_pid": "process id, initial namespace; 0 for TRACEME",
    "target_uid": "real user id of the target",
    "memfd_flags": "MFD_*",
    "name": "as passed",
    "load_stage": "1 call seen (init_module), 2 call seen (finit_module), 3 loaded",
    "taints": "of the module, at stage 3",
    "mount_flags": "MS_*",
    "source": "device or directory, as passed",
    "fs_type": "as passed",
    "mount_call": "enum iw_hook of the call: mount, umount, move_mount, ...",
    "peer_ip": "of the socket; v4 in v4-mapped form",
    "peer_port": "host order",
    "old_fd": "descriptor copied, a socket",
    "new_fd": "0, 1 or 2",
    "bpf_command": "enum bpf_cmd",
    "program_type": "enum bpf_prog_type, for BPF_PROG_LOAD",
    "attach_type": "enum bpf_attach_type",
    "packet_count": "matched by this entry of the list since it was made",
    "interface_index": "of the interface",
    "enforcement_mode": "enum iw_enforcement_mode: enforce dropped it, observe let it pass",
    "link_type": "enum iw_link_type",
    "new_size": "bytes after a truncate",
    "mtime_ns": "modification time asked for, realtime ns; 0 without",
    "attribute": "enum iw_attribute",
    "new_uid": "asked for; 4294967295 unchanged",
    "new_gid": "asked for; 4294967295 unchanged",
    "node_dev": "major << 20 | minor of the device that the node stands for",
    "socket_type": "SOCK_* without its flags",
    "option": "SO_ATTACH_FILTER, SO_ATTACH_BPF, ...",
    "filter_length": "instructions of a classic filter; 0 otherwise",
    "socket_cookie": "of the socket",
    "stream_offset": "TCP: bytes of the stream that precede",
    "payload_len": "bytes the packet carried; more than `payload` when cut",
    "payload": "after the transport header",
    "dns_type": "QTYPE of the first question",
    "dns_id": "transaction id",
    "dns_flags": "the message's flags word",
    "dns_query": "name of the first question, lower case, without the final dot",
    "tls_version": "highest offered, e.g. 772 for 1.3",
    "tls_flags": "1 encrypted client hello offered, 2 no server name, 4 hello incomplete",
    "tls_sni": "server name, lower case",
    "tls_alpn": "first protocol offered",
    "tls_hello": "the hello's bytes as far as they came",
    "namespace_call": "enum iw_hook: unshare, setns, clone, clone3, chroot, pivot_root",
    "namespace_flags": "CLONE_NEW* asked for",
    "access_kind": "enum iw_access",
    "target_mnt_ns": "mount namespace inode of the target; 0 unknown",
    "address": "first byte of the range",
    "length": "bytes",
    "protection": "PROT_* asked for",
    "memory_flags": "enum iw_memory_flag",
    "signal": "number",
    "new_cgroup_id": "where it is now",
    "ring_id": "address of the ring's context, the same for all its records",
    "io_operation": "enum iw_io_operation",
    "opcode": "IORING_OP_* of a request",
    "ring_flags": "IORING_SETUP_* at creation",
    "ring_entries": "at creation",
    "kexec_flags": "KEXEC_* or KEXEC_FILE_*",
    "kexec_call": "enum iw_hook: kexec_load or kexec_file_load",
    "call_errno": "0 when it succeeded",
    "perf_config": "perf_event_attr.config",
    "perf_type": "PERF_TYPE_* or a dynamic one",
    "port_call": "enum iw_hook: ioperm or iopl",
    "port_from": "first port; iopl: the level",
    "port_count": "ports; iopl: 0",
    "key_call": "enum iw_hook: keyctl, add_key, request_key",
    "key_operation": "KEYCTL_*; 0 for the other calls",
    "userfault_flags": "as passed",
    "enforcement_rule": "enum iw_enforcement_rule",
    "enforcement_detail": "signal, bpf command or open flags, by rule",
    "suppressed": "records of that kind held back so far in this process's bucket",
    "flood_kind": "enum iw_kind",
    "repeat_count": "times the line stands for (\"message repeated\"); 1 normally",
    "source_id": "collector that read the line",
    "host_name": "host named in the line",
    "program": "syslog tag, e.g. sshd",
    "user": "account named",
    "method": "password, publickey, ...; sudo: target user; user.change: verb",
    "reason": "why it failed: invalid_user, wrong_password, ...; session: opened, closed",
    "command": "sudo: the command line",
    "message": "text after the tag, at most 8 KiB",
    "src_host": "client's host name, when the line gives a name instead of an address",
    "change": "enum iw_change",
    "program_id": "bpf_program: the kernel's id",
    "value": "sysctl: value; unit: ExecStart; device: ids",
    "old_value": "at the last look",
    "sha256": "of the file, hexadecimal",
}
