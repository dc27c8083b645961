# SPDX-License-Identifier: Apache-2.0
"""One sentence per event kind: what a person reads as evidence."""

from __future__ import annotations

from collections.abc import Mapping

from innerwarden.model.detector import render
from innerwarden.model.vocabulary import HOST_KINDS

_WHO = "{exe_path} (pid {pid}, {user_name})"

SENTENCES: dict[str, str] = {
    "process.exec": "pid {pid} ({user_name}) executed {exe_path}: {command_line}",
    "process.fork": _WHO + " started process {child_pid}",
    "process.exit": _WHO + " ended with code {exit_code}, signal {exit_signal}",
    "network.connect": _WHO + " connected to {dst_ip} port {dst_port}",
    "network.bind": _WHO + " bound port {src_port}",
    "network.listen": _WHO + " listens on port {src_port}",
    "file.open": _WHO + " opened {path} for {access}",
    "file.rename": _WHO + " renamed {old_path} to {path}",
    "file.delete": _WHO + " deleted {path}",
    "credential.change": _WHO + " changed its user id from {old_uid} to {uid} (effective {euid})",
    "process.ptrace": _WHO + " traced process {target_pid} (request {request})",
    "process.memfd_create": _WHO + " created the memory file {name}",
    "kernel.module_load": _WHO + " loaded kernel module {name} {path}",
    "filesystem.mount": _WHO + " mounted {source} on {path} ({fs_type})",
    "process.fd_redirect": _WHO
    + " put a socket connected to {peer_ip} port {peer_port} on descriptor {new_fd}",
    "kernel.bpf": _WHO + " called bpf command {bpf_command} (program type {program_type}, name {name})",
    "network.xdp_drop": "{packet_count} packets came from the blocked {src_ip} (mode {enforcement_mode})",
    "file.link": _WHO + " made the name {path} for {old_path}",
    "file.attribute": _WHO + " changed attribute {attribute} of {path}",
    "file.node": _WHO + " made the device node {path} (mode {mode})",
    "network.accept": _WHO + " accepted a connection from {src_ip} on port {dst_port}",
    "network.socket": _WHO + " opened a socket of family {family}, type {socket_type}, protocol {protocol}",
    "network.socket_filter": _WHO
    + " put a filter of {filter_length} instructions on a socket of family {family}",
    "network.dns": _WHO + " asked {dst_ip} for {dns_query} (type {dns_type})",
    "network.tls": _WHO + " began TLS with {dst_ip} port {dst_port} for {tls_sni}",
    "process.namespace": _WHO + " changed its namespaces (flags {namespace_flags})",
    "process.memory_access": _WHO + " reached into process {target_pid} (access {access_kind})",
    "process.memory_exec": _WHO + " made {length} bytes at {address} executable ({path})",
    "process.signal": _WHO + " sent signal {signal} to process {target_pid}",
    "process.rename": _WHO + " renamed itself from {comm} to {name}",
    "process.cgroup_move": _WHO + " moved process {target_pid} to the cgroup {path}",
    "process.compat_syscall": _WHO + " made the 32-bit system call {syscall_nr}",
    "kernel.io_uring": _WHO + " used io_uring (operation {io_operation}, request {opcode})",
    "kernel.kexec": _WHO + " loaded another kernel {path}",
    "kernel.perf_event": _WHO + " opened a performance event of type {perf_type} for process {target_pid}",
    "kernel.port_access": _WHO + " asked for access to hardware ports from {port_from}",
    "credential.key": _WHO + " used the kernel's key store (operation {key_operation}): {name}",
    "process.userfaultfd": _WHO + " took over its own page faults",
    "enforcement.decision": _WHO
    + " was judged by rule {enforcement_rule} in mode {enforcement_mode}: {path}",
    "sensor.flood": _WHO + " made too many records of kind {flood_kind}; {suppressed} were held back",
    "ssh.login_failed": "login as {user} from {src_ip} failed: {reason}",
    "ssh.login_success": "{user} logged in from {src_ip} by {method}",
    "ssh.probe": "{src_ip} probed sshd: {message}",
    "ssh.disconnect": "{src_ip} disconnected: {message}",
    "sudo.command": "{user} ran as {method}: {command}",
    "auth.session": "session {reason} for {user}",
    "auth.failed": "authentication of {user} failed in {program}: {message}",
    "user.change": "{program}: {message}",
    "log.line": "{program}: {message}",
    "kernel.log": "the kernel said: {message}",
    "firewall.packet": "the firewall logged ({action}) a packet of {src_ip} port {src_port} "
    "to {dst_ip} port {dst_port}, protocol {protocol}",
    "web.error": "the web server says of {src_ip}: {message}",
    "web.request": "{src_ip} asked for {url} by {http_method}, answered with {http_status}: {message}",
    "audit.record": "the audit log has a record {audit_type} of {exe_path} (pid {pid}, uid {uid}): {message}",
    "audit.state": "the kernel's audit is {value}: {reason}",
    "container.lifecycle": "{program} told of container {container_name} ({container_image}): {action}",
    "container.settings": "{program} runs container {container_name} ({container_image}): {reason}",
    "cloud.api_call": "{identity_arn} called {action} of {cloud_service} from {src_ip} in {cloud_region}",
    "tool.alert": "{tool} reported ({alert_severity}) {rule_message}: {message}",
    **dict.fromkeys(sorted(HOST_KINDS), "{name}: {reason}"),
    **dict.fromkeys(("host.file_change", "host.file_write", "host.file_match"), "{path}: {reason}"),
}


def sentence(kind: str, values: Mapping[str, object]) -> str:
    return render(SENTENCES.get(kind, kind), values)
