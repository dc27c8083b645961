# SPDX-License-Identifier: Apache-2.0
# GENERATED from bpf/include/iw_event.h by bpf/tools/gen.py; edit the header, run `make gen`.
"""Event details, one typed Struct per record; what a record does not hold is None."""

from __future__ import annotations

import msgspec


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    cpu: int | None = None  # that produced the record
    flags: int | None = None  # enum iw_flag
    sequence: int | None = None  # per cpu and ring, +1 a record made, lost ones included
    ts_ns: int | None = None  # CLOCK_BOOTTIME ns, or CLOCK_REALTIME with IW_F_REALTIME
    start_ns: int | None = None  # CLOCK_BOOTTIME ns at which the process started
    parent_start_ns: int | None = None  # the same of the real parent
    cgroup_id: int | None = None  # cgroup v2 inode
    pid: int | None = None  # process (thread group) id, initial namespace
    tid: int | None = None  # thread id, initial namespace
    ppid: int | None = None  # real parent's process id
    uid: int | None = None  # real user id, initial namespace
    gid: int | None = None  # real group id
    euid: int | None = None  # effective user id
    mnt_ns: int | None = None  # mount namespace inode
    pid_ns: int | None = None  # pid namespace inode
    comm: str | None = None  # task name; forgeable, grants nothing


class ProcessExec(Header, frozen=True, kw_only=True, omit_defaults=True):
    exe_inode: int | None = None  # of the executed file (for a script: of its interpreter)
    cap_effective: int | None = None  # bit mask after exec
    exe_dev: int | None = None  # major << 20 | minor
    exe_mode: int | None = None  # st_mode
    exe_uid: int | None = None  # owner
    exe_gid: int | None = None  # owning group
    exe_nlink: int | None = None  # links left
    exec_flags: int | None = None  # enum iw_exec_flag
    login_uid: int | None = None  # audit login id; 4294967295 when unset
    session_id: int | None = None  # audit session; 4294967295 when unset
    tty_dev: int | None = None  # major << 20 | minor of the controlling terminal; 0 without one
    argv_len: int | None = None  # bytes passed to the kernel, terminators included
    old_tid: int | None = None  # thread that called exec; differs from pid for a non-leader
    stdio_peer_port: int | None = None  # of the first stdio socket, host order; 0 without one
    stdio_peer_family: int | None = None  # AF_INET, AF_INET6, AF_UNIX; 0 without a socket
    stdio_peer_ip: str | None = None  # address of that peer; v4 in v4-mapped form
    exe_path: str | None = None  # canonical, from the dentry, in the mount namespace's view
    filename: str | None = None  # as passed to exec; a script's own path
    argv: tuple[str, ...] = ()  # NUL-separated arguments, the last argv_len bytes that fit
    cwd: str | None = None  # working directory, from the dentry
    cap_permitted: int | None = None  # bit mask after exec
    user_ns: int | None = None  # user namespace inode of the new credentials
    net_ns: int | None = None  # network namespace inode
    cgroup_path: str | None = None  # last components of the task's cgroup, '/'-separated; v2's, on v1 that of the pids, memory or systemd hierarchy


class ProcessExecArgv(Header, frozen=True, kw_only=True, omit_defaults=True):
    argv_offset: int | None = None  # bytes of argv that precede this chunk
    argv_len: int | None = None  # as in the exec record
    argv: tuple[str, ...] = ()  # the chunk


class ProcessFork(Header, frozen=True, kw_only=True, omit_defaults=True):
    child_start_ns: int | None = None  # CLOCK_BOOTTIME ns
    child_pid: int | None = None  # process id


class ProcessExit(Header, frozen=True, kw_only=True, omit_defaults=True):
    exit_code: int | None = None  # status passed to exit(), 0..255
    exit_signal: int | None = None  # terminating signal, 0 for a normal exit


class NetworkConnect(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form; zero before it is chosen
    dst_ip: str | None = None  # v4 in v4-mapped form
    src_port: int | None = None  # host order
    dst_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*


class NetworkBind(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # address bound; zero for any
    src_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*


class NetworkListen(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # address bound; zero for any
    src_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*


class FileOpen(Header, frozen=True, kw_only=True, omit_defaults=True):
    inode: int | None = None  # of the opened file
    dev: int | None = None  # major << 20 | minor
    mode: int | None = None  # st_mode
    file_flags: int | None = None  # O_* as the open file holds them, with O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC of the call
    open_flags: int | None = None  # enum iw_open_flag
    path: str | None = None  # canonical, from the dentry


class FileRename(Header, frozen=True, kw_only=True, omit_defaults=True):
    path: str | None = None  # new name
    old_path: str | None = None  # former name


class FileDelete(Header, frozen=True, kw_only=True, omit_defaults=True):
    path: str | None = None  # name removed


class CredentialChange(Header, frozen=True, kw_only=True, omit_defaults=True):
    cap_effective: int | None = None  # after
    old_cap_effective: int | None = None  # before
    old_uid: int | None = None  # before
    old_euid: int | None = None  # before
    old_gid: int | None = None  # before
    syscall_nr: int | None = None  # that changed it; 4294967295 when not a syscall


class ProcessPtrace(Header, frozen=True, kw_only=True, omit_defaults=True):
    target_start_ns: int | None = None  # CLOCK_BOOTTIME ns; 0 when the target is gone
    request: int | None = None  # PTRACE_*
    target_pid: int | None = None  # process id, initial namespace; 0 for TRACEME
    target_uid: int | None = None  # real user id of the target


class ProcessMemfdCreate(Header, frozen=True, kw_only=True, omit_defaults=True):
    memfd_flags: int | None = None  # MFD_*
    name: str | None = None  # as passed


class KernelModuleLoad(Header, frozen=True, kw_only=True, omit_defaults=True):
    load_stage: int | None = None  # 1 call seen (init_module), 2 call seen (finit_module), 3 loaded
    taints: int | None = None  # of the module, at stage 3
    name: str | None = None  # module name at stage 3
    path: str | None = None  # file behind finit_module's descriptor, from the dentry


class FilesystemMount(Header, frozen=True, kw_only=True, omit_defaults=True):
    mount_flags: int | None = None  # MS_*
    source: str | None = None  # device or directory, as passed
    path: str | None = None  # mount point, as passed
    fs_type: str | None = None  # as passed
    mount_call: int | None = None  # enum iw_hook of the call: mount, umount, move_mount, ...


class ProcessFdRedirect(Header, frozen=True, kw_only=True, omit_defaults=True):
    peer_ip: str | None = None  # of the socket; v4 in v4-mapped form
    peer_port: int | None = None  # host order
    family: int | None = None  # AF_* of the socket
    old_fd: int | None = None  # descriptor copied, a socket
    new_fd: int | None = None  # 0, 1 or 2


class KernelBpf(Header, frozen=True, kw_only=True, omit_defaults=True):
    bpf_command: int | None = None  # enum bpf_cmd
    program_type: int | None = None  # enum bpf_prog_type, for BPF_PROG_LOAD
    attach_type: int | None = None  # enum bpf_attach_type
    name: str | None = None  # of the program or map, as passed


class NetworkXdpDrop(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form
    packet_count: int | None = None  # matched by this entry of the list since it was made
    interface_index: int | None = None  # of the interface
    enforcement_mode: int | None = None  # enum iw_enforcement_mode: enforce dropped it, observe let it pass


class FileLink(Header, frozen=True, kw_only=True, omit_defaults=True):
    link_type: int | None = None  # enum iw_link_type
    path: str | None = None  # the new name
    old_path: str | None = None  # the file linked; for a symbolic link its text


class FileAttribute(Header, frozen=True, kw_only=True, omit_defaults=True):
    inode: int | None = None  # of the file; 0 when it was not resolved
    new_size: int | None = None  # bytes after a truncate
    mtime_ns: int | None = None  # modification time asked for, realtime ns; 0 without
    dev: int | None = None  # major << 20 | minor
    mode: int | None = None  # st_mode after the change; of a chmod that was not resolved the bits asked for; 0 otherwise
    attribute: int | None = None  # enum iw_attribute
    new_uid: int | None = None  # asked for; 4294967295 unchanged
    new_gid: int | None = None  # asked for; 4294967295 unchanged
    path: str | None = None  # of the file
    name: str | None = None  # of the extended attribute


class FileNode(Header, frozen=True, kw_only=True, omit_defaults=True):
    mode: int | None = None  # st_mode asked for: S_IFCHR, S_IFBLK, ...
    node_dev: int | None = None  # major << 20 | minor of the device that the node stands for
    path: str | None = None  # of the node


class NetworkAccept(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # the peer's; v4 in v4-mapped form
    dst_ip: str | None = None  # our own; v4 in v4-mapped form
    src_port: int | None = None  # the peer's, host order
    dst_port: int | None = None  # our own, host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*


class NetworkSocket(Header, frozen=True, kw_only=True, omit_defaults=True):
    family: int | None = None  # AF_PACKET, AF_VSOCK, AF_XDP, AF_INET, ...
    protocol: int | None = None  # IPPROTO_*; for AF_PACKET ETH_P_* in host order
    socket_type: int | None = None  # SOCK_* without its flags


class NetworkFilter(Header, frozen=True, kw_only=True, omit_defaults=True):
    option: int | None = None  # SO_ATTACH_FILTER, SO_ATTACH_BPF, ...
    filter_length: int | None = None  # instructions of a classic filter; 0 otherwise
    family: int | None = None  # of the socket
    protocol: int | None = None  # of the socket
    socket_type: int | None = None  # of the socket


class NetworkPayload(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form
    dst_ip: str | None = None  # v4 in v4-mapped form
    socket_cookie: int | None = None  # of the socket
    src_port: int | None = None  # host order
    dst_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*
    stream_offset: int | None = None  # TCP: bytes of the stream that precede
    payload_len: int | None = None  # bytes the packet carried; more than `payload` when cut
    payload: str | None = None  # after the transport header


class NetworkDns(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form
    dst_ip: str | None = None  # of the resolver; v4 in v4-mapped form
    src_port: int | None = None  # host order
    dst_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*
    dns_type: int | None = None  # QTYPE of the first question
    dns_id: int | None = None  # transaction id
    dns_flags: int | None = None  # the message's flags word
    dns_query: str | None = None  # name of the first question, lower case, without the final dot


class NetworkTls(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form
    dst_ip: str | None = None  # v4 in v4-mapped form
    src_port: int | None = None  # host order
    dst_port: int | None = None  # host order
    family: int | None = None  # AF_INET or AF_INET6
    protocol: int | None = None  # IPPROTO_*
    tls_version: int | None = None  # highest offered, e.g. 772 for 1.3
    tls_flags: int | None = None  # 1 encrypted client hello offered, 2 no server name, 4 hello incomplete
    tls_sni: str | None = None  # server name, lower case
    tls_alpn: str | None = None  # first protocol offered
    tls_hello: str | None = None  # the hello's bytes as far as they came


class ProcessNamespace(Header, frozen=True, kw_only=True, omit_defaults=True):
    namespace_call: int | None = None  # enum iw_hook: unshare, setns, clone, clone3, chroot, pivot_root
    namespace_flags: int | None = None  # CLONE_NEW* asked for
    user_ns: int | None = None  # user namespace inode after the change
    net_ns: int | None = None  # network namespace inode after the change
    child_pid: int | None = None  # clone: process id in the initial namespace; 0 otherwise
    path: str | None = None  # chroot, pivot_root: the new root


class ProcessMemoryAccess(Header, frozen=True, kw_only=True, omit_defaults=True):
    target_start_ns: int | None = None  # CLOCK_BOOTTIME ns; 0 when the target is gone
    target_pid: int | None = None  # process id, initial namespace
    target_uid: int | None = None  # real user id of the target; 4294967295 unknown
    access_kind: int | None = None  # enum iw_access
    target_mnt_ns: int | None = None  # mount namespace inode of the target; 0 unknown


class ProcessMemoryExec(Header, frozen=True, kw_only=True, omit_defaults=True):
    address: int | None = None  # first byte of the range
    length: int | None = None  # bytes
    inode: int | None = None  # of the file mapped; 0 without
    dev: int | None = None  # major << 20 | minor
    protection: int | None = None  # PROT_* asked for
    memory_flags: int | None = None  # enum iw_memory_flag
    path: str | None = None  # of the file mapped


class ProcessSignal(Header, frozen=True, kw_only=True, omit_defaults=True):
    target_start_ns: int | None = None  # CLOCK_BOOTTIME ns
    target_pid: int | None = None  # process id, initial namespace
    target_uid: int | None = None  # real user id of the target
    signal: int | None = None  # number


class ProcessRename(Header, frozen=True, kw_only=True, omit_defaults=True):
    name: str | None = None  # the new one


class ProcessCgroupMove(Header, frozen=True, kw_only=True, omit_defaults=True):
    target_start_ns: int | None = None  # CLOCK_BOOTTIME ns
    new_cgroup_id: int | None = None  # where it is now
    target_pid: int | None = None  # process id, initial namespace
    path: str | None = None  # of the new cgroup, in its hierarchy


class ProcessCompatSyscall(Header, frozen=True, kw_only=True, omit_defaults=True):
    syscall_nr: int | None = None  # in the 32-bit table


class KernelIoUring(Header, frozen=True, kw_only=True, omit_defaults=True):
    ring_id: int | None = None  # address of the ring's context, the same for all its records
    io_operation: int | None = None  # enum iw_io_operation
    opcode: int | None = None  # IORING_OP_* of a request
    ring_flags: int | None = None  # IORING_SETUP_* at creation
    ring_entries: int | None = None  # at creation


class KernelKexec(Header, frozen=True, kw_only=True, omit_defaults=True):
    kexec_flags: int | None = None  # KEXEC_* or KEXEC_FILE_*
    kexec_call: int | None = None  # enum iw_hook: kexec_load or kexec_file_load
    call_errno: int | None = None  # 0 when it succeeded
    path: str | None = None  # kexec_file_load: of the kernel, from the dentry


class KernelPerfEvent(Header, frozen=True, kw_only=True, omit_defaults=True):
    perf_config: int | None = None  # perf_event_attr.config
    perf_type: int | None = None  # PERF_TYPE_* or a dynamic one
    target_pid: int | None = None  # as passed; 0 the caller, 4294967295 everybody


class KernelPortAccess(Header, frozen=True, kw_only=True, omit_defaults=True):
    port_call: int | None = None  # enum iw_hook: ioperm or iopl
    port_from: int | None = None  # first port; iopl: the level
    port_count: int | None = None  # ports; iopl: 0


class CredentialKey(Header, frozen=True, kw_only=True, omit_defaults=True):
    key_call: int | None = None  # enum iw_hook: keyctl, add_key, request_key
    key_operation: int | None = None  # KEYCTL_*; 0 for the other calls
    name: str | None = None  # type and description, as passed


class ProcessUserfaultfd(Header, frozen=True, kw_only=True, omit_defaults=True):
    userfault_flags: int | None = None  # as passed


class EnforcementDecision(Header, frozen=True, kw_only=True, omit_defaults=True):
    inode: int | None = None  # of the file concerned; 0 without
    target_start_ns: int | None = None  # of the process concerned
    dev: int | None = None  # major << 20 | minor
    target_pid: int | None = None  # of the process concerned
    enforcement_rule: int | None = None  # enum iw_enforcement_rule
    enforcement_mode: int | None = None  # enum iw_enforcement_mode
    enforcement_detail: int | None = None  # signal, bpf command or open flags, by rule
    path: str | None = None  # of the file concerned


class SensorFlood(Header, frozen=True, kw_only=True, omit_defaults=True):
    suppressed: int | None = None  # records of that kind held back so far in this process's bucket
    flood_kind: int | None = None  # enum iw_kind


class Log(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # client address, v4 in v4-mapped form; zero when none
    src_port: int | None = None  # client port; 0 when none
    family: int | None = None  # AF_INET, AF_INET6; 0 when the line has no address
    repeat_count: int | None = None  # times the line stands for ("message repeated"); 1 normally
    source_id: int | None = None  # collector that read the line
    host_name: str | None = None  # host named in the line
    program: str | None = None  # syslog tag, e.g. sshd
    user: str | None = None  # account named
    method: str | None = None  # password, publickey, ...; sudo: target user; user.change: verb
    reason: str | None = None  # why it failed: invalid_user, wrong_password, ...; session: opened, closed
    command: str | None = None  # sudo: the command line
    message: str | None = None  # text after the tag, at most 8 KiB
    src_host: str | None = None  # client's host name, when the line gives a name instead of an address
    service: str | None = None  # what was logged in to: sshd, postfix, dovecot, mysql, ...; PAM's name of it


class WebRequest(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # client address, v4 in v4-mapped form; zero when none
    src_port: int | None = None  # zero: access logs do not say it
    family: int | None = None  # AF_INET, AF_INET6; 0 when the line has no address
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that read the line
    http_status: int | None = None  # answer's status code
    bytes_sent: int | None = None  # as the log has them: with nginx without the answer's header
    host_name: str | None = None  # host named in a syslog frame
    program: str | None = None  # syslog tag
    user: str | None = None  # name that the client authenticated with, or tried to
    message: str | None = None  # the line without a syslog frame, at most 8 KiB
    src_host: str | None = None  # client's host name, when the line gives a name instead of an address
    http_method: str | None = None  # absent when the request line is none (TLS on a plain port, scanners)
    http_version: str | None = None  # e.g. 1.1; absent in HTTP/0.9
    http_host: str | None = None  # virtual host of the vhost_combined format, with its port
    url: str | None = None  # request target as logged
    url_path: str | None = None  # of the url, before the first '?'
    url_query: str | None = None  # of the url, after it
    url_decoded: str | None = None  # url without the log's escapes and up to three layers of percent-encoding
    referer: str | None = None  # as the client sent it, in the log's escapes
    user_agent: str | None = None  # as the client sent it, in the log's escapes


class WebError(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # client address, v4 in v4-mapped form; zero when none
    src_port: int | None = None  # client port; 0 when none
    family: int | None = None  # AF_INET, AF_INET6; 0 when the line has no address, or two that disagree
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that read the line
    host_name: str | None = None  # host named in a syslog frame
    program: str | None = None  # syslog tag
    user: str | None = None  # name that the client tried
    message: str | None = None  # what the server says, without its prefix, at most 8 KiB
    src_host: str | None = None  # client's host name, when the line gives a name instead of an address
    reason: str | None = None  # not_found, forbidden, unknown_user, modsecurity, ...; absent when none of ours
    log_level: str | None = None  # error, warn, ...
    path: str | None = None  # file that was refused or is not there
    http_method: str | None = None  # of the request that nginx adds
    http_host: str | None = None  # the client's Host header, which nginx adds
    url: str | None = None  # request target as logged
    url_path: str | None = None  # of the url, before the first '?'
    url_decoded: str | None = None  # url without the log's escapes and up to three layers of percent-encoding
    rule_id: str | None = None  # of the ModSecurity rule
    rule_message: str | None = None  # what that rule says it found


class FirewallPacket(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # the packet's source, v4 in v4-mapped form
    src_port: int | None = None  # 0 when the protocol has none
    family: int | None = None  # AF_INET or AF_INET6
    repeat_count: int | None = None  # times the line stands for ("message repeated"); 1 normally
    source_id: int | None = None  # collector that read the line
    dst_port: int | None = None  # 0 when the protocol has none
    protocol: int | None = None  # IPPROTO_*; 65535 for a name that is not known
    dst_ip: str | None = None  # the packet's destination, v4 in v4-mapped form
    host_name: str | None = None  # host named in the line
    message: str | None = None  # the kernel's words, without its time
    action: str | None = None  # block, allow, or log where the rule's prefix says neither
    log_prefix: str | None = None  # what the rule puts before the packet, e.g. [UFW BLOCK]
    in_interface: str | None = None  # absent for packets of this host
    out_interface: str | None = None  # absent for packets to this host
    tcp_flags: str | None = None  # SYN, ACK PSH, ... in the kernel's order; absent when none is set


class KernelLog(Header, frozen=True, kw_only=True, omit_defaults=True):
    repeat_count: int | None = None  # times the line stands for ("message repeated"); 1 normally
    source_id: int | None = None  # collector that read the line
    host_name: str | None = None  # host named in the line
    message: str | None = None  # the kernel's words, without its time
    reason: str | None = None  # crash, oom_kill, usb_device, module_taint or promiscuous
    name: str | None = None  # of the process (its task name), the module, the interface; USB: vendor and product


class AuditRecord(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # addr of the record, or the address of SOCKADDR; zero when none
    src_port: int | None = None  # port of SOCKADDR; 0 when none
    family: int | None = None  # AF_INET, AF_INET6; 0 without an address
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that read the line
    syscall_nr: int | None = None  # of the event; 4294967295 when not a syscall
    audit_serial: int | None = None  # number of the event, the same in all its records
    login_uid: int | None = None  # audit login id; 4294967295 when unset
    session_id: int | None = None  # audit session; 4294967295 when unset
    mode: int | None = None  # PATH: st_mode; 0 otherwise
    host_name: str | None = None  # node= of the record
    audit_type: str | None = None  # SYSCALL, PATH, USER_AUTH, ...
    audit_syscall: str | None = None  # name of the event's system call
    audit_key: str | None = None  # key of the audit rule that wrote the event
    exe_path: str | None = None  # of the event's process
    argv: tuple[str, ...] = ()  # SYSCALL: NUL-separated registers a0 to a3, hexadecimal as logged
    cwd: str | None = None  # of the event's process
    path: str | None = None  # PATH: name, absolute where the event says its directory; AVC: name or path
    command: str | None = None  # of the event's process: PROCTITLE, joined by one space; USER_CMD: cmd; TTY: what was typed
    user: str | None = None  # account that the record is about
    method: str | None = None  # op of the record
    reason: str | None = None  # success or failed, from res= or success=
    name: str | None = None  # PATH: nametype; SERVICE_*: unit; AVC: what was denied
    src_host: str | None = None  # hostname of the record
    terminal: str | None = None  # tty or terminal of the record
    message: str | None = None  # the record's fields as logged, at most 8 KiB


class AuditState(Header, frozen=True, kw_only=True, omit_defaults=True):
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that looked
    change: int | None = None  # enum iw_change: baseline at the first look, changed later
    value: str | None = None  # off, on or locked
    old_value: str | None = None  # at the last look
    reason: str | None = None  # the same for people


class ContainerEvent(Header, frozen=True, kw_only=True, omit_defaults=True):
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that asked
    exit_code: int | None = None  # die: status of the container's first process; 0 otherwise
    container_flags: int | None = None  # settings: enum iw_container_flag
    program: str | None = None  # docker or podman
    action: str | None = None  # create, start, stop, die, kill, oom, destroy, ...; settings: inspect
    container_ref: str | None = None  # id of the container, 64 hexadecimal digits
    container_name: str | None = None  # its name
    container_image: str | None = None  # image it was made of
    capabilities: str | None = None  # settings: those that were added, joined by a comma
    mounts: str | None = None  # settings: places of the host inside, joined by a comma
    reason: str | None = None  # settings: what is dangerous, for people; kill: the signal
    user: str | None = None  # settings: account that its first process runs as


class CloudApiCall(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # caller's address, v4 in v4-mapped form; zero when none
    src_port: int | None = None  # zero
    family: int | None = None  # AF_INET, AF_INET6; 0 without an address
    repeat_count: int | None = None  # 1
    source_id: int | None = None  # collector that read the file
    cloud_service: str | None = None  # eventSource, e.g. iam.amazonaws.com
    action: str | None = None  # eventName
    cloud_event_type: str | None = None  # eventType: AwsApiCall, AwsConsoleSignIn, ...
    cloud_region: str | None = None  # awsRegion
    cloud_account: str | None = None  # account that was acted on
    identity_type: str | None = None  # userIdentity.type: Root, IAMUser, AssumedRole, ...
    identity_arn: str | None = None  # userIdentity.arn
    identity_invoker: str | None = None  # service that called in the identity's name
    user: str | None = None  # userIdentity.userName; of a role the session's issuer
    error_code: str | None = None  # absent when the call succeeded
    reason: str | None = None  # errorMessage
    cloud_result: str | None = None  # responseElements.ConsoleLogin of a console login
    user_agent: str | None = None  # as the caller sent it
    src_host: str | None = None  # service, where the caller is one and has no address
    cloud_parameters: str | None = None  # every leaf of the entry as "path=value", each between newlines, at most 24 KiB
    message: str | None = None  # the entry as it was, at most 8 KiB


class ToolAlert(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # v4 in v4-mapped form; zero when none
    src_port: int | None = None  # 0 when none
    family: int | None = None  # AF_INET, AF_INET6; 0 without an address
    repeat_count: int | None = None  # times the tool's entry stands for; 1 normally
    source_id: int | None = None  # 27
    alert_rank: int | None = None  # 0 debug, 1 info, 2 low, 3 medium, 4 high, 5 critical
    dst_ip: str | None = None  # v4 in v4-mapped form; zero when none
    dst_port: int | None = None  # 0 when none
    protocol: int | None = None  # IPPROTO_*; 0 when none
    tool: str | None = None  # id of the recipe
    alert_kind: str | None = None  # what sort of thing it is, by the recipe
    alert_severity: str | None = None  # debug, info, low, medium, high or critical, by the recipe
    rule_id: str | None = None  # of the tool's rule
    rule_message: str | None = None  # name or title of the tool's rule
    host_name: str | None = None  # host that the entry names
    program: str | None = None  # program concerned
    user: str | None = None  # account concerned
    src_host: str | None = None  # name where the entry has one instead of an address
    path: str | None = None  # file concerned
    command: str | None = None  # command line concerned
    container_ref: str | None = None  # id of the container concerned
    container_name: str | None = None  # its name
    container_image: str | None = None  # its image
    name: str | None = None  # of another thing concerned: service, table, interface
    alert_tags: str | None = None  # joined by a comma
    message: str | None = None  # what the tool says, at most 8 KiB


class HostFact(Header, frozen=True, kw_only=True, omit_defaults=True):
    src_ip: str | None = None  # listener: address bound, v4 in v4-mapped form
    inode: int | None = None  # of the file concerned
    target_start_ns: int | None = None  # of the process concerned, CLOCK_BOOTTIME ns
    target_pid: int | None = None  # of the process concerned; 0 without
    target_uid: int | None = None  # its real user id, or the file's owner
    change: int | None = None  # enum iw_change
    mode: int | None = None  # suid_file, file_change, file_write, file_match, device_node: st_mode
    program_type: int | None = None  # bpf_program: enum bpf_prog_type
    program_id: int | None = None  # bpf_program: the kernel's id
    memory_flags: int | None = None  # memory_map: enum iw_memory_flag
    src_port: int | None = None  # listener: port, host order
    protocol: int | None = None  # listener: IPPROTO_*
    name: str | None = None  # of the module, unit, sysctl, program, device, or the process's comm
    path: str | None = None  # of the file or executable concerned
    value: str | None = None  # sysctl: value; unit: ExecStart; device: ids; file_write: what its content is; traffic: a second
    old_value: str | None = None  # at the last look
    sha256: str | None = None  # of the file, hexadecimal
    reason: str | None = None  # which two views disagree, what is suspect


#: dotted kind -> its Struct
DETAILS: dict[str, type[Header]] = {
    "process.exec": ProcessExec,
    "process.exec_argv": ProcessExecArgv,
    "process.fork": ProcessFork,
    "process.exit": ProcessExit,
    "network.connect": NetworkConnect,
    "network.bind": NetworkBind,
    "network.listen": NetworkListen,
    "file.open": FileOpen,
    "file.rename": FileRename,
    "file.delete": FileDelete,
    "credential.change": CredentialChange,
    "process.ptrace": ProcessPtrace,
    "process.memfd_create": ProcessMemfdCreate,
    "kernel.module_load": KernelModuleLoad,
    "filesystem.mount": FilesystemMount,
    "process.fd_redirect": ProcessFdRedirect,
    "kernel.bpf": KernelBpf,
    "network.xdp_drop": NetworkXdpDrop,
    "file.link": FileLink,
    "file.attribute": FileAttribute,
    "file.node": FileNode,
    "network.accept": NetworkAccept,
    "network.socket": NetworkSocket,
    "network.socket_filter": NetworkFilter,
    "network.payload": NetworkPayload,
    "network.dns": NetworkDns,
    "network.tls": NetworkTls,
    "process.namespace": ProcessNamespace,
    "process.memory_access": ProcessMemoryAccess,
    "process.memory_exec": ProcessMemoryExec,
    "process.signal": ProcessSignal,
    "process.rename": ProcessRename,
    "process.cgroup_move": ProcessCgroupMove,
    "process.compat_syscall": ProcessCompatSyscall,
    "kernel.io_uring": KernelIoUring,
    "kernel.kexec": KernelKexec,
    "kernel.perf_event": KernelPerfEvent,
    "kernel.port_access": KernelPortAccess,
    "credential.key": CredentialKey,
    "process.userfaultfd": ProcessUserfaultfd,
    "enforcement.decision": EnforcementDecision,
    "sensor.flood": SensorFlood,
    "ssh.login_failed": Log,
    "ssh.login_success": Log,
    "ssh.probe": Log,
    "ssh.disconnect": Log,
    "sudo.command": Log,
    "auth.session": Log,
    "auth.failed": Log,
    "user.change": Log,
    "log.line": Log,
    "web.request": WebRequest,
    "web.error": WebError,
    "firewall.packet": FirewallPacket,
    "kernel.log": KernelLog,
    "audit.record": AuditRecord,
    "audit.state": AuditState,
    "container.lifecycle": ContainerEvent,
    "container.settings": ContainerEvent,
    "cloud.api_call": CloudApiCall,
    "tool.alert": ToolAlert,
    "host.hidden_process": HostFact,
    "host.memory_map": HostFact,
    "host.suid_file": HostFact,
    "host.service_unit": HostFact,
    "host.sysctl": HostFact,
    "host.module": HostFact,
    "host.bpf_program": HostFact,
    "host.listener": HostFact,
    "host.device": HostFact,
    "host.file_change": HostFact,
    "host.file_write": HostFact,
    "host.file_match": HostFact,
    "host.device_node": HostFact,
    "host.page_cache": HostFact,
    "host.firmware": HostFact,
    "host.control_group": HostFact,
    "host.kernel_symbol": HostFact,
    "host.traffic": HostFact,
}
