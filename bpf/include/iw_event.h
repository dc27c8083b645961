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
	IW_KIND_SSH_LOGIN_FAILED = 64,    /* ssh.login_failed: iw_log */
	IW_KIND_SSH_LOGIN_SUCCESS = 65,   /* ssh.login_success: iw_log */
	IW_KIND_SSH_PROBE = 66,           /* ssh.probe: iw_log */
	IW_KIND_SSH_DISCONNECT = 67,      /* ssh.disconnect: iw_log */
	IW_KIND_SUDO_COMMAND = 68,        /* sudo.command: iw_log */
	IW_KIND_AUTH_SESSION = 69,        /* auth.session: iw_log */
	IW_KIND_AUTH_FAILED = 70,         /* auth.failed: iw_log */
	IW_KIND_USER_CHANGE = 71,         /* user.change: iw_log */
	IW_KIND_LOG_LINE = 72,            /* log.line: iw_log */
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
};

enum iw_open_flag {
	IW_OPEN_WRITE = 1,   /* opened for writing */
	IW_OPEN_CREATED = 2, /* the open created the file */
	IW_OPEN_WATCHED_READ = 4, /* a name on the read watch list */
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
	iw_u64 packet_count; /* dropped from this source since it was listed */
	iw_u32 interface_index; /* of the interface */
	iw_u32 reserved0;  /* zero */
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
};

#endif /* IW_EVENT_H */
