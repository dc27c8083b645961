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
    packet_count: int | None = None  # dropped from this source since it was listed
    interface_index: int | None = None  # of the interface


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
    "ssh.login_failed": Log,
    "ssh.login_success": Log,
    "ssh.probe": Log,
    "ssh.disconnect": Log,
    "sudo.command": Log,
    "auth.session": Log,
    "auth.failed": Log,
    "user.change": Log,
    "log.line": Log,
}
