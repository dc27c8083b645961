# SPDX-License-Identifier: Apache-2.0
"""One sentence per event kind: what a person reads as evidence."""

from __future__ import annotations

from collections.abc import Mapping

from innerwarden.model.detector import render

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
    "network.xdp_drop": "{packet_count} packets from {src_ip} were dropped",
    "ssh.login_failed": "login as {user} from {src_ip} failed: {reason}",
    "ssh.login_success": "{user} logged in from {src_ip} by {method}",
    "ssh.probe": "{src_ip} probed sshd: {message}",
    "ssh.disconnect": "{src_ip} disconnected: {message}",
    "sudo.command": "{user} ran as {method}: {command}",
    "auth.session": "session {reason} for {user}",
    "auth.failed": "authentication of {user} failed in {program}: {message}",
    "user.change": "{program}: {message}",
    "log.line": "{program}: {message}",
}


def sentence(kind: str, values: Mapping[str, object]) -> str:
    return render(SENTENCES.get(kind, kind), values)
