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
        IW_KIND_FILE_LINK
        IW_KIND_FILE_ATTRIBUTE
        IW_KIND_FILE_NODE
        IW_KIND_NETWORK_ACCEPT
        IW_KIND_NETWORK_SOCKET
        IW_KIND_NETWORK_FILTER
        IW_KIND_NETWORK_PAYLOAD
        IW_KIND_NETWORK_DNS
        IW_KIND_NETWORK_TLS
        IW_KIND_PROCESS_NAMESPACE
        IW_KIND_PROCESS_MEMORY_ACCESS
        IW_KIND_PROCESS_MEMORY_EXEC
        IW_KIND_PROCESS_SIGNAL
        IW_KIND_PROCESS_RENAME
        IW_KIND_PROCESS_CGROUP_MOVE
        IW_KIND_PROCESS_COMPAT_SYSCALL
        IW_KIND_KERNEL_IO_URING
        IW_KIND_KERNEL_KEXEC
        IW_KIND_KERNEL_PERF_EVENT
        IW_KIND_KERNEL_PORT_ACCESS
        IW_KIND_CREDENTIAL_KEY
        IW_KIND_PROCESS_USERFAULTFD
        IW_KIND_ENFORCEMENT_DECISION
        IW_KIND_SENSOR_FLOOD
        IW_KIND_SSH_LOGIN_FAILED
        IW_KIND_SSH_LOGIN_SUCCESS
        IW_KIND_SSH_PROBE
        IW_KIND_SSH_DISCONNECT
        IW_KIND_SUDO_COMMAND
        IW_KIND_AUTH_SESSION
        IW_KIND_AUTH_FAILED
        IW_KIND_USER_CHANGE
        IW_KIND_LOG_LINE
        IW_KIND_WEB_REQUEST
        IW_KIND_WEB_ERROR
        IW_KIND_FIREWALL_PACKET
        IW_KIND_KERNEL_LOG
        IW_KIND_AUDIT_RECORD
        IW_KIND_AUDIT_STATE
        IW_KIND_CONTAINER_LIFECYCLE
        IW_KIND_CONTAINER_SETTINGS
        IW_KIND_CLOUD_API_CALL
        IW_KIND_TOOL_ALERT
        IW_KIND_HOST_HIDDEN_PROCESS
        IW_KIND_HOST_MEMORY_MAP
        IW_KIND_HOST_SUID_FILE
        IW_KIND_HOST_SERVICE_UNIT
        IW_KIND_HOST_SYSCTL
        IW_KIND_HOST_MODULE
        IW_KIND_HOST_BPF_PROGRAM
        IW_KIND_HOST_LISTENER
        IW_KIND_HOST_DEVICE
        IW_KIND_HOST_FILE_CHANGE
        IW_KIND_HOST_FILE_WRITE
        IW_KIND_HOST_FILE_MATCH
        IW_KIND_HOST_DEVICE_NODE
        IW_KIND_HOST_PAGE_CACHE
        IW_KIND_HOST_FIRMWARE
        IW_KIND_HOST_CONTROL_GROUP
        IW_KIND_HOST_KERNEL_SYMBOL
        IW_KIND_HOST_TRAFFIC
    enum iw_hook:
        IW_HOOK_OPEN
        IW_HOOK_OPENAT
        IW_HOOK_OPENAT2
        IW_HOOK_CREAT
        IW_HOOK_OPEN_BY_HANDLE_AT
        IW_HOOK_RENAME
        IW_HOOK_RENAMEAT
        IW_HOOK_RENAMEAT2
        IW_HOOK_UNLINK
        IW_HOOK_UNLINKAT
        IW_HOOK_LINK
        IW_HOOK_LINKAT
        IW_HOOK_SYMLINK
        IW_HOOK_SYMLINKAT
        IW_HOOK_TRUNCATE
        IW_HOOK_FTRUNCATE
        IW_HOOK_CHMOD
        IW_HOOK_FCHMOD
        IW_HOOK_FCHMODAT
        IW_HOOK_FCHMODAT2
        IW_HOOK_CHOWN
        IW_HOOK_FCHOWN
        IW_HOOK_LCHOWN
        IW_HOOK_FCHOWNAT
        IW_HOOK_SETXATTR
        IW_HOOK_LSETXATTR
        IW_HOOK_FSETXATTR
        IW_HOOK_REMOVEXATTR
        IW_HOOK_LREMOVEXATTR
        IW_HOOK_FREMOVEXATTR
        IW_HOOK_SETXATTRAT
        IW_HOOK_UTIME
        IW_HOOK_UTIMES
        IW_HOOK_FUTIMESAT
        IW_HOOK_UTIMENSAT
        IW_HOOK_MKNOD
        IW_HOOK_MKNODAT
        IW_HOOK_REMOVEXATTRAT
        IW_HOOK_SETUID
        IW_HOOK_SETREUID
        IW_HOOK_SETRESUID
        IW_HOOK_SETGID
        IW_HOOK_SETREGID
        IW_HOOK_SETRESGID
        IW_HOOK_CAPSET
        IW_HOOK_SETFSUID
        IW_HOOK_SETFSGID
        IW_HOOK_UNSHARE
        IW_HOOK_SETNS
        IW_HOOK_CLONE
        IW_HOOK_CLONE3
        IW_HOOK_CHROOT
        IW_HOOK_PIVOT_ROOT
        IW_HOOK_PTRACE
        IW_HOOK_PROCESS_VM_READV
        IW_HOOK_PROCESS_VM_WRITEV
        IW_HOOK_PIDFD_GETFD
        IW_HOOK_MEMFD_CREATE
        IW_HOOK_MEMFD_SECRET
        IW_HOOK_DUP
        IW_HOOK_DUP2
        IW_HOOK_DUP3
        IW_HOOK_FCNTL
        IW_HOOK_MMAP
        IW_HOOK_MPROTECT
        IW_HOOK_PKEY_MPROTECT
        IW_HOOK_PRCTL
        IW_HOOK_USERFAULTFD
        IW_HOOK_SOCKET
        IW_HOOK_SETSOCKOPT
        IW_HOOK_ACCEPT
        IW_HOOK_ACCEPT4
        IW_HOOK_BIND
        IW_HOOK_SOCKETCALL
        IW_HOOK_INIT_MODULE
        IW_HOOK_FINIT_MODULE
        IW_HOOK_DELETE_MODULE
        IW_HOOK_BPF
        IW_HOOK_KEXEC_LOAD
        IW_HOOK_KEXEC_FILE_LOAD
        IW_HOOK_IO_URING_SETUP
        IW_HOOK_IO_URING_REGISTER
        IW_HOOK_PERF_EVENT_OPEN
        IW_HOOK_IOPERM
        IW_HOOK_IOPL
        IW_HOOK_KEYCTL
        IW_HOOK_ADD_KEY
        IW_HOOK_REQUEST_KEY
        IW_HOOK_MOUNT
        IW_HOOK_UMOUNT2
        IW_HOOK_FSOPEN
        IW_HOOK_FSMOUNT
        IW_HOOK_MOVE_MOUNT
        IW_HOOK_OPEN_TREE
        IW_HOOK_MOUNT_SETATTR
        IW_HOOK_SCHED_EXEC
        IW_HOOK_SCHED_FORK
        IW_HOOK_SCHED_EXIT
        IW_HOOK_SOCK_STATE
        IW_HOOK_CONNECT4
        IW_HOOK_CONNECT6
        IW_HOOK_SENDMSG4
        IW_HOOK_SENDMSG6
        IW_HOOK_POST_BIND4
        IW_HOOK_POST_BIND6
        IW_HOOK_EGRESS
        IW_HOOK_MODULE_LOAD
        IW_HOOK_SIGNAL
        IW_HOOK_TASK_RENAME
        IW_HOOK_CGROUP_ATTACH
        IW_HOOK_IO_URING_CREATE
        IW_HOOK_IO_URING_SUBMIT
        IW_HOOK_COMPAT
        IW_HOOK_FLOOD
        IW_HOOK_XDP
        IW_HOOK_LSM_EXEC
        IW_HOOK_LSM_FILE_OPEN
        IW_HOOK_LSM_INODE_RENAME
        IW_HOOK_LSM_INODE_UNLINK
        IW_HOOK_LSM_BPF
        IW_HOOK_LSM_TASK_KILL
        IW_HOOK_LSM_PTRACE
        IW_HOOK_LSM_TRUNCATE
        IW_HOOK_LSM_BPF_MAP
        IW_HOOK_OBJECT_OPEN
        IW_HOOK_OBJECT_RENAME
        IW_HOOK_OBJECT_UNLINK
        IW_HOOK_OBJECT_LINK
        IW_HOOK_OBJECT_SYMLINK
        IW_HOOK_OBJECT_TRUNCATE
        IW_HOOK_OBJECT_CHMOD
        IW_HOOK_OBJECT_CHOWN
        IW_HOOK_COMMIT_CREDS
        IW_HOOK_PTRACE_ACCESS
        IW_HOOK_OBJECT_MPROTECT
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
        IW_EXEC_LD_PRELOAD
        IW_EXEC_LD_LIBRARY_PATH
    enum iw_open_flag:
        IW_OPEN_WRITE
        IW_OPEN_CREATED
        IW_OPEN_WATCHED_READ
    enum iw_link_type:
        IW_LINK_HARD
        IW_LINK_SYMBOLIC
    enum iw_attribute:
        IW_ATTRIBUTE_MODE
        IW_ATTRIBUTE_OWNER
        IW_ATTRIBUTE_XATTR_SET
        IW_ATTRIBUTE_XATTR_REMOVED
        IW_ATTRIBUTE_TIMES
        IW_ATTRIBUTE_SIZE
    enum iw_access:
        IW_ACCESS_VM_READ
        IW_ACCESS_VM_WRITE
        IW_ACCESS_MEM_FILE
        IW_ACCESS_GET_FD
        IW_ACCESS_CHECK
    enum iw_memory_flag:
        IW_MEMORY_RWX
        IW_MEMORY_MEMFD
        IW_MEMORY_DELETED
        IW_MEMORY_WORLD_WRITABLE
        IW_MEMORY_ANONYMOUS
        IW_MEMORY_STACK
    enum iw_io_operation:
        IW_IO_CREATE
        IW_IO_SUBMIT
    enum iw_enforcement_mode:
        IW_ENFORCEMENT_OBSERVE
        IW_ENFORCEMENT_REHEARSE
        IW_ENFORCEMENT_ENFORCE
    enum iw_enforcement_rule:
        IW_RULE_EXEC_DENY
        IW_RULE_EXEC_ALLOW
        IW_RULE_FILE_PROTECT
        IW_RULE_BPF
        IW_RULE_SELF_SIGNAL
        IW_RULE_SELF_PTRACE
    enum iw_container_flag:
        IW_CONTAINER_PRIVILEGED
        IW_CONTAINER_HOST_NETWORK
        IW_CONTAINER_HOST_PID
        IW_CONTAINER_HOST_IPC
        IW_CONTAINER_HOST_UTS
        IW_CONTAINER_HOST_USER
        IW_CONTAINER_RUNTIME_SOCKET
        IW_CONTAINER_SENSITIVE_MOUNT
        IW_CONTAINER_DANGEROUS_CAPABILITY
        IW_CONTAINER_UNCONFINED
        IW_CONTAINER_HOST_DEVICE
    enum iw_change:
        IW_CHANGE_BASELINE
        IW_CHANGE_APPEARED
        IW_CHANGE_CHANGED
        IW_CHANGE_VANISHED
        IW_CHANGE_FOUND
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
        iw_u64 cap_permitted
        iw_u32 user_ns
        iw_u32 net_ns
        iw_str cgroup_path
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
        iw_u32 mount_call
        iw_u32 reserved0
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
        iw_u32 enforcement_mode
        iw_u32 reserved1
    struct iw_file_link:
        iw_header h
        iw_u32 link_type
        iw_u32 reserved0
        iw_str path
        iw_str old_path
    struct iw_file_attribute:
        iw_header h
        iw_u64 inode
        iw_u64 new_size
        iw_u64 mtime_ns
        iw_u32 dev
        iw_u32 mode
        iw_u32 attribute
        iw_u32 new_uid
        iw_u32 new_gid
        iw_u32 reserved0
        iw_str path
        iw_str name
    struct iw_file_node:
        iw_header h
        iw_u32 mode
        iw_u32 node_dev
        iw_str path
    struct iw_network_accept:
        iw_header h
        iw_u8 src_ip[16]
        iw_u8 dst_ip[16]
        iw_u16 src_port
        iw_u16 dst_port
        iw_u16 family
        iw_u16 protocol
    struct iw_network_socket:
        iw_header h
        iw_u16 family
        iw_u16 protocol
        iw_u32 socket_type
    struct iw_network_filter:
        iw_header h
        iw_u32 option
        iw_u32 filter_length
        iw_u16 family
        iw_u16 protocol
        iw_u32 socket_type
    struct iw_network_payload:
        iw_header h
        iw_u8 src_ip[16]
        iw_u8 dst_ip[16]
        iw_u64 socket_cookie
        iw_u16 src_port
        iw_u16 dst_port
        iw_u16 family
        iw_u16 protocol
        iw_u32 stream_offset
        iw_u32 payload_len
        iw_str payload
    struct iw_network_dns:
        iw_header h
        iw_u8 src_ip[16]
        iw_u8 dst_ip[16]
        iw_u16 src_port
        iw_u16 dst_port
        iw_u16 family
        iw_u16 protocol
        iw_u32 dns_type
        iw_u32 dns_id
        iw_u32 dns_flags
        iw_u32 reserved0
        iw_str dns_query
    struct iw_network_tls:
        iw_header h
        iw_u8 src_ip[16]
        iw_u8 dst_ip[16]
        iw_u16 src_port
        iw_u16 dst_port
        iw_u16 family
        iw_u16 protocol
        iw_u32 tls_version
        iw_u32 tls_flags
        iw_str tls_sni
        iw_str tls_alpn
        iw_str tls_hello
    struct iw_process_namespace:
        iw_header h
        iw_u32 namespace_call
        iw_u32 namespace_flags
        iw_u32 user_ns
        iw_u32 net_ns
        iw_u32 child_pid
        iw_u32 reserved0
        iw_str path
    struct iw_process_memory_access:
        iw_header h
        iw_u64 target_start_ns
        iw_u32 target_pid
        iw_u32 target_uid
        iw_u32 access_kind
        iw_u32 target_mnt_ns
    struct iw_process_memory_exec:
        iw_header h
        iw_u64 address
        iw_u64 length
        iw_u64 inode
        iw_u32 dev
        iw_u32 protection
        iw_u32 memory_flags
        iw_u32 reserved0
        iw_str path
    struct iw_process_signal:
        iw_header h
        iw_u64 target_start_ns
        iw_u32 target_pid
        iw_u32 target_uid
        iw_u32 signal
        iw_u32 reserved0
    struct iw_process_rename:
        iw_header h
        iw_str name
    struct iw_process_cgroup_move:
        iw_header h
        iw_u64 target_start_ns
        iw_u64 new_cgroup_id
        iw_u32 target_pid
        iw_u32 reserved0
        iw_str path
    struct iw_process_compat_syscall:
        iw_header h
        iw_u32 syscall_nr
        iw_u32 reserved0
    struct iw_kernel_io_uring:
        iw_header h
        iw_u64 ring_id
        iw_u32 io_operation
        iw_u32 opcode
        iw_u32 ring_flags
        iw_u32 ring_entries
    struct iw_kernel_kexec:
        iw_header h
        iw_u64 kexec_flags
        iw_u32 kexec_call
        iw_u32 call_errno
        iw_str path
    struct iw_kernel_perf_event:
        iw_header h
        iw_u64 perf_config
        iw_u32 perf_type
        iw_u32 target_pid
    struct iw_kernel_port_access:
        iw_header h
        iw_u32 port_call
        iw_u32 port_from
        iw_u32 port_count
        iw_u32 reserved0
    struct iw_credential_key:
        iw_header h
        iw_u32 key_call
        iw_u32 key_operation
        iw_str name
    struct iw_process_userfaultfd:
        iw_header h
        iw_u32 userfault_flags
        iw_u32 reserved0
    struct iw_enforcement_decision:
        iw_header h
        iw_u64 inode
        iw_u64 target_start_ns
        iw_u32 dev
        iw_u32 target_pid
        iw_u32 enforcement_rule
        iw_u32 enforcement_mode
        iw_u32 enforcement_detail
        iw_u32 reserved0
        iw_str path
    struct iw_sensor_flood:
        iw_header h
        iw_u64 suppressed
        iw_u32 flood_kind
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
        iw_str service
    struct iw_web_request:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 http_status
        iw_u64 bytes_sent
        iw_str host_name
        iw_str program
        iw_str user
        iw_str message
        iw_str src_host
        iw_str http_method
        iw_str http_version
        iw_str http_host
        iw_str url
        iw_str url_path
        iw_str url_query
        iw_str url_decoded
        iw_str referer
        iw_str user_agent
    struct iw_web_error:
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
        iw_str message
        iw_str src_host
        iw_str reason
        iw_str log_level
        iw_str path
        iw_str http_method
        iw_str http_host
        iw_str url
        iw_str url_path
        iw_str url_decoded
        iw_str rule_id
        iw_str rule_message
    struct iw_firewall_packet:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u16 dst_port
        iw_u16 protocol
        iw_u8 dst_ip[16]
        iw_str host_name
        iw_str message
        iw_str action
        iw_str log_prefix
        iw_str in_interface
        iw_str out_interface
        iw_str tcp_flags
    struct iw_kernel_log:
        iw_header h
        iw_u8 reserved0[16]
        iw_u32 reserved1
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 reserved2
        iw_str host_name
        iw_str message
        iw_str reason
        iw_str name
    struct iw_audit_record:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 syscall_nr
        iw_u64 audit_serial
        iw_u32 login_uid
        iw_u32 session_id
        iw_u32 mode
        iw_u32 reserved0
        iw_str host_name
        iw_str audit_type
        iw_str audit_syscall
        iw_str audit_key
        iw_str exe_path
        iw_str argv
        iw_str cwd
        iw_str path
        iw_str command
        iw_str user
        iw_str method
        iw_str reason
        iw_str name
        iw_str src_host
        iw_str terminal
        iw_str message
    struct iw_audit_state:
        iw_header h
        iw_u8 reserved0[16]
        iw_u32 reserved1
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 change
        iw_str value
        iw_str old_value
        iw_str reason
    struct iw_container_event:
        iw_header h
        iw_u8 reserved0[16]
        iw_u32 reserved1
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 exit_code
        iw_u32 container_flags
        iw_u32 reserved2
        iw_str program
        iw_str action
        iw_str container_ref
        iw_str container_name
        iw_str container_image
        iw_str capabilities
        iw_str mounts
        iw_str reason
        iw_str user
    struct iw_cloud_api_call:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 reserved0
        iw_str cloud_service
        iw_str action
        iw_str cloud_event_type
        iw_str cloud_region
        iw_str cloud_account
        iw_str identity_type
        iw_str identity_arn
        iw_str identity_invoker
        iw_str user
        iw_str error_code
        iw_str reason
        iw_str cloud_result
        iw_str user_agent
        iw_str src_host
        iw_str cloud_parameters
        iw_str message
    struct iw_tool_alert:
        iw_header h
        iw_u8 src_ip[16]
        iw_u16 src_port
        iw_u16 family
        iw_u32 repeat_count
        iw_u32 source_id
        iw_u32 alert_rank
        iw_u8 dst_ip[16]
        iw_u16 dst_port
        iw_u16 protocol
        iw_u32 reserved0
        iw_str tool
        iw_str alert_kind
        iw_str alert_severity
        iw_str rule_id
        iw_str rule_message
        iw_str host_name
        iw_str program
        iw_str user
        iw_str src_host
        iw_str path
        iw_str command
        iw_str container_ref
        iw_str container_name
        iw_str container_image
        iw_str name
        iw_str alert_tags
        iw_str message
    struct iw_host_fact:
        iw_header h
        iw_u8 src_ip[16]
        iw_u64 inode
        iw_u64 target_start_ns
        iw_u32 target_pid
        iw_u32 target_uid
        iw_u32 change
        iw_u32 mode
        iw_u32 program_type
        iw_u32 program_id
        iw_u32 memory_flags
        iw_u16 src_port
        iw_u16 protocol
        iw_str name
        iw_str path
        iw_str value
        iw_str old_value
        iw_str sha256
        iw_str reason
