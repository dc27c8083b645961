/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Every record that crosses from a source (kernel program or log parser) to the
 * engine is declared here, and only here. `make gen` derives the Cython
 * declarations, the native field table and the Python structs from this file.
 *
 * Rules, checked by the generator:
 *  - fixed-width types, natural alignment, explicit padding, size a multiple of 8;
 *  - `struct iw_header h` first; strings and bytes live in the tail, as iw_str
 *    {offset from the record's first byte, length in bytes, no terminator};
 *  - append only: never reorder, rename or reuse a member or a kind;
 *  - a member's name is the field's name everywhere (rules, Python, JSON);
 *  - the end-of-line comment gives unit and meaning.
 */
#ifndef IW_EVENT_H
#define IW_EVENT_H

/* Compiler built-ins, so that neither the kernel's nor libc's headers are needed on either side. */
typedef __UINT8_TYPE__ iw_u8;
typedef __UINT16_TYPE__ iw_u16;
typedef __UINT32_TYPE__ iw_u32;
typedef __UINT64_TYPE__ iw_u64;

#define IW_ABI_VERSION 1
#define IW_COMM_LEN 16
#define IW_PATH_MAX 4096
#define IW_ARGV_CHUNK 16384  /* bytes of argv that one record carries */
#define IW_ARGV_MAX 131072   /* bytes of argv that exec + exec_argv records carry together */
#define IW_RECORD_MAX 65536  /* bytes, the largest record a consumer accepts */

/* Kinds 1..63 come from the kernel, 64..127 from log parsers, 128.. from user-space collectors. */
enum iw_kind {
	IW_KIND_PROCESS_EXEC = 1,         /* process.exec */
	IW_KIND_PROCESS_EXEC_ARGV = 2,    /* process.exec_argv */
	IW_KIND_PROCESS_FORK = 3,         /* process.fork */
	IW_KIND_PROCESS_EXIT = 4,         /* process.exit */
	IW_KIND_NETWORK_CONNECT = 5,      /* network.connect */
	IW_KIND_NETWORK_BIND = 6,         /* network.bind */
	IW_KIND_NETWORK_LISTEN = 7,       /* network.listen */
	IW_KIND_FILE_OPEN = 8,            /* file.open */
	IW_KIND_FILE_RENAME = 9,          /* file.rename */
	IW_KIND_FILE_DELETE = 10,         /* file.delete */
	IW_KIND_CREDENTIAL_CHANGE = 11,   /* credential.change */
	IW_KIND_PROCESS_PTRACE = 12,      /* process.ptrace */
	IW_KIND_PROCESS_MEMFD_CREATE = 13, /* process.memfd_create */
	IW_KIND_KERNEL_MODULE_LOAD = 14,  /* kernel.module_load */
	IW_KIND_FILESYSTEM_MOUNT = 15,    /* filesystem.mount */
	IW_KIND_PROCESS_FD_REDIRECT = 16, /* process.fd_redirect */
	IW_KIND_KERNEL_BPF = 17,          /* kernel.bpf */
	IW_KIND_NETWORK_XDP_DROP = 18,    /* network.xdp_drop */
	IW_KIND_FILE_LINK = 19,           /* file.link */
	IW_KIND_FILE_ATTRIBUTE = 20,      /* file.attribute */
	IW_KIND_FILE_NODE = 21,           /* file.node */
	IW_KIND_NETWORK_ACCEPT = 22,      /* network.accept */
	IW_KIND_NETWORK_SOCKET = 23,      /* network.socket */
	IW_KIND_NETWORK_FILTER = 24,      /* network.socket_filter */
	IW_KIND_NETWORK_PAYLOAD = 25,     /* network.payload */
	IW_KIND_NETWORK_DNS = 26,         /* network.dns */
	IW_KIND_NETWORK_TLS = 27,         /* network.tls */
	IW_KIND_PROCESS_NAMESPACE = 28,   /* process.namespace */
	IW_KIND_PROCESS_MEMORY_ACCESS = 29, /* process.memory_access */
	IW_KIND_PROCESS_MEMORY_EXEC = 30, /* process.memory_exec */
	IW_KIND_PROCESS_SIGNAL = 31,      /* process.signal */
	IW_KIND_PROCESS_RENAME = 32,      /* process.rename */
	IW_KIND_PROCESS_CGROUP_MOVE = 33, /* process.cgroup_move */
	IW_KIND_PROCESS_COMPAT_SYSCALL = 34, /* process.compat_syscall */
	IW_KIND_KERNEL_IO_URING = 35,     /* kernel.io_uring */
	IW_KIND_KERNEL_KEXEC = 36,        /* kernel.kexec */
	IW_KIND_KERNEL_PERF_EVENT = 37,   /* kernel.perf_event */
	IW_KIND_KERNEL_PORT_ACCESS = 38,  /* kernel.port_access */
	IW_KIND_CREDENTIAL_KEY = 39,      /* credential.key */
	IW_KIND_PROCESS_USERFAULTFD = 40, /* process.userfaultfd */
	IW_KIND_ENFORCEMENT_DECISION = 41, /* enforcement.decision */
	IW_KIND_SENSOR_FLOOD = 42,        /* sensor.flood */
	IW_KIND_SSH_LOGIN_FAILED = 64,    /* ssh.login_failed: iw_log */
	IW_KIND_SSH_LOGIN_SUCCESS = 65,   /* ssh.login_success: iw_log */
	IW_KIND_SSH_PROBE = 66,           /* ssh.probe: iw_log */
	IW_KIND_SSH_DISCONNECT = 67,      /* ssh.disconnect: iw_log */
	IW_KIND_SUDO_COMMAND = 68,        /* sudo.command: iw_log */
	IW_KIND_AUTH_SESSION = 69,        /* auth.session: iw_log */
	IW_KIND_AUTH_FAILED = 70,         /* auth.failed: iw_log */
	IW_KIND_USER_CHANGE = 71,         /* user.change: iw_log */
	IW_KIND_LOG_LINE = 72,            /* log.line: iw_log */
	IW_KIND_WEB_REQUEST = 73,         /* web.request */
	IW_KIND_WEB_ERROR = 74,           /* web.error */
	IW_KIND_FIREWALL_PACKET = 75,     /* firewall.packet */
	IW_KIND_KERNEL_LOG = 76,          /* kernel.log */
	IW_KIND_AUDIT_RECORD = 80,        /* audit.record */
	IW_KIND_AUDIT_STATE = 81,         /* audit.state */
	IW_KIND_CONTAINER_LIFECYCLE = 82, /* container.lifecycle: iw_container_event */
	IW_KIND_CONTAINER_SETTINGS = 83,  /* container.settings: iw_container_event */
	IW_KIND_CLOUD_API_CALL = 84,      /* cloud.api_call */
	IW_KIND_TOOL_ALERT = 85,          /* tool.alert */
	IW_KIND_HOST_HIDDEN_PROCESS = 128, /* host.hidden_process: iw_host_fact */
	IW_KIND_HOST_MEMORY_MAP = 129,    /* host.memory_map: iw_host_fact */
	IW_KIND_HOST_SUID_FILE = 130,     /* host.suid_file: iw_host_fact */
	IW_KIND_HOST_SERVICE_UNIT = 131,  /* host.service_unit: iw_host_fact */
	IW_KIND_HOST_SYSCTL = 132,        /* host.sysctl: iw_host_fact */
	IW_KIND_HOST_MODULE = 133,        /* host.module: iw_host_fact */
	IW_KIND_HOST_BPF_PROGRAM = 134,   /* host.bpf_program: iw_host_fact */
	IW_KIND_HOST_LISTENER = 135,      /* host.listener: iw_host_fact */
	IW_KIND_HOST_DEVICE = 136,        /* host.device: iw_host_fact */
	IW_KIND_HOST_FILE_CHANGE = 137,   /* host.file_change: iw_host_fact */
	IW_KIND_HOST_FILE_WRITE = 138,    /* host.file_write: iw_host_fact */
	IW_KIND_HOST_FILE_MATCH = 139,    /* host.file_match: iw_host_fact */
	IW_KIND_HOST_DEVICE_NODE = 140,   /* host.device_node: iw_host_fact */
	IW_KIND_HOST_PAGE_CACHE = 141,    /* host.page_cache: iw_host_fact */
	IW_KIND_HOST_FIRMWARE = 142,      /* host.firmware: iw_host_fact */
	IW_KIND_HOST_CONTROL_GROUP = 143, /* host.control_group: iw_host_fact */
	IW_KIND_HOST_KERNEL_SYMBOL = 144, /* host.kernel_symbol: iw_host_fact */
	IW_KIND_HOST_TRAFFIC = 152,       /* host.traffic: iw_host_fact */
};

/*
 * Who saw it: one number for each place in the kernel that makes records, counted apart (`fired`), so that each can
 * be proven alone. 1..127 are syscalls seen at their exit, under one number for all ABIs; 128.. are other hooks.
 */
enum iw_hook {
	IW_HOOK_OPEN = 1,                /* open */
	IW_HOOK_OPENAT = 2,              /* openat */
	IW_HOOK_OPENAT2 = 3,             /* openat2 */
	IW_HOOK_CREAT = 4,               /* creat */
	IW_HOOK_OPEN_BY_HANDLE_AT = 5,   /* open_by_handle_at */
	IW_HOOK_RENAME = 6,              /* rename */
	IW_HOOK_RENAMEAT = 7,            /* renameat */
	IW_HOOK_RENAMEAT2 = 8,           /* renameat2 */
	IW_HOOK_UNLINK = 9,              /* unlink */
	IW_HOOK_UNLINKAT = 10,           /* unlinkat */
	IW_HOOK_LINK = 11,               /* link */
	IW_HOOK_LINKAT = 12,             /* linkat */
	IW_HOOK_SYMLINK = 13,            /* symlink */
	IW_HOOK_SYMLINKAT = 14,          /* symlinkat */
	IW_HOOK_TRUNCATE = 15,           /* truncate, truncate64 */
	IW_HOOK_FTRUNCATE = 16,          /* ftruncate, ftruncate64 */
	IW_HOOK_CHMOD = 17,              /* chmod */
	IW_HOOK_FCHMOD = 18,             /* fchmod */
	IW_HOOK_FCHMODAT = 19,           /* fchmodat */
	IW_HOOK_FCHMODAT2 = 20,          /* fchmodat2 */
	IW_HOOK_CHOWN = 21,              /* chown */
	IW_HOOK_FCHOWN = 22,             /* fchown */
	IW_HOOK_LCHOWN = 23,             /* lchown */
	IW_HOOK_FCHOWNAT = 24,           /* fchownat */
	IW_HOOK_SETXATTR = 25,           /* setxattr */
	IW_HOOK_LSETXATTR = 26,          /* lsetxattr */
	IW_HOOK_FSETXATTR = 27,          /* fsetxattr */
	IW_HOOK_REMOVEXATTR = 28,        /* removexattr */
	IW_HOOK_LREMOVEXATTR = 29,       /* lremovexattr */
	IW_HOOK_FREMOVEXATTR = 30,       /* fremovexattr */
	IW_HOOK_SETXATTRAT = 31,         /* setxattrat */
	IW_HOOK_UTIME = 32,              /* utime */
	IW_HOOK_UTIMES = 33,             /* utimes */
	IW_HOOK_FUTIMESAT = 34,          /* futimesat */
	IW_HOOK_UTIMENSAT = 35,          /* utimensat */
	IW_HOOK_MKNOD = 36,              /* mknod */
	IW_HOOK_MKNODAT = 37,            /* mknodat */
	IW_HOOK_REMOVEXATTRAT = 38,      /* removexattrat */
	IW_HOOK_SETUID = 40,             /* setuid */
	IW_HOOK_SETREUID = 41,           /* setreuid */
	IW_HOOK_SETRESUID = 42,          /* setresuid */
	IW_HOOK_SETGID = 43,             /* setgid */
	IW_HOOK_SETREGID = 44,           /* setregid */
	IW_HOOK_SETRESGID = 45,          /* setresgid */
	IW_HOOK_CAPSET = 46,             /* capset */
	IW_HOOK_SETFSUID = 47,           /* setfsuid */
	IW_HOOK_SETFSGID = 48,           /* setfsgid */
	IW_HOOK_UNSHARE = 50,            /* unshare */
	IW_HOOK_SETNS = 51,              /* setns */
	IW_HOOK_CLONE = 52,              /* clone */
	IW_HOOK_CLONE3 = 53,             /* clone3 */
	IW_HOOK_CHROOT = 54,             /* chroot */
	IW_HOOK_PIVOT_ROOT = 55,         /* pivot_root */
	IW_HOOK_PTRACE = 56,             /* ptrace */
	IW_HOOK_PROCESS_VM_READV = 57,   /* process_vm_readv */
	IW_HOOK_PROCESS_VM_WRITEV = 58,  /* process_vm_writev */
	IW_HOOK_PIDFD_GETFD = 59,        /* pidfd_getfd */
	IW_HOOK_MEMFD_CREATE = 60,       /* memfd_create */
	IW_HOOK_MEMFD_SECRET = 61,       /* memfd_secret */
	IW_HOOK_DUP = 62,                /* dup */
	IW_HOOK_DUP2 = 63,               /* dup2 */
	IW_HOOK_DUP3 = 64,               /* dup3 */
	IW_HOOK_FCNTL = 65,              /* fcntl, fcntl64 */
	IW_HOOK_MMAP = 66,               /* mmap, mmap2 */
	IW_HOOK_MPROTECT = 67,           /* mprotect */
	IW_HOOK_PKEY_MPROTECT = 68,      /* pkey_mprotect */
	IW_HOOK_PRCTL = 69,              /* prctl */
	IW_HOOK_USERFAULTFD = 70,        /* userfaultfd */
	IW_HOOK_SOCKET = 72,             /* socket */
	IW_HOOK_SETSOCKOPT = 73,         /* setsockopt */
	IW_HOOK_ACCEPT = 74,             /* accept */
	IW_HOOK_ACCEPT4 = 75,            /* accept4 */
	IW_HOOK_BIND = 76,               /* bind */
	IW_HOOK_SOCKETCALL = 77,         /* socketcall */
	IW_HOOK_INIT_MODULE = 80,        /* init_module */
	IW_HOOK_FINIT_MODULE = 81,       /* finit_module */
	IW_HOOK_DELETE_MODULE = 82,      /* delete_module */
	IW_HOOK_BPF = 83,                /* bpf */
	IW_HOOK_KEXEC_LOAD = 84,         /* kexec_load */
	IW_HOOK_KEXEC_FILE_LOAD = 85,    /* kexec_file_load */
	IW_HOOK_IO_URING_SETUP = 86,     /* io_uring_setup */
	IW_HOOK_IO_URING_REGISTER = 87,  /* io_uring_register */
	IW_HOOK_PERF_EVENT_OPEN = 88,    /* perf_event_open */
	IW_HOOK_IOPERM = 89,             /* ioperm */
	IW_HOOK_IOPL = 90,               /* iopl */
	IW_HOOK_KEYCTL = 91,             /* keyctl */
	IW_HOOK_ADD_KEY = 92,            /* add_key */
	IW_HOOK_REQUEST_KEY = 93,        /* request_key */
	IW_HOOK_MOUNT = 96,              /* mount */
	IW_HOOK_UMOUNT2 = 97,            /* umount, umount2 */
	IW_HOOK_FSOPEN = 98,             /* fsopen */
	IW_HOOK_FSMOUNT = 99,            /* fsmount */
	IW_HOOK_MOVE_MOUNT = 100,        /* move_mount */
	IW_HOOK_OPEN_TREE = 101,         /* open_tree */
	IW_HOOK_MOUNT_SETATTR = 102,     /* mount_setattr */
	IW_HOOK_SCHED_EXEC = 128,        /* sched_process_exec */
	IW_HOOK_SCHED_FORK = 129,        /* sched_process_fork */
	IW_HOOK_SCHED_EXIT = 130,        /* sched_process_exit */
	IW_HOOK_SOCK_STATE = 131,        /* inet_sock_set_state */
	IW_HOOK_CONNECT4 = 132,          /* cgroup connect4 */
	IW_HOOK_CONNECT6 = 133,          /* cgroup connect6 */
	IW_HOOK_SENDMSG4 = 134,          /* cgroup sendmsg4 */
	IW_HOOK_SENDMSG6 = 135,          /* cgroup sendmsg6 */
	IW_HOOK_POST_BIND4 = 136,        /* cgroup post_bind4 */
	IW_HOOK_POST_BIND6 = 137,        /* cgroup post_bind6 */
	IW_HOOK_EGRESS = 138,            /* cgroup skb egress */
	IW_HOOK_MODULE_LOAD = 139,       /* module_load */
	IW_HOOK_SIGNAL = 140,            /* signal_generate */
	IW_HOOK_TASK_RENAME = 141,       /* task_rename */
	IW_HOOK_CGROUP_ATTACH = 142,     /* cgroup_attach_task */
	IW_HOOK_IO_URING_CREATE = 143,   /* io_uring_create */
	IW_HOOK_IO_URING_SUBMIT = 144,   /* io_uring_submit_req, io_uring_submit_sqe */
	IW_HOOK_COMPAT = 145,            /* first 32-bit call of a process */
	IW_HOOK_FLOOD = 146,             /* a token bucket ran dry */
	IW_HOOK_XDP = 147,               /* xdp */
	IW_HOOK_LSM_EXEC = 150,          /* lsm bprm_check_security */
	IW_HOOK_LSM_FILE_OPEN = 151,     /* lsm file_open */
	IW_HOOK_LSM_INODE_RENAME = 152,  /* lsm inode_rename */
	IW_HOOK_LSM_INODE_UNLINK = 153,  /* lsm inode_unlink */
	IW_HOOK_LSM_BPF = 154,           /* lsm bpf */
	IW_HOOK_LSM_TASK_KILL = 155,     /* lsm task_kill */
	IW_HOOK_LSM_PTRACE = 156,        /* lsm ptrace_access_check */
	IW_HOOK_LSM_TRUNCATE = 157,      /* lsm path_truncate */
	IW_HOOK_LSM_BPF_MAP = 158,       /* lsm bpf_map */
	IW_HOOK_OBJECT_OPEN = 170,       /* fentry security_file_open */
	IW_HOOK_OBJECT_RENAME = 171,     /* fentry security_path_rename */
	IW_HOOK_OBJECT_UNLINK = 172,     /* fentry security_path_unlink */
	IW_HOOK_OBJECT_LINK = 173,       /* fentry security_path_link */
	IW_HOOK_OBJECT_SYMLINK = 174,    /* fentry security_path_symlink */
	IW_HOOK_OBJECT_TRUNCATE = 175,   /* fexit vfs_truncate */
	IW_HOOK_OBJECT_CHMOD = 176,      /* fexit chmod_common */
	IW_HOOK_OBJECT_CHOWN = 177,      /* fexit chown_common */
	IW_HOOK_COMMIT_CREDS = 178,      /* fentry commit_creds */
	IW_HOOK_PTRACE_ACCESS = 179,     /* fentry security_ptrace_access_check */
	IW_HOOK_OBJECT_MPROTECT = 180,   /* fentry security_file_mprotect */
};

enum iw_flag {
	IW_F_TRUNCATED = 1,      /* a string was cut; its length member still tells what is here */
	IW_F_REALTIME = 2,       /* ts_ns is CLOCK_REALTIME, not CLOCK_BOOTTIME */
	IW_F_KTHREAD = 4,        /* the acting task is a kernel thread */
	IW_F_PATH_FROM_ARG = 8,  /* the path is the syscall's text, not the kernel's object */
	IW_F_PATH_PARTIAL = 16,  /* the path has more components than the walk allows; its head is missing */
	IW_F_ARGV_INCOMPLETE = 32, /* argv_len bytes were passed, fewer were delivered */
	IW_F_READ_FAULT = 64,    /* a probe read failed; the field concerned is absent, not empty */
};

enum iw_exec_flag {
	IW_EXEC_MEMFD = 1,          /* the executed file is an anonymous memory file */
	IW_EXEC_DELETED = 2,        /* the executed file has no link left */
	IW_EXEC_SETUID = 4,         /* the file's set-user-id bit was honoured or present */
	IW_EXEC_SETGID = 8,         /* likewise set-group-id */
	IW_EXEC_OVERLAY_UPPER = 16, /* the file lives in an overlay's upper layer */
	IW_EXEC_DIR_WORLD_WRITABLE = 32, /* the file's directory or one of two above it is world-writable */
	IW_EXEC_SCRIPT = 64,        /* filename is a script; exe_path is its interpreter */
	IW_EXEC_STDIN_SOCKET = 128, /* fd 0 is a socket */
	IW_EXEC_STDOUT_SOCKET = 256, /* fd 1 is a socket */
	IW_EXEC_STDERR_SOCKET = 512, /* fd 2 is a socket */
	IW_EXEC_FROM_FD = 1024,     /* executed through a descriptor (fexecve, execveat) */
	IW_EXEC_STDIN_PIPE = 2048,  /* fd 0 is a pipe */
	IW_EXEC_LD_PRELOAD = 4096,  /* LD_PRELOAD or LD_AUDIT is in the environment */
	IW_EXEC_LD_LIBRARY_PATH = 8192, /* LD_LIBRARY_PATH is in the environment */
};

enum iw_open_flag {
	IW_OPEN_WRITE = 1,   /* opened for writing */
	IW_OPEN_CREATED = 2, /* the open created the file */
	IW_OPEN_WATCHED_READ = 4, /* a name on the read watch list */
};

enum iw_link_type {
	IW_LINK_HARD = 1,     /* a second name for the same inode */
	IW_LINK_SYMBOLIC = 2, /* a name that points to a path */
};

enum iw_attribute {
	IW_ATTRIBUTE_MODE = 1,         /* chmod: new_mode */
	IW_ATTRIBUTE_OWNER = 2,        /* chown: new_uid, new_gid */
	IW_ATTRIBUTE_XATTR_SET = 3,    /* setxattr: name */
	IW_ATTRIBUTE_XATTR_REMOVED = 4, /* removexattr: name */
	IW_ATTRIBUTE_TIMES = 5,        /* utimensat and kin: mtime_ns */
	IW_ATTRIBUTE_SIZE = 6,         /* truncate: new_size */
};

enum iw_access {
	IW_ACCESS_VM_READ = 1,   /* process_vm_readv */
	IW_ACCESS_VM_WRITE = 2,  /* process_vm_writev */
	IW_ACCESS_MEM_FILE = 3,  /* /proc/pid/mem opened for writing */
	IW_ACCESS_GET_FD = 4,    /* pidfd_getfd */
	IW_ACCESS_CHECK = 5,     /* ptrace access check, whoever asked */
};

enum iw_memory_flag {
	IW_MEMORY_RWX = 1,        /* writable and executable at once */
	IW_MEMORY_MEMFD = 2,      /* the file mapped is an anonymous memory file */
	IW_MEMORY_DELETED = 4,    /* the file mapped has no link left */
	IW_MEMORY_WORLD_WRITABLE = 8, /* the file's directory or one of two above it is world-writable */
	IW_MEMORY_ANONYMOUS = 16, /* no file behind it */
	IW_MEMORY_STACK = 32,     /* the range touches the process's stack */
};

enum iw_io_operation {
	IW_IO_CREATE = 1, /* a ring was made */
	IW_IO_SUBMIT = 2, /* a request was submitted: opcode */
};

enum iw_enforcement_mode {
	IW_ENFORCEMENT_OBSERVE = 1,  /* told what would be refused; nothing was */
	IW_ENFORCEMENT_REHEARSE = 2, /* the decision was made and written, and not carried out */
	IW_ENFORCEMENT_ENFORCE = 3,  /* refused */
};

enum iw_enforcement_rule {
	IW_RULE_EXEC_DENY = 1,     /* the file is on the deny list */
	IW_RULE_EXEC_ALLOW = 2,    /* the cgroup has an allow list and the file is not on it */
	IW_RULE_FILE_PROTECT = 3,  /* a write, rename or removal of a protected file */
	IW_RULE_BPF = 4,           /* bpf() by somebody who may not */
	IW_RULE_SELF_SIGNAL = 5,   /* a signal that ends or stops one of our own processes */
	IW_RULE_SELF_PTRACE = 6,   /* a hold on one of our own processes */
};

enum iw_container_flag {
	IW_CONTAINER_PRIVILEGED = 1,       /* every capability, every device, no confinement */
	IW_CONTAINER_HOST_NETWORK = 2,     /* no network namespace of its own */
	IW_CONTAINER_HOST_PID = 4,         /* sees and may signal the host's processes */
	IW_CONTAINER_HOST_IPC = 8,         /* shares the host's shared memory */
	IW_CONTAINER_HOST_UTS = 16,        /* may rename the host */
	IW_CONTAINER_HOST_USER = 32,       /* user namespace of the host asked for by name */
	IW_CONTAINER_RUNTIME_SOCKET = 64,  /* the runtime's control socket is inside */
	IW_CONTAINER_SENSITIVE_MOUNT = 128, /* a place of the host that gives it away is inside, writable or not */
	IW_CONTAINER_DANGEROUS_CAPABILITY = 256, /* one that leads to the host was added */
	IW_CONTAINER_UNCONFINED = 512,     /* seccomp or the AppArmor profile is switched off */
	IW_CONTAINER_HOST_DEVICE = 1024,   /* a device of the host is inside */
};

enum iw_change {
	IW_CHANGE_BASELINE = 1, /* there at the first look */
	IW_CHANGE_APPEARED = 2, /* not there at the last look */
	IW_CHANGE_CHANGED = 3,  /* another value than at the last look */
	IW_CHANGE_VANISHED = 4, /* gone since the last look */
	IW_CHANGE_FOUND = 5,    /* stands for itself: a hidden process, a suspect mapping */
};

/* Bytes in the record's tail. */
struct iw_str {
	iw_u32 off; /* from the record's first byte; 0 when absent */
	iw_u32 len; /* bytes; no terminator */
};

struct iw_header {
	iw_u32 size;            /* bytes of the whole record, a multiple of 8 */
	iw_u16 kind;            /* enum iw_kind */
	iw_u16 cpu;             /* that produced the record */
	iw_u32 flags;           /* enum iw_flag */
	iw_u32 sequence;        /* per cpu and ring, +1 a record made, lost ones included */
	iw_u64 ts_ns;           /* CLOCK_BOOTTIME ns, or CLOCK_REALTIME with IW_F_REALTIME */
	iw_u64 start_ns;        /* CLOCK_BOOTTIME ns at which the process started */
	iw_u64 parent_start_ns; /* the same of the real parent */
	iw_u64 cgroup_id;       /* cgroup v2 inode */
	iw_u32 pid;             /* process (thread group) id, initial namespace */
	iw_u32 tid;             /* thread id, initial namespace */
	iw_u32 ppid;            /* real parent's process id */
	iw_u32 uid;             /* real user id, initial namespace */
	iw_u32 gid;             /* real group id */
	iw_u32 euid;            /* effective user id */
	iw_u32 mnt_ns;          /* mount namespace inode */
	iw_u32 pid_ns;          /* pid namespace inode */
	char comm[IW_COMM_LEN];   /* task name; forgeable, grants nothing */
};

struct iw_process_exec {
	struct iw_header h;
	iw_u64 exe_inode;        /* of the executed file (for a script: of its interpreter) */
	iw_u64 cap_effective;    /* bit mask after exec */
	iw_u32 exe_dev;          /* major << 20 | minor */
	iw_u32 exe_mode;         /* st_mode */
	iw_u32 exe_uid;          /* owner */
	iw_u32 exe_gid;          /* owning group */
	iw_u32 exe_nlink;        /* links left */
	iw_u32 exec_flags;       /* enum iw_exec_flag */
	iw_u32 login_uid;        /* audit login id; 4294967295 when unset */
	iw_u32 session_id;       /* audit session; 4294967295 when unset */
	iw_u32 tty_dev;          /* major << 20 | minor of the controlling terminal; 0 without one */
	iw_u32 argv_len;         /* bytes passed to the kernel, terminators included */
	iw_u32 old_tid;          /* thread that called exec; differs from pid for a non-leader */
	iw_u16 stdio_peer_port;  /* of the first stdio socket, host order; 0 without one */
	iw_u16 stdio_peer_family; /* AF_INET, AF_INET6, AF_UNIX; 0 without a socket */
	iw_u8 stdio_peer_ip[16]; /* address of that peer; v4 in v4-mapped form */
	struct iw_str exe_path;    /* canonical, from the dentry, in the mount namespace's view */
	struct iw_str filename;    /* as passed to exec; a script's own path */
	struct iw_str argv;        /* NUL-separated arguments, the last argv_len bytes that fit */
	struct iw_str cwd;         /* working directory, from the dentry */
	iw_u64 cap_permitted;    /* bit mask after exec */
	iw_u32 user_ns;          /* user namespace inode of the new credentials */
	iw_u32 net_ns;           /* network namespace inode */
	struct iw_str cgroup_path; /* last components of the task's cgroup, '/'-separated; v2's, on v1 that of the pids, memory or systemd hierarchy */
};

/* The part of argv beyond the first chunk; sent before the exec record it belongs to. */
struct iw_process_exec_argv {
	struct iw_header h;
	iw_u32 argv_offset; /* bytes of argv that precede this chunk */
	iw_u32 argv_len;    /* as in the exec record */
	struct iw_str argv;   /* the chunk */
};

struct iw_process_fork {
	struct iw_header h;           /* the parent at birth */
	iw_u64 child_start_ns;      /* CLOCK_BOOTTIME ns */
	iw_u32 child_pid;           /* process id */
	iw_u32 reserved0;           /* zero */
};

struct iw_process_exit {
	struct iw_header h;
	iw_u32 exit_code;   /* status passed to exit(), 0..255 */
	iw_u32 exit_signal; /* terminating signal, 0 for a normal exit */
};

struct iw_network_connect {
	struct iw_header h;
	iw_u8 src_ip[16]; /* v4 in v4-mapped form; zero before it is chosen */
	iw_u8 dst_ip[16]; /* v4 in v4-mapped form */
	iw_u16 src_port;  /* host order */
	iw_u16 dst_port;  /* host order */
	iw_u16 family;    /* AF_INET or AF_INET6 */
	iw_u16 protocol;  /* IPPROTO_* */
};

struct iw_network_bind {
	struct iw_header h;
	iw_u8 src_ip[16]; /* address bound; zero for any */
	iw_u16 src_port;  /* host order */
	iw_u16 family;    /* AF_INET or AF_INET6 */
	iw_u16 protocol;  /* IPPROTO_* */
	iw_u16 reserved0; /* zero */
};

struct iw_network_listen {
	struct iw_header h;
	iw_u8 src_ip[16]; /* address bound; zero for any */
	iw_u16 src_port;  /* host order */
	iw_u16 family;    /* AF_INET or AF_INET6 */
	iw_u16 protocol;  /* IPPROTO_* */
	iw_u16 reserved0; /* zero */
};

struct iw_file_open {
	struct iw_header h;
	iw_u64 inode;      /* of the opened file */
	iw_u32 dev;        /* major << 20 | minor */
	iw_u32 mode;       /* st_mode */
	iw_u32 file_flags; /* O_* as the open file holds them, with O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC of the call */
	iw_u32 open_flags; /* enum iw_open_flag */
	struct iw_str path;  /* canonical, from the dentry */
};

struct iw_file_rename {
	struct iw_header h;
	struct iw_str path;     /* new name */
	struct iw_str old_path; /* former name */
};

struct iw_file_delete {
	struct iw_header h;
	struct iw_str path; /* name removed */
};

struct iw_credential_change {
	struct iw_header h;      /* uid, gid, euid: after the change */
	iw_u64 cap_effective;  /* after */
	iw_u64 old_cap_effective; /* before */
	iw_u32 old_uid;        /* before */
	iw_u32 old_euid;       /* before */
	iw_u32 old_gid;        /* before */
	iw_u32 syscall_nr;     /* that changed it; 4294967295 when not a syscall */
};

struct iw_process_ptrace {
	struct iw_header h;
	iw_u64 target_start_ns; /* CLOCK_BOOTTIME ns; 0 when the target is gone */
	iw_u32 request;         /* PTRACE_* */
	iw_u32 target_pid;      /* process id, initial namespace; 0 for TRACEME */
	iw_u32 target_uid;      /* real user id of the target */
	iw_u32 reserved0;       /* zero */
};

struct iw_process_memfd_create {
	struct iw_header h;
	iw_u32 memfd_flags; /* MFD_* */
	iw_u32 reserved0;   /* zero */
	struct iw_str name;   /* as passed */
};

struct iw_kernel_module_load {
	struct iw_header h;
	iw_u32 load_stage; /* 1 call seen (init_module), 2 call seen (finit_module), 3 loaded */
	iw_u32 taints;     /* of the module, at stage 3 */
	struct iw_str name;  /* module name at stage 3 */
	struct iw_str path;  /* file behind finit_module's descriptor, from the dentry */
};

struct iw_filesystem_mount {
	struct iw_header h;
	iw_u64 mount_flags; /* MS_* */
	struct iw_str source; /* device or directory, as passed */
	struct iw_str path;   /* mount point, as passed */
	struct iw_str fs_type; /* as passed */
	iw_u32 mount_call;   /* enum iw_hook of the call: mount, umount, move_mount, ... */
	iw_u32 reserved0;    /* zero */
};

struct iw_process_fd_redirect {
	struct iw_header h;
	iw_u8 peer_ip[16];  /* of the socket; v4 in v4-mapped form */
	iw_u16 peer_port;   /* host order */
	iw_u16 family;      /* AF_* of the socket */
	iw_u32 old_fd;      /* descriptor copied, a socket */
	iw_u32 new_fd;      /* 0, 1 or 2 */
	iw_u32 reserved0;   /* zero */
};

struct iw_kernel_bpf {
	struct iw_header h;
	iw_u32 bpf_command;   /* enum bpf_cmd */
	iw_u32 program_type;  /* enum bpf_prog_type, for BPF_PROG_LOAD */
	iw_u32 attach_type;   /* enum bpf_attach_type */
	iw_u32 reserved0;     /* zero */
	struct iw_str name;     /* of the program or map, as passed */
};

struct iw_network_xdp_drop {
	struct iw_header h;  /* no task: pid 0 */
	iw_u8 src_ip[16];  /* v4 in v4-mapped form */
	iw_u64 packet_count; /* matched by this entry of the list since it was made */
	iw_u32 interface_index; /* of the interface */
	iw_u32 reserved0;  /* zero */
	iw_u32 enforcement_mode; /* enum iw_enforcement_mode: enforce dropped it, observe let it pass */
	iw_u32 reserved1;  /* zero */
};

/* One more name for a watched file, or a watched name for another file. */
struct iw_file_link {
	struct iw_header h;
	iw_u32 link_type;       /* enum iw_link_type */
	iw_u32 reserved0;       /* zero */
	struct iw_str path;     /* the new name */
	struct iw_str old_path; /* the file linked; for a symbolic link its text */
};

struct iw_file_attribute {
	struct iw_header h;
	iw_u64 inode;     /* of the file; 0 when it was not resolved */
	iw_u64 new_size;  /* bytes after a truncate */
	iw_u64 mtime_ns;  /* modification time asked for, realtime ns; 0 without */
	iw_u32 dev;       /* major << 20 | minor */
	iw_u32 mode;      /* st_mode after the change; of a chmod that was not resolved the bits asked for; 0 otherwise */
	iw_u32 attribute; /* enum iw_attribute */
	iw_u32 new_uid;   /* asked for; 4294967295 unchanged */
	iw_u32 new_gid;   /* asked for; 4294967295 unchanged */
	iw_u32 reserved0; /* zero */
	struct iw_str path; /* of the file */
	struct iw_str name; /* of the extended attribute */
};

struct iw_file_node {
	struct iw_header h;
	iw_u32 mode;      /* st_mode asked for: S_IFCHR, S_IFBLK, ... */
	iw_u32 node_dev;  /* major << 20 | minor of the device that the node stands for */
	struct iw_str path; /* of the node */
};

struct iw_network_accept {
	struct iw_header h;
	iw_u8 src_ip[16]; /* the peer's; v4 in v4-mapped form */
	iw_u8 dst_ip[16]; /* our own; v4 in v4-mapped form */
	iw_u16 src_port;  /* the peer's, host order */
	iw_u16 dst_port;  /* our own, host order */
	iw_u16 family;    /* AF_INET or AF_INET6 */
	iw_u16 protocol;  /* IPPROTO_* */
};

/* A socket of a family or type that sees or sends more than its own traffic, or leaves the host unseen. */
struct iw_network_socket {
	struct iw_header h;
	iw_u16 family;      /* AF_PACKET, AF_VSOCK, AF_XDP, AF_INET, ... */
	iw_u16 protocol;    /* IPPROTO_*; for AF_PACKET ETH_P_* in host order */
	iw_u32 socket_type; /* SOCK_* without its flags */
};

struct iw_network_filter {
	struct iw_header h;
	iw_u32 option;        /* SO_ATTACH_FILTER, SO_ATTACH_BPF, ... */
	iw_u32 filter_length; /* instructions of a classic filter; 0 otherwise */
	iw_u16 family;        /* of the socket */
	iw_u16 protocol;      /* of the socket */
	iw_u32 socket_type;   /* of the socket */
};

/* First bytes that a process sent to a peer: what the engine parses DNS and TLS from. No rule sees them raw. */
struct iw_network_payload {
	struct iw_header h;
	iw_u8 src_ip[16];     /* v4 in v4-mapped form */
	iw_u8 dst_ip[16];     /* v4 in v4-mapped form */
	iw_u64 socket_cookie; /* of the socket */
	iw_u16 src_port;      /* host order */
	iw_u16 dst_port;      /* host order */
	iw_u16 family;        /* AF_INET or AF_INET6 */
	iw_u16 protocol;      /* IPPROTO_* */
	iw_u32 stream_offset; /* TCP: bytes of the stream that precede */
	iw_u32 payload_len;   /* bytes the packet carried; more than `payload` when cut */
	struct iw_str payload;  /* after the transport header */
};

struct iw_network_dns {
	struct iw_header h;
	iw_u8 src_ip[16];  /* v4 in v4-mapped form */
	iw_u8 dst_ip[16];  /* of the resolver; v4 in v4-mapped form */
	iw_u16 src_port;   /* host order */
	iw_u16 dst_port;   /* host order */
	iw_u16 family;     /* AF_INET or AF_INET6 */
	iw_u16 protocol;   /* IPPROTO_* */
	iw_u32 dns_type;   /* QTYPE of the first question */
	iw_u32 dns_id;     /* transaction id */
	iw_u32 dns_flags;  /* the message's flags word */
	iw_u32 reserved0;  /* zero */
	struct iw_str dns_query; /* name of the first question, lower case, without the final dot */
};

struct iw_network_tls {
	struct iw_header h;
	iw_u8 src_ip[16];  /* v4 in v4-mapped form */
	iw_u8 dst_ip[16];  /* v4 in v4-mapped form */
	iw_u16 src_port;   /* host order */
	iw_u16 dst_port;   /* host order */
	iw_u16 family;     /* AF_INET or AF_INET6 */
	iw_u16 protocol;   /* IPPROTO_* */
	iw_u32 tls_version; /* highest offered, e.g. 772 for 1.3 */
	iw_u32 tls_flags;  /* 1 encrypted client hello offered, 2 no server name, 4 hello incomplete */
	struct iw_str tls_sni;  /* server name, lower case */
	struct iw_str tls_alpn; /* first protocol offered */
	struct iw_str tls_hello; /* the hello's bytes as far as they came */
};

struct iw_process_namespace {
	struct iw_header h;    /* namespaces: after the change */
	iw_u32 namespace_call; /* enum iw_hook: unshare, setns, clone, clone3, chroot, pivot_root */
	iw_u32 namespace_flags; /* CLONE_NEW* asked for */
	iw_u32 user_ns;        /* user namespace inode after the change */
	iw_u32 net_ns;         /* network namespace inode after the change */
	iw_u32 child_pid;      /* clone: process id in the initial namespace; 0 otherwise */
	iw_u32 reserved0;      /* zero */
	struct iw_str path;      /* chroot, pivot_root: the new root */
};

struct iw_process_memory_access {
	struct iw_header h;
	iw_u64 target_start_ns; /* CLOCK_BOOTTIME ns; 0 when the target is gone */
	iw_u32 target_pid;      /* process id, initial namespace */
	iw_u32 target_uid;      /* real user id of the target; 4294967295 unknown */
	iw_u32 access_kind;     /* enum iw_access */
	iw_u32 target_mnt_ns;   /* mount namespace inode of the target; 0 unknown */
};

struct iw_process_memory_exec {
	struct iw_header h;
	iw_u64 address;      /* first byte of the range */
	iw_u64 length;       /* bytes */
	iw_u64 inode;        /* of the file mapped; 0 without */
	iw_u32 dev;          /* major << 20 | minor */
	iw_u32 protection;   /* PROT_* asked for */
	iw_u32 memory_flags; /* enum iw_memory_flag */
	iw_u32 reserved0;    /* zero */
	struct iw_str path;    /* of the file mapped */
};

/* A signal to a process that is protected: our own, and pid 1. */
struct iw_process_signal {
	struct iw_header h;     /* the sender */
	iw_u64 target_start_ns; /* CLOCK_BOOTTIME ns */
	iw_u32 target_pid;      /* process id, initial namespace */
	iw_u32 target_uid;      /* real user id of the target */
	iw_u32 signal;          /* number */
	iw_u32 reserved0;       /* zero */
};

/* A process gave itself a name that looks like the kernel's own threads. */
struct iw_process_rename {
	struct iw_header h;  /* comm: the former name */
	struct iw_str name;    /* the new one */
};

struct iw_process_cgroup_move {
	struct iw_header h;     /* who moved it */
	iw_u64 target_start_ns; /* CLOCK_BOOTTIME ns */
	iw_u64 new_cgroup_id;   /* where it is now */
	iw_u32 target_pid;      /* process id, initial namespace */
	iw_u32 reserved0;       /* zero */
	struct iw_str path;       /* of the new cgroup, in its hierarchy */
};

/* First 32-bit call of a process whose code is 64-bit. */
struct iw_process_compat_syscall {
	struct iw_header h;
	iw_u32 syscall_nr; /* in the 32-bit table */
	iw_u32 reserved0;  /* zero */
};

struct iw_kernel_io_uring {
	struct iw_header h;
	iw_u64 ring_id;      /* address of the ring's context, the same for all its records */
	iw_u32 io_operation; /* enum iw_io_operation */
	iw_u32 opcode;       /* IORING_OP_* of a request */
	iw_u32 ring_flags;   /* IORING_SETUP_* at creation */
	iw_u32 ring_entries; /* at creation */
};

struct iw_kernel_kexec {
	struct iw_header h;
	iw_u64 kexec_flags;  /* KEXEC_* or KEXEC_FILE_* */
	iw_u32 kexec_call;   /* enum iw_hook: kexec_load or kexec_file_load */
	iw_u32 call_errno;   /* 0 when it succeeded */
	struct iw_str path;    /* kexec_file_load: of the kernel, from the dentry */
};

struct iw_kernel_perf_event {
	struct iw_header h;
	iw_u64 perf_config; /* perf_event_attr.config */
	iw_u32 perf_type;   /* PERF_TYPE_* or a dynamic one */
	iw_u32 target_pid;  /* as passed; 0 the caller, 4294967295 everybody */
};

struct iw_kernel_port_access {
	struct iw_header h;
	iw_u32 port_call;  /* enum iw_hook: ioperm or iopl */
	iw_u32 port_from;  /* first port; iopl: the level */
	iw_u32 port_count; /* ports; iopl: 0 */
	iw_u32 reserved0;  /* zero */
};

struct iw_credential_key {
	struct iw_header h;
	iw_u32 key_call;      /* enum iw_hook: keyctl, add_key, request_key */
	iw_u32 key_operation; /* KEYCTL_*; 0 for the other calls */
	struct iw_str name;     /* type and description, as passed */
};

struct iw_process_userfaultfd {
	struct iw_header h;
	iw_u32 userfault_flags; /* as passed */
	iw_u32 reserved0;       /* zero */
};

/* What an enforcement program refused, or would have. */
struct iw_enforcement_decision {
	struct iw_header h;        /* who tried */
	iw_u64 inode;              /* of the file concerned; 0 without */
	iw_u64 target_start_ns;    /* of the process concerned */
	iw_u32 dev;                /* major << 20 | minor */
	iw_u32 target_pid;         /* of the process concerned */
	iw_u32 enforcement_rule;   /* enum iw_enforcement_rule */
	iw_u32 enforcement_mode;   /* enum iw_enforcement_mode */
	iw_u32 enforcement_detail; /* signal, bpf command or open flags, by rule */
	iw_u32 reserved0;          /* zero */
	struct iw_str path;          /* of the file concerned */
};

/* A process made more records of a kind than its share: the rest of the second was counted, not sent. */
struct iw_sensor_flood {
	struct iw_header h;    /* the producer */
	iw_u64 suppressed;     /* records of that kind held back so far in this process's bucket */
	iw_u32 flood_kind;     /* enum iw_kind */
	iw_u32 reserved0;      /* zero */
};

/* One shape for what authentication logs say; absent strings have length 0. */
struct iw_log {
	struct iw_header h;      /* pid: the logging daemon's; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];        /* client address, v4 in v4-mapped form; zero when none */
	iw_u16 src_port;         /* client port; 0 when none */
	iw_u16 family;           /* AF_INET, AF_INET6; 0 when the line has no address */
	iw_u32 repeat_count;     /* times the line stands for ("message repeated"); 1 normally */
	iw_u32 source_id;        /* collector that read the line */
	iw_u32 reserved0;        /* zero */
	struct iw_str host_name; /* host named in the line */
	struct iw_str program;   /* syslog tag, e.g. sshd */
	struct iw_str user;      /* account named */
	struct iw_str method;    /* password, publickey, ...; sudo: target user; user.change: verb */
	struct iw_str reason;    /* why it failed: invalid_user, wrong_password, ...; session: opened, closed */
	struct iw_str command;   /* sudo: the command line */
	struct iw_str message;   /* text after the tag, at most 8 KiB */
	struct iw_str src_host;  /* client's host name, when the line gives a name instead of an address */
	struct iw_str service;   /* what was logged in to: sshd, postfix, dovecot, mysql, ...; PAM's name of it */
};

/*
 * One line of a web server's access log. Begins like iw_log, whose repeat_count the engine reads of every record
 * that comes from a log.
 */
struct iw_web_request {
	struct iw_header h;        /* pid: the logging daemon's when the line came through syslog; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];          /* client address, v4 in v4-mapped form; zero when none */
	iw_u16 src_port;           /* zero: access logs do not say it */
	iw_u16 family;             /* AF_INET, AF_INET6; 0 when the line has no address */
	iw_u32 repeat_count;       /* 1 */
	iw_u32 source_id;          /* collector that read the line */
	iw_u32 http_status;        /* answer's status code */
	iw_u64 bytes_sent;         /* as the log has them: with nginx without the answer's header */
	struct iw_str host_name;   /* host named in a syslog frame */
	struct iw_str program;     /* syslog tag */
	struct iw_str user;        /* name that the client authenticated with, or tried to */
	struct iw_str message;     /* the line without a syslog frame, at most 8 KiB */
	struct iw_str src_host;    /* client's host name, when the line gives a name instead of an address */
	struct iw_str http_method; /* absent when the request line is none (TLS on a plain port, scanners) */
	struct iw_str http_version; /* e.g. 1.1; absent in HTTP/0.9 */
	struct iw_str http_host;   /* virtual host of the vhost_combined format, with its port */
	struct iw_str url;         /* request target as logged */
	struct iw_str url_path;    /* of the url, before the first '?' */
	struct iw_str url_query;   /* of the url, after it */
	struct iw_str url_decoded; /* url without the log's escapes and up to three layers of percent-encoding */
	struct iw_str referer;     /* as the client sent it, in the log's escapes */
	struct iw_str user_agent;  /* as the client sent it, in the log's escapes */
};

/* One line of a web server's error log that is about a client. Begins like iw_log. */
struct iw_web_error {
	struct iw_header h;        /* pid: the server's; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];          /* client address, v4 in v4-mapped form; zero when none */
	iw_u16 src_port;           /* client port; 0 when none */
	iw_u16 family;             /* AF_INET, AF_INET6; 0 when the line has no address, or two that disagree */
	iw_u32 repeat_count;       /* 1 */
	iw_u32 source_id;          /* collector that read the line */
	iw_u32 reserved0;          /* zero */
	struct iw_str host_name;   /* host named in a syslog frame */
	struct iw_str program;     /* syslog tag */
	struct iw_str user;        /* name that the client tried */
	struct iw_str message;     /* what the server says, without its prefix, at most 8 KiB */
	struct iw_str src_host;    /* client's host name, when the line gives a name instead of an address */
	struct iw_str reason;      /* not_found, forbidden, unknown_user, modsecurity, ...; absent when none of ours */
	struct iw_str log_level;   /* error, warn, ... */
	struct iw_str path;        /* file that was refused or is not there */
	struct iw_str http_method; /* of the request that nginx adds */
	struct iw_str http_host;   /* the client's Host header, which nginx adds */
	struct iw_str url;         /* request target as logged */
	struct iw_str url_path;    /* of the url, before the first '?' */
	struct iw_str url_decoded; /* url without the log's escapes and up to three layers of percent-encoding */
	struct iw_str rule_id;     /* of the ModSecurity rule */
	struct iw_str rule_message; /* what that rule says it found */
};

/* One packet that the kernel's firewall logged. Begins like iw_log. */
struct iw_firewall_packet {
	struct iw_header h;          /* pid 0; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];            /* the packet's source, v4 in v4-mapped form */
	iw_u16 src_port;             /* 0 when the protocol has none */
	iw_u16 family;               /* AF_INET or AF_INET6 */
	iw_u32 repeat_count;         /* times the line stands for ("message repeated"); 1 normally */
	iw_u32 source_id;            /* collector that read the line */
	iw_u16 dst_port;             /* 0 when the protocol has none */
	iw_u16 protocol;             /* IPPROTO_*; 65535 for a name that is not known */
	iw_u8 dst_ip[16];            /* the packet's destination, v4 in v4-mapped form */
	struct iw_str host_name;     /* host named in the line */
	struct iw_str message;       /* the kernel's words, without its time */
	struct iw_str action;        /* block, allow, or log where the rule's prefix says neither */
	struct iw_str log_prefix;    /* what the rule puts before the packet, e.g. [UFW BLOCK] */
	struct iw_str in_interface;  /* absent for packets of this host */
	struct iw_str out_interface; /* absent for packets to this host */
	struct iw_str tcp_flags;     /* SYN, ACK PSH, ... in the kernel's order; absent when none is set */
};

/* What the kernel complained of. Lies as iw_log does up to source_id. */
struct iw_kernel_log {
	struct iw_header h;      /* pid: of the process that the message is about, 0 without; ts_ns: CLOCK_REALTIME */
	iw_u8 reserved0[16];     /* zero */
	iw_u32 reserved1;        /* zero */
	iw_u32 repeat_count;     /* times the line stands for ("message repeated"); 1 normally */
	iw_u32 source_id;        /* collector that read the line */
	iw_u32 reserved2;        /* zero */
	struct iw_str host_name; /* host named in the line */
	struct iw_str message;   /* the kernel's words, without its time */
	struct iw_str reason;    /* crash, oom_kill, usb_device, module_taint or promiscuous */
	struct iw_str name;      /* of the process (its task name), the module, the interface; USB: vendor and product */
};

/*
 * One record of the audit log, with what the other records of its event say of the process. Begins like iw_log. pid,
 * ppid, uid, gid, euid and comm of the header are the record's own.
 */
struct iw_audit_record {
	struct iw_header h;        /* ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];          /* addr of the record, or the address of SOCKADDR; zero when none */
	iw_u16 src_port;           /* port of SOCKADDR; 0 when none */
	iw_u16 family;             /* AF_INET, AF_INET6; 0 without an address */
	iw_u32 repeat_count;       /* 1 */
	iw_u32 source_id;          /* collector that read the line */
	iw_u32 syscall_nr;         /* of the event; 4294967295 when not a syscall */
	iw_u64 audit_serial;       /* number of the event, the same in all its records */
	iw_u32 login_uid;          /* audit login id; 4294967295 when unset */
	iw_u32 session_id;         /* audit session; 4294967295 when unset */
	iw_u32 mode;               /* PATH: st_mode; 0 otherwise */
	iw_u32 reserved0;          /* zero */
	struct iw_str host_name;   /* node= of the record */
	struct iw_str audit_type;  /* SYSCALL, PATH, USER_AUTH, ... */
	struct iw_str audit_syscall; /* name of the event's system call */
	struct iw_str audit_key;   /* key of the audit rule that wrote the event */
	struct iw_str exe_path;    /* of the event's process */
	struct iw_str argv;        /* SYSCALL: NUL-separated registers a0 to a3, hexadecimal as logged */
	struct iw_str cwd;         /* of the event's process */
	struct iw_str path;        /* PATH: name, absolute where the event says its directory; AVC: name or path */
	struct iw_str command;     /* of the event's process: PROCTITLE, joined by one space; USER_CMD: cmd; TTY: what was typed */
	struct iw_str user;        /* account that the record is about */
	struct iw_str method;      /* op of the record */
	struct iw_str reason;      /* success or failed, from res= or success= */
	struct iw_str name;        /* PATH: nametype; SERVICE_*: unit; AVC: what was denied */
	struct iw_str src_host;    /* hostname of the record */
	struct iw_str terminal;    /* tty or terminal of the record */
	struct iw_str message;     /* the record's fields as logged, at most 8 KiB */
};

/* Whether the kernel's audit is on. Lies as iw_log does up to source_id. */
struct iw_audit_state {
	struct iw_header h;        /* pid: of the audit daemon, 0 without; ts_ns: CLOCK_REALTIME */
	iw_u8 reserved0[16];       /* zero */
	iw_u32 reserved1;          /* zero */
	iw_u32 repeat_count;       /* 1 */
	iw_u32 source_id;          /* collector that looked */
	iw_u32 change;             /* enum iw_change: baseline at the first look, changed later */
	struct iw_str value;       /* off, on or locked */
	struct iw_str old_value;   /* at the last look */
	struct iw_str reason;      /* the same for people */
};

/* What a container runtime tells of a container. Lies as iw_log does up to source_id. */
struct iw_container_event {
	struct iw_header h;          /* pid 0; ts_ns: CLOCK_REALTIME */
	iw_u8 reserved0[16];         /* zero */
	iw_u32 reserved1;            /* zero */
	iw_u32 repeat_count;         /* 1 */
	iw_u32 source_id;            /* collector that asked */
	iw_u32 exit_code;            /* die: status of the container's first process; 0 otherwise */
	iw_u32 container_flags;      /* settings: enum iw_container_flag */
	iw_u32 reserved2;            /* zero */
	struct iw_str program;       /* docker or podman */
	struct iw_str action;        /* create, start, stop, die, kill, oom, destroy, ...; settings: inspect */
	struct iw_str container_ref; /* id of the container, 64 hexadecimal digits */
	struct iw_str container_name; /* its name */
	struct iw_str container_image; /* image it was made of */
	struct iw_str capabilities;  /* settings: those that were added, joined by a comma */
	struct iw_str mounts;        /* settings: places of the host inside, joined by a comma */
	struct iw_str reason;        /* settings: what is dangerous, for people; kill: the signal */
	struct iw_str user;          /* settings: account that its first process runs as */
};

/* One call of a cloud provider's interface, from its audit trail. Begins like iw_log. */
struct iw_cloud_api_call {
	struct iw_header h;          /* pid 0; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];            /* caller's address, v4 in v4-mapped form; zero when none */
	iw_u16 src_port;             /* zero */
	iw_u16 family;               /* AF_INET, AF_INET6; 0 without an address */
	iw_u32 repeat_count;         /* 1 */
	iw_u32 source_id;            /* collector that read the file */
	iw_u32 reserved0;            /* zero */
	struct iw_str cloud_service; /* eventSource, e.g. iam.amazonaws.com */
	struct iw_str action;        /* eventName */
	struct iw_str cloud_event_type; /* eventType: AwsApiCall, AwsConsoleSignIn, ... */
	struct iw_str cloud_region;  /* awsRegion */
	struct iw_str cloud_account; /* account that was acted on */
	struct iw_str identity_type; /* userIdentity.type: Root, IAMUser, AssumedRole, ... */
	struct iw_str identity_arn;  /* userIdentity.arn */
	struct iw_str identity_invoker; /* service that called in the identity's name */
	struct iw_str user;          /* userIdentity.userName; of a role the session's issuer */
	struct iw_str error_code;    /* absent when the call succeeded */
	struct iw_str reason;        /* errorMessage */
	struct iw_str cloud_result;  /* responseElements.ConsoleLogin of a console login */
	struct iw_str user_agent;    /* as the caller sent it */
	struct iw_str src_host;      /* service, where the caller is one and has no address */
	struct iw_str cloud_parameters; /* every leaf of the entry as "path=value", each between newlines, at most 24 KiB */
	struct iw_str message;       /* the entry as it was, at most 8 KiB */
};

/* What another tool found, by the recipe that reads it. Begins like iw_log. */
struct iw_tool_alert {
	struct iw_header h;          /* pid: of the process concerned, 0 without; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];            /* v4 in v4-mapped form; zero when none */
	iw_u16 src_port;             /* 0 when none */
	iw_u16 family;               /* AF_INET, AF_INET6; 0 without an address */
	iw_u32 repeat_count;         /* times the tool's entry stands for; 1 normally */
	iw_u32 source_id;            /* 27 */
	iw_u32 alert_rank;           /* 0 debug, 1 info, 2 low, 3 medium, 4 high, 5 critical */
	iw_u8 dst_ip[16];            /* v4 in v4-mapped form; zero when none */
	iw_u16 dst_port;             /* 0 when none */
	iw_u16 protocol;             /* IPPROTO_*; 0 when none */
	iw_u32 reserved0;            /* zero */
	struct iw_str tool;          /* id of the recipe */
	struct iw_str alert_kind;    /* what sort of thing it is, by the recipe */
	struct iw_str alert_severity; /* debug, info, low, medium, high or critical, by the recipe */
	struct iw_str rule_id;       /* of the tool's rule */
	struct iw_str rule_message;  /* name or title of the tool's rule */
	struct iw_str host_name;     /* host that the entry names */
	struct iw_str program;       /* program concerned */
	struct iw_str user;          /* account concerned */
	struct iw_str src_host;      /* name where the entry has one instead of an address */
	struct iw_str path;          /* file concerned */
	struct iw_str command;       /* command line concerned */
	struct iw_str container_ref; /* id of the container concerned */
	struct iw_str container_name; /* its name */
	struct iw_str container_image; /* its image */
	struct iw_str name;          /* of another thing concerned: service, table, interface */
	struct iw_str alert_tags;    /* joined by a comma */
	struct iw_str message;       /* what the tool says, at most 8 KiB */
};

/* One shape for what looking at the host found; strings that do not apply have length 0. */
struct iw_host_fact {
	struct iw_header h;      /* pid: who wrote the file, 0 when that is not known or nobody acted; ts_ns: CLOCK_REALTIME */
	iw_u8 src_ip[16];        /* listener: address bound, v4 in v4-mapped form */
	iw_u64 inode;            /* of the file concerned */
	iw_u64 target_start_ns;  /* of the process concerned, CLOCK_BOOTTIME ns */
	iw_u32 target_pid;       /* of the process concerned; 0 without */
	iw_u32 target_uid;       /* its real user id, or the file's owner */
	iw_u32 change;           /* enum iw_change */
	iw_u32 mode;             /* suid_file, file_change, file_write, file_match, device_node: st_mode */
	iw_u32 program_type;     /* bpf_program: enum bpf_prog_type */
	iw_u32 program_id;       /* bpf_program: the kernel's id */
	iw_u32 memory_flags;     /* memory_map: enum iw_memory_flag */
	iw_u16 src_port;         /* listener: port, host order */
	iw_u16 protocol;         /* listener: IPPROTO_* */
	struct iw_str name;      /* of the module, unit, sysctl, program, device, or the process's comm */
	struct iw_str path;      /* of the file or executable concerned */
	struct iw_str value;     /* sysctl: value; unit: ExecStart; device: ids; file_write: what its content is; traffic: a second */
	struct iw_str old_value; /* at the last look */
	struct iw_str sha256;    /* of the file, hexadecimal */
	struct iw_str reason;    /* which two views disagree, what is suspect */
};

#endif /* IW_EVENT_H */
