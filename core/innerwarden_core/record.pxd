# GENERATED from bpf/include/iw_event.h by bpf/tools/gen.py; edit the header, run `make gen`.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "iw_event.h" nogil:
    ctypedef uint8_t iw_u8
    ctypedef uint16_t iw_u16
    ctypedef uint32_t iw_u32
    ctypedef uint64_t iw_u64
    const int IW_ABI_VERSION
    const int IW_COMM_LEN
    const int IW_PATH_MAX
    const int IW_ARGV_CHUNK
    const int IW_ARGV_MAX
    const int IW_RECORD_MAX
    enum iw_kind:
        IW_KIND_PROCESS_EXEC
        IW_KIND_PROCESS_EXEC_ARGV
        IW_KIND_PROCESS_FORK
        IW_KIND_PROCESS_EXIT
        IW_KIND_NETWORK_CONNECT
        IW_KIND_NETWORK_BIND
        IW_KIND_NETWORK_LISTEN
        IW_KIND_FILE_OPEN
        IW_KIND_FILE_RENAME
        IW_KIND_FILE_DELETE
        IW_KIND_CREDENTIAL_CHANGE
        IW_KIND_PROCESS_PTRACE
        IW_KIND_PROCESS_MEMFD_CREATE
        IW_KIND_KERNEL_MODULE_LOAD
        IW_KIND_FILESYSTEM_MOUNT
        IW_KIND_PROCESS_FD_REDIRECT
        IW_KIND_KERNEL_BPF
        IW_KIND_NETWORK_XDP_DROP
        IW_KIND_SSH_LOGIN_FAILED
        IW_KIND_SSH_LOGIN_SUCCESS
        IW_KIND_SSH_PROBE
        IW_KIND_SSH_DISCONNECT
        IW_KIND_SUDO_COMMAND
        IW_KIND_AUTH_SESSION
        IW_KIND_AUTH_FAILED
        IW_KIND_USER_CHANGE
        IW_KIND_LOG_LINE
    enum iw_flag:
        IW_F_TRUNCATED
        IW_F_REALTIME
        IW_F_KTHREAD
        IW_F_PATH_FROM_ARG
        IW_F_PATH_PARTIAL
        IW_F_ARGV_INCOMPLETE
        IW_F_READ_FAULT
    enum iw_exec_flag:
        IW_EXEC_MEMFD
        IW_EXEC_DELETED
        IW_EXEC_SETUID
        IW_EXEC_SETGID
        IW_EXEC_OVERLAY_UPPER
        IW_EXEC_DIR_WORLD_WRITABLE
        IW_EXEC_SCRIPT
        IW_EXEC_STDIN_SOCKET
        IW_EXEC_STDOUT_SOCKET
        IW_EXEC_STDERR_SOCKET
        IW_EXEC_FROM_FD
        IW_EXEC_STDIN_PIPE
    enum iw_open_flag:
        IW_OPEN_WRITE
        IW_OPEN_CREATED
        IW_OPEN_WATCHED_READ
    struct iw_str:
        iw_u32 off
        iw_u32 len
    struct iw_header:
        iw_u32 size
        iw_u16 kind
        iw_u16 cpu
        iw_u32 flags
        iw_u32 sequence
        iw_u64 ts_ns
        iw_u64 start_ns
        iw_u64 parent_start_ns
        iw_u64 cgroup_id
        iw_u32 pid
        iw_u32 tid
        iw_u32 ppid
        iw_u32 uid
        iw_u32 gid
        iw_u32 euid
        iw_u32 mnt_ns
        iw_u32 pid_ns
        char comm[16]
    struct iw_process_exec:
        iw_header h
        iw_u64 exe_inode
        iw_u64 cap_effective
        iw_u32 exe_dev
        iw_u32 exe_mode
        iw_u32 exe_uid
        iw_u32 exe_gid
        iw_u32 exe_nlink
        iw_u32 exec_flags
        iw_u32 login_uid
        iw_u32 session_id
        iw_u32 tty_dev
        iw_u32 argv_len
        iw_u32 old_tid
        iw_u16 stdio_peer_port
        iw_u16 stdio_peer_family
        iw_u8 stdio_peer_ip[16]
        iw_str exe_path
        iw_str filename
        iw_str argv
        iw_str cwd
    struct iw_process_exec_argv:
        iw_header h
        iw_u32 argv_offset
        iw_u32 argv_len
        iw_str argv
    struct iw_process_fork:
        iw_header h
        iw_u64 child_start_ns
        iw_u32 child_pid
        iw_u32 reserved0
    struct iw_process_exit:
        iw_header h
        iw_u32 exit_code
        iw_u32 exit_signal
    struct iw_network_connect:
        iw_header h
        iw_u8 src_ip[16]
        iw_u8 dst_ip[16]
        iw_u16 src_port
        iw_u16 dst_port
        iw_u16 family
        iw_u16 protocol
    struct iw_network_bind:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u16 protocol
        iw_u16 reserved0
    struct iw_network_listen:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u16 protocol
        iw_u16 reserved0
    struct iw_file_open:
        iw_header h
        iw_u64 inode
        iw_u32 dev
        iw_u32 mode
        iw_u32 file_flags
        iw_u32 open_flags
        iw_str path
    struct iw_file_rename:
        iw_header h
        iw_str path
        iw_str old_path
    struct iw_file_delete:
        iw_header h
        iw_str path
    struct iw_credential_change:
        iw_header h
        iw_u64 cap_effective
        iw_u64 old_cap_effective
        iw_u32 old_uid
        iw_u32 old_euid
        iw_u32 old_gid
        iw_u32 syscall_nr
    struct iw_process_ptrace:
        iw_header h
        iw_u64 target_start_ns
        iw_u32 request
        iw_u32 target_pid
        iw_u32 target_uid
        iw_u32 reserved0
    struct iw_process_memfd_create:
        iw_header h
        iw_u32 memfd_flags
        iw_u32 reserved0
        iw_str name
    struct iw_kernel_module_load:
        iw_header h
        iw_u32 load_stage
        iw_u32 taints
        iw_str name
        iw_str path
    struct iw_filesystem_mount:
        iw_header h
        iw_u64 mount_flags
        iw_str source
        iw_str path
        iw_str fs_type
    struct iw_process_fd_redirect:
        iw_header h
        iw_u8 peer_ip[16]
        iw_u16 peer_port
        iw_u16 family
        iw_u32 old_fd
        iw_u32 new_fd
        iw_u32 reserved0
    struct iw_kernel_bpf:
        iw_header h
        iw_u32 bpf_command
        iw_u32 program_type
        iw_u32 attach_type
        iw_u32 reserved0
        iw_str name
    struct iw_network_xdp_drop:
        iw_header h
        iw_u8 src_ip[16]
        iw_u64 packet_count
        iw_u32 interface_index
        iw_u32 reserved0
    struct iw_log:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 reserved0
        iw_str host_name
        iw_str program
        iw_str user
        iw_str method
        iw_str reason
        iw_str command
        iw_str message
        iw_str src_host
