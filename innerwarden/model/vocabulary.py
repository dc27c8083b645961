# SPDX-License-Identifier: Apache-2.0
"""The one vocabulary: every field a rule may name, with its meaning, type, Sigma and ECS names.

Wire fields take type and meaning from the record header; derived ones (computed by the engine from the record
or the process table) say theirs here. A contract test holds this table against the engine in both directions.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from innerwarden.model._wire import (
    KINDS,
    LAYOUT,
    MEANING,
    RECORD_OF,
    ContainerFlag,
    ExecFlag,
    Flag,
    Kind,
    MemoryFlag,
    OpenFlag,
)


class FieldType(StrEnum):
    NUMBER = "number"
    STRING = "string"
    IP = "ip"
    FLAGS = "flags"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """`kinds` are the dotted kinds that may carry it; `sigma` maps a Sigma field name to its log source
    categories; `flags` maps a flag's name to its bit."""

    name: str
    type: FieldType
    meaning: str
    ecs: str | None
    kinds: frozenset[str]
    derived: bool = False
    sigma: dict[str, tuple[str, ...]] = {}
    flags: dict[str, int] = {}


KERNEL_KINDS = frozenset(dotted for dotted, kind in KINDS.items() if kind < Kind.SSH_LOGIN_FAILED)
#: What looking at the host finds, on a cadence.
HOST_KINDS = frozenset(dotted for dotted, kind in KINDS.items() if kind >= Kind.HOST_HIDDEN_PROCESS)
LOG_KINDS = frozenset(KINDS) - KERNEL_KINDS - HOST_KINDS
#: Of a collector, but with the process that acted where it is known.
ACTED_KINDS = frozenset({"host.file_change", "host.file_write", "host.file_match"})
TASK_KINDS = (KERNEL_KINDS - {"network.xdp_drop"}) | ACTED_KINDS

#: What a list of bad addresses and names can be held against.
LISTED_KINDS = frozenset(
    dotted
    for dotted, kind in KINDS.items()
    if dotted in ("network.connect", "network.accept", "network.dns", "network.tls")
    or (dotted in LOG_KINDS and any(name == "src_ip" for name, _, _ in LAYOUT[RECORD_OF[kind]]))
)

_PROCESS = ("process_creation", "process_termination")
_FILE = ("file_event", "file_change", "file_access", "file_delete", "file_rename")
_NET = ("network_connection",)
_WEB = ("webserver",)
_AUDIT = ("auditd",)
_TRAIL = ("cloudtrail",)
_ACTOR = (*_PROCESS, *_FILE, *_NET)

#: linux/capability.h, in order of their bits.
_CAPABILITIES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
    "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin "
    "sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override "
    "mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
)
_CAPABILITY_FLAGS = {name: 1 << bit for bit, name in enumerate(_CAPABILITIES.split())}

_FLAGS: dict[str, dict[str, int]] = {
    "cap_effective": _CAPABILITY_FLAGS,
    "cap_permitted": _CAPABILITY_FLAGS,
    "old_cap_effective": _CAPABILITY_FLAGS,
    "flags": {flag.name.lower(): flag.value for flag in Flag if flag.name},
    "exec_flags": {flag.name.lower(): flag.value for flag in ExecFlag if flag.name},
    "memory_flags": {flag.name.lower(): flag.value for flag in MemoryFlag if flag.name},
    "open_flags": {flag.name.lower(): flag.value for flag in OpenFlag if flag.name},
    "container_flags": {flag.name.lower(): flag.value for flag in ContainerFlag if flag.name},
    # asm-generic/fcntl.h; the access mode (rdonly 0, wronly 1, rdwr 2) is a number, not flags.
    "file_flags": {"creat": 0o100, "excl": 0o200, "trunc": 0o1000, "append": 0o2000, "nonblock": 0o4000},
    # linux/sched.h
    "namespace_flags": {
        "newtime": 0x80,
        "newns": 0x20000,
        "newcgroup": 0x2000000,
        "newuts": 0x4000000,
        "newipc": 0x8000000,
        "newuser": 0x10000000,
        "newpid": 0x20000000,
        "newnet": 0x40000000,
    },
    # linux/mount.h
    "mount_flags": {"rdonly": 1, "nosuid": 2, "noexec": 8, "remount": 32, "bind": 4096, "move": 8192},
    # asm-generic/mman-common.h
    "protection": {"read": 1, "write": 2, "exec": 4},
    # linux/io_uring.h
    "ring_flags": {"iopoll": 1, "sqpoll": 2},
}

#: Wire field -> (ECS name, {Sigma name: categories}).
_WIRE: dict[str, tuple[str | None, dict[str, tuple[str, ...]]]] = {
    "cpu": (None, {}),
    "flags": (None, {}),
    "sequence": ("event.sequence", {}),
    "ts_ns": ("@timestamp", {}),
    "start_ns": ("process.start", {}),
    "parent_start_ns": ("process.parent.start", {}),
    "cgroup_id": (None, {}),
    "pid": ("process.pid", {"ProcessId": _ACTOR}),
    "tid": ("process.thread.id", {}),
    "ppid": ("process.parent.pid", {"ParentProcessId": _PROCESS}),
    "uid": ("user.id", {"User": _ACTOR}),
    "gid": ("group.id", {}),
    "euid": ("user.effective.id", {}),
    "mnt_ns": (None, {}),
    "pid_ns": (None, {}),
    "comm": ("process.name", {}),
    "exe_inode": ("file.inode", {}),
    "cap_effective": ("process.thread.capabilities.effective", {}),
    "exe_dev": ("file.device", {}),
    "exe_mode": ("file.mode", {}),
    "exe_uid": ("file.uid", {}),
    "exe_gid": ("file.gid", {}),
    "exe_nlink": (None, {}),
    "exec_flags": (None, {}),
    "login_uid": ("process.real_user.id", {"auid": _AUDIT}),
    "session_id": ("process.session_leader.pid", {"ses": _AUDIT}),
    "tty_dev": ("process.tty.char_device.major", {}),
    "argv_len": (None, {}),
    "old_tid": (None, {}),
    "stdio_peer_port": ("destination.port", {}),
    "stdio_peer_family": ("network.type", {}),
    "stdio_peer_ip": ("destination.ip", {}),
    "exe_path": ("process.executable", {"Image": _ACTOR, "exe": _AUDIT}),
    "filename": (None, {}),
    "argv": ("process.args", {}),
    "cwd": ("process.working_directory", {"CurrentDirectory": _ACTOR}),
    "argv_offset": (None, {}),
    "child_start_ns": (None, {}),
    "child_pid": (None, {}),
    "exit_code": ("process.exit_code", {}),
    "exit_signal": (None, {}),
    "src_ip": ("source.ip", {"SourceIp": _NET, "c-ip": _WEB, "addr": _AUDIT, "sourceIPAddress": _TRAIL}),
    "dst_ip": ("destination.ip", {"DestinationIp": _NET}),
    "src_port": ("source.port", {"SourcePort": _NET}),
    "dst_port": ("destination.port", {"DestinationPort": _NET}),
    "family": ("network.type", {}),
    "protocol": ("network.transport", {"Protocol": _NET}),
    "inode": ("file.inode", {}),
    "dev": ("file.device", {}),
    "mode": ("file.mode", {}),
    "file_flags": (None, {}),
    "open_flags": (None, {}),
    "path": ("file.path", {"TargetFilename": _FILE, "name": _AUDIT}),
    "old_path": (None, {"SourceFilename": ("file_rename",)}),
    "old_cap_effective": (None, {}),
    "old_uid": (None, {}),
    "old_euid": (None, {}),
    "old_gid": (None, {}),
    "syscall_nr": (None, {}),
    "target_start_ns": (None, {}),
    "request": (None, {}),
    "target_pid": ("process.pid", {}),
    "target_uid": (None, {}),
    "memfd_flags": (None, {}),
    "name": (None, {"nametype": _AUDIT, "unit": _AUDIT}),
    "load_stage": (None, {}),
    "taints": (None, {}),
    "mount_flags": (None, {}),
    "source": (None, {}),
    "fs_type": (None, {}),
    "peer_ip": ("destination.ip", {}),
    "peer_port": ("destination.port", {}),
    "old_fd": (None, {}),
    "new_fd": (None, {}),
    "bpf_command": (None, {}),
    "program_type": (None, {}),
    "attach_type": (None, {}),
    "packet_count": ("network.packets", {}),
    "interface_index": ("observer.ingress.interface.id", {}),
    "cap_permitted": ("process.thread.capabilities.permitted", {}),
    "user_ns": (None, {}),
    "net_ns": (None, {}),
    "cgroup_path": (None, {}),
    "mount_call": (None, {}),
    "link_type": (None, {}),
    "new_size": ("file.size", {}),
    "mtime_ns": ("file.mtime", {}),
    "attribute": (None, {}),
    "new_uid": ("file.uid", {}),
    "new_gid": ("file.gid", {}),
    "node_dev": (None, {}),
    "socket_type": (None, {}),
    "option": (None, {}),
    "filter_length": (None, {}),
    "socket_cookie": (None, {}),
    "stream_offset": (None, {}),
    "payload_len": ("network.bytes", {}),
    "payload": (None, {}),
    "dns_type": ("dns.question.type", {"record_type": ("dns_query",)}),
    "dns_id": ("dns.id", {}),
    "dns_flags": ("dns.header_flags", {}),
    "dns_query": ("dns.question.name", {"QueryName": ("dns_query",), "query": ("dns_query",)}),
    "tls_version": ("tls.client.supported_versions", {}),
    "tls_flags": (None, {}),
    "tls_sni": ("tls.client.server_name", {}),
    "tls_alpn": ("tls.next_protocol", {}),
    "tls_hello": (None, {}),
    "namespace_call": (None, {}),
    "namespace_flags": (None, {}),
    "target_mnt_ns": (None, {}),
    "access_kind": (None, {}),
    "address": (None, {}),
    "length": (None, {}),
    "protection": (None, {}),
    "memory_flags": (None, {}),
    "signal": (None, {}),
    "new_cgroup_id": (None, {}),
    "ring_id": (None, {}),
    "io_operation": (None, {}),
    "opcode": (None, {}),
    "ring_flags": (None, {}),
    "ring_entries": (None, {}),
    "kexec_flags": (None, {}),
    "kexec_call": (None, {}),
    "call_errno": (None, {}),
    "perf_config": (None, {}),
    "perf_type": (None, {}),
    "port_call": (None, {}),
    "port_from": (None, {}),
    "port_count": (None, {}),
    "key_call": (None, {}),
    "key_operation": (None, {}),
    "userfault_flags": (None, {}),
    "enforcement_rule": (None, {}),
    "enforcement_mode": (None, {}),
    "enforcement_detail": (None, {}),
    "suppressed": (None, {}),
    "flood_kind": (None, {}),
    "change": (None, {}),
    "program_id": (None, {}),
    "value": (None, {}),
    "old_value": (None, {}),
    "sha256": ("file.hash.sha256", {}),
    "repeat_count": (None, {}),
    "source_id": (None, {}),
    "host_name": ("host.name", {}),
    "program": ("process.name", {}),
    "user": ("user.name", {"cs-username": _WEB, "acct": _AUDIT, "userIdentity.userName": _TRAIL}),
    "method": (None, {"USER": ("sudo",), "op": _AUDIT}),
    "reason": ("event.reason", {"res": _AUDIT, "errorMessage": _TRAIL}),
    "command": (
        "process.command_line",
        {"COMMAND": ("sudo",), "proctitle": _AUDIT, "cmdline": _AUDIT, "cmd": _AUDIT},
    ),
    "message": ("message", {}),
    "src_host": ("source.domain", {"hostname": _AUDIT}),
    "service": ("service.name", {}),
    "http_status": ("http.response.status_code", {"sc-status": _WEB}),
    "bytes_sent": ("http.response.bytes", {"sc-bytes": _WEB}),
    "http_method": ("http.request.method", {"cs-method": _WEB}),
    "http_version": ("http.version", {"cs-version": _WEB}),
    "http_host": ("url.domain", {"cs-host": _WEB}),
    # Rules in the field look for paths in cs-uri-query, so it means the whole target here, never less.
    "url": ("url.original", {"cs-uri": _WEB, "c-uri": _WEB, "cs-uri-query": _WEB}),
    "url_path": ("url.path", {"cs-uri-stem": _WEB}),
    "url_query": ("url.query", {}),
    "url_decoded": (None, {}),
    "referer": ("http.request.referrer", {"cs-referer": _WEB, "cs-referrer": _WEB}),
    "action": ("event.action", {"eventName": _TRAIL}),
    "log_prefix": ("rule.name", {}),
    "in_interface": ("observer.ingress.interface.name", {}),
    "out_interface": ("observer.egress.interface.name", {}),
    "tcp_flags": (None, {}),
    "log_level": ("log.level", {}),
    "rule_id": ("rule.id", {}),
    "rule_message": ("rule.description", {}),
    "user_agent": (
        "user_agent.original",
        {"cs-user-agent": _WEB, "c-useragent": _WEB, "userAgent": _TRAIL},
    ),
    "audit_serial": ("auditd.sequence", {}),
    "audit_type": ("auditd.message_type", {"type": _AUDIT}),
    "audit_syscall": ("auditd.data.syscall", {"SYSCALL": _AUDIT, "syscall": _AUDIT}),
    "audit_key": ("rule.name", {"key": _AUDIT}),
    "terminal": ("auditd.data.tty", {"tty": _AUDIT, "terminal": _AUDIT}),
    "container_flags": (None, {}),
    "container_ref": ("container.id", {}),
    "container_name": ("container.name", {}),
    "container_image": ("container.image.name", {}),
    "capabilities": (None, {}),
    "mounts": (None, {}),
    "cloud_service": ("event.provider", {"eventSource": _TRAIL}),
    "cloud_event_type": (None, {"eventType": _TRAIL}),
    "cloud_region": ("cloud.region", {"awsRegion": _TRAIL}),
    "cloud_account": ("cloud.account.id", {"recipientAccountId": _TRAIL}),
    "identity_type": (None, {"userIdentity.type": _TRAIL}),
    "identity_arn": (None, {"userIdentity.arn": _TRAIL}),
    "identity_invoker": (None, {"userIdentity.invokedBy": _TRAIL}),
    "error_code": ("error.code", {"errorCode": _TRAIL}),
    "cloud_result": (None, {"responseElements.ConsoleLogin": _TRAIL}),
    "cloud_parameters": (None, {}),
    "alert_rank": ("event.severity", {}),
    "tool": ("observer.product", {}),
    "alert_kind": ("event.category", {}),
    "alert_severity": (None, {}),
    "alert_tags": ("tags", {}),
}

#: Derived field -> (type, meaning, ECS name, {Sigma name: categories}, kinds).
_DERIVED: dict[str, tuple[FieldType, str, str | None, dict[str, tuple[str, ...]], frozenset[str]]] = {
    "command_line": (
        FieldType.STRING,
        "argv joined by one space; of the acting process",
        "process.command_line",
        {"CommandLine": _ACTOR},
        TASK_KINDS,
    ),
    "exe_name": (FieldType.STRING, "last component of exe_path", "process.name", {}, TASK_KINDS),
    "parent_exe_path": (
        FieldType.STRING,
        "exe_path of the parent at birth",
        "process.parent.executable",
        {"ParentImage": _ACTOR},
        TASK_KINDS,
    ),
    "parent_command_line": (
        FieldType.STRING,
        "command_line of the parent",
        "process.parent.command_line",
        {"ParentCommandLine": _ACTOR},
        TASK_KINDS,
    ),
    "parent_comm": (
        FieldType.STRING,
        "task name of the parent; forgeable, grants nothing",
        "process.parent.name",
        {},
        TASK_KINDS,
    ),
    "parent_uid": (FieldType.NUMBER, "real user id of the parent", "process.parent.user.id", {}, TASK_KINDS),
    "parent_exe_name": (
        FieldType.STRING,
        "last component of parent_exe_path",
        "process.parent.name",
        {},
        TASK_KINDS,
    ),
    "grandparent_exe_path": (FieldType.STRING, "exe_path of the parent's parent", None, {}, TASK_KINDS),
    "file_name": (
        FieldType.STRING,
        "last component of path",
        "file.name",
        {},
        frozenset(d for d, k in KINDS.items() if any(name == "path" for name, _, _ in LAYOUT[RECORD_OF[k]])),
    ),
    "container_id": (
        FieldType.STRING,
        "id (64 hexadecimal digits) or name of the container, from the cgroup's path",
        "container.id",
        {},
        TASK_KINDS,
    ),
    "container_runtime": (
        FieldType.STRING,
        "docker, podman, containerd, cri-o, kubernetes, oci, lxc, systemd-nspawn or systemd-machined",
        "container.runtime",
        {},
        TASK_KINDS,
    ),
    "pod_uid": (FieldType.STRING, "uid of the Kubernetes pod", None, {}, TASK_KINDS),
    "src_network": (
        FieldType.IP,
        "first address of the network of src_ip: its /64 for IPv6, its /24 for IPv4",
        None,
        {},
        frozenset(
            d for d, k in KINDS.items() if any(name == "src_ip" for name, _, _ in LAYOUT[RECORD_OF[k]])
        ),
    ),
    "kind_name": (FieldType.STRING, "dotted kind of the record", "event.action", {}, frozenset(KINDS)),
    **{
        f"arg{number}": (
            FieldType.STRING,
            f"argument {number} of the acting process; 0 is what it calls itself",
            None,
            {f"a{number}": _AUDIT},
            TASK_KINDS | {"audit.record"},
        )
        for number in range(10)
    },
    "tls_ja3": (
        FieldType.STRING,
        "JA3 of the client hello; absent when a part of it is missing",
        "tls.client.ja3",
        {},
        frozenset({"network.tls"}),
    ),
    "tls_ja4": (
        FieldType.STRING,
        "JA4 of the client hello; absent when a part of it is missing",
        "tls.client.ja4",
        {},
        frozenset({"network.tls"}),
    ),
    "dns_domain": (
        FieldType.STRING,
        "registered domain of dns_query or tls_sni, by the public suffix list",
        "dns.question.registered_domain",
        {},
        frozenset({"network.dns", "network.tls"}),
    ),
    "dns_encoded_count": (
        FieldType.NUMBER,
        "letters and digits before the registered domain, in labels that look like encoded data",
        None,
        {},
        frozenset({"network.dns", "network.tls"}),
    ),
    "threat_list": (
        FieldType.STRING,
        "threat list that names the address, name or fingerprint",
        "threat.feed.name",
        {},
        LISTED_KINDS,
    ),
    "threat_indicator": (
        FieldType.STRING,
        "its entry: a network, a name, a JA3 or a JA4",
        "threat.indicator.name",
        {},
        LISTED_KINDS,
    ),
}
#: Those of them that say something about the record, and not about its process.
_OF_RECORD = ("tls_ja3", "tls_ja4", "dns_domain", "dns_encoded_count", "threat_list", "threat_indicator")

#: Fields that the process table supplies on every record of a task, besides the records that carry them.
_FROM_TABLE = {"exe_path", "cwd", "argv", "cgroup_path"}

#: Members of the record that no rule can name: the frame, and padding.
NOT_FIELDS = frozenset({"size", "kind"})

_SHAPES = {"u16": FieldType.NUMBER, "u32": FieldType.NUMBER, "u64": FieldType.NUMBER, "ip": FieldType.IP}


def _build() -> dict[str, Field]:
    shapes: dict[str, str] = {}
    kinds: dict[str, set[str]] = {}
    for dotted, kind in KINDS.items():
        for name, _, shape in LAYOUT[RECORD_OF[kind]]:
            shapes[name] = shape
            kinds.setdefault(name, set()).add(dotted)
    table = {}
    for name, (ecs, sigma) in _WIRE.items():
        flags = _FLAGS.get(name, {})
        carried = kinds[name] | (TASK_KINDS if name in _FROM_TABLE else frozenset())
        table[name] = Field(
            name=name,
            type=FieldType.FLAGS if flags else _SHAPES.get(shapes[name], FieldType.STRING),
            meaning=MEANING[name],
            ecs=ecs,
            kinds=frozenset(carried),
            sigma=sigma,
            flags=flags,
        )
    for name, (kind_of, meaning, ecs, sigma, on) in _DERIVED.items():
        table[name] = Field(
            name=name, type=kind_of, meaning=meaning, ecs=ecs, kinds=on, derived=True, sigma=sigma
        )
    return table


VOCABULARY: dict[str, Field] = _build()


#: Kind -> its derived fields that evidence shows beside the record's own.
DERIVED_OF_RECORD: dict[str, tuple[str, ...]] = {
    kind: names for kind in KINDS if (names := tuple(n for n in _OF_RECORD if kind in VOCABULARY[n].kinds))
}


def by_sigma_name(name: str, category: str | None) -> Field | None:
    """The field behind a Sigma taxonomy name in a log source category."""
    for field in VOCABULARY.values():
        if category in field.sigma.get(name, ()):
            return field
    return None
