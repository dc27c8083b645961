# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""Lines of the kernel: packets that its firewall logged, and what it complains of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import AuthDedup, AuthParser, Record

NOW_S = 1_795_252_800
HEAD = "2026-11-02T10:00:00+00:00 web kernel: "
MAC = "MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00"
V4 = f"IN=eth0 OUT= {MAC} SRC=198.51.100.7 DST=203.0.113.5 LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 "
TCP = V4 + "PROTO=TCP SPT=55555 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0"


def parse(line: str | bytes) -> dict[str, Any] | None:
    data = AuthParser(now_s=NOW_S).parse(line.encode() if isinstance(line, str) else line)
    if data is None:
        return None
    assert int.from_bytes(data[:4], "little") == len(data) and len(data) % 8 == 0
    return Record(data).to_dict()


PACKET = {
    "src_ip": "198.51.100.7",
    "src_port": 55555,
    "dst_ip": "203.0.113.5",
    "dst_port": 22,
    "protocol": 6,
    "family": 2,
    "in_interface": "eth0",
    "out_interface": None,
    "tcp_flags": "SYN",
    "host_name": "web",
}
LINES: list[tuple[str, dict[str, Any]]] = [
    ("[12345.678901] [UFW BLOCK] " + TCP, {**PACKET, "action": "block", "log_prefix": "[UFW BLOCK]", "message": "[UFW BLOCK] " + TCP}),
    ("[    5.123456] [UFW ALLOW] " + TCP, {**PACKET, "action": "allow"}),
    ("[UFW LIMIT BLOCK] " + TCP, {**PACKET, "action": "block"}),
    ("[UFW AUDIT] " + TCP, {**PACKET, "action": "log"}),
    ("nft Drop: " + TCP, {**PACKET, "action": "block", "log_prefix": "nft Drop:"}),
    ("REJECTED:" + TCP, {**PACKET, "action": "block", "log_prefix": "REJECTED:"}),
    ("denied " + TCP, {"action": "block"}),
    ("DENY " + TCP, {"action": "block"}),
    ("accepted " + TCP, {"action": "allow"}),
    (TCP, {**PACKET, "action": "log", "log_prefix": None}),
    (V4 + "PROTO=UDP SPT=53 DPT=40000 LEN=20", {"protocol": 17, "src_port": 53, "dst_port": 40000, "tcp_flags": None}),
    (V4 + "PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1", {"protocol": 1, "src_port": 0, "dst_port": 0}),
    (V4 + "PROTO=2", {"protocol": 2}),
    (V4 + "PROTO=WHAT", {"protocol": 65535}),
    # an ICMP error describes the packet that it is about
    (V4 + "PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.5 DST=192.0.2.9 LEN=60 PROTO=UDP SPT=1 DPT=2 ]", {"src_ip": "198.51.100.7", "dst_ip": "203.0.113.5", "protocol": 1, "dst_port": 0}),
    (V4 + "PROTO=TCP SPT=1 DPT=2 WINDOW=0 RES=0x00 ACK PSH FIN URGP=0", {"tcp_flags": "ACK PSH FIN"}),
    (V4 + "PROTO=TCP SPT=1 DPT=2 WINDOW=0 RES=0x00 URGP=0", {"tcp_flags": None}),
    (f"FWD-DROP IN=eth0 OUT=br0 {MAC} SRC=10.0.0.7 DST=10.0.1.5 LEN=40 PROTO=TCP SPT=1 DPT=445 SYN", {"in_interface": "eth0", "out_interface": "br0", "action": "block"}),
    ("OUT-DROP IN= OUT=eth0 SRC=10.0.0.7 DST=10.0.1.5 LEN=40 PROTO=TCP SPT=1 DPT=445 SYN", {"in_interface": None, "out_interface": "eth0"}),
    (f"[UFW BLOCK] IN=eth0 OUT= {MAC} SRC=2001:0db8:0007:0000:0000:0000:0000:0005 DST=2001:0db8:0000:0000:0000:0000:0000:0001 LEN=60 TC=0 HOPLIMIT=60 FLOWLBL=0 PROTO=TCP SPT=1 DPT=22 SYN", {"src_ip": "2001:db8:7::5", "dst_ip": "2001:db8::1", "family": 10}),
    (f"message repeated 3 times: [ [UFW BLOCK] {TCP}]", {"repeat_count": 3, "action": "block", "dst_port": 22}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_line(text: str, expected: dict[str, Any]) -> None:
    found = parse(HEAD + text)
    assert found is not None
    assert {name: found.get(name) for name in expected} == expected
    assert found["ts_ns"] == 1_793_613_600 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "[12345.678901] usb 1-1: new high-speed USB device number 5 using xhci_hcd",
        "su: segfault at 0 ip 0",
        "su[x]: segfault at 0 ip 0",
        "[77]: segfault at 0 ip 0",
        "traps: su[77] trace",
        "Out of memory: Killed process x (a) total-vm:1kB",
        "Out of memory: Killed process 7 () total-vm:1kB",
        "device eth0 left promiscuous mode",
        ": entered promiscuous mode",
        "IN=eth0 SRC=198.51.100.7 DST=203.0.113.5 PROTO=TCP",
        "IN=eth0 OUT= SRC=198.51.100.999 DST=203.0.113.5 PROTO=TCP",
        "IN=eth0 OUT= SRC=198.51.100.7 DST= PROTO=TCP",
        "IN=eth0 OUT= SRC=198.51.100.7 PROTO=TCP",
        "IN=eth0 OUT= DST=198.51.100.7 PROTO=TCP",
    ],
)
def test_what_is_no_packet_is_no_event(text: str) -> None:
    assert parse(HEAD + text) is None


def test_only_the_kernel_is_believed() -> None:
    assert parse(HEAD.replace("kernel", "kernel-helper") + TCP) is None
    assert parse(HEAD.replace("kernel", "sudo") + TCP) is None


def test_the_file_and_the_journal_tell_it_once_though_only_one_has_the_kernels_time() -> None:
    dedup = AuthDedup()
    file = AuthParser(now_s=NOW_S, dedup=dedup)
    journal = AuthParser(now_s=NOW_S, dedup=dedup, second=True)
    assert file.parse((HEAD + "[12345.678901] " + TCP).encode()) is not None
    assert journal.parse_message(1_793_613_600 * 10**9, b"web", b"kernel", 0, TCP.encode()) is None
    assert journal.parse_message(1_793_613_600 * 10**9, b"web", b"kernel", 0, TCP.encode()) is not None


SEGFAULT = "segfault at 7f1f9b891000 ip 00007f1f9b6a1d2c sp 00007ffc3f1d2a10 error 4 in libc.so.6[7f1f9b600000+155000]"
VM = "total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:33 pgtables:60kB oom_score_adj:0"
FACTS: list[tuple[str, dict[str, Any]]] = [
    (f"[869507.505196] su[1433535]: {SEGFAULT}", {"reason": "crash", "name": "su", "pid": 1433535, "message": f"su[1433535]: {SEGFAULT}"}),
    (f"a b[1]:[77]: {SEGFAULT}", {"name": "a b[1]:", "pid": 77}),
    (f"]: segfault at [77]: {SEGFAULT}", {"name": "]: segfault at ", "pid": 77}),
    ("traps: php-fpm8.2[77] general protection fault ip:7f sp:7f error:0 in libc.so.6[7f+15]", {"reason": "crash", "name": "php-fpm8.2", "pid": 77}),
    ("traps: x[77] trap invalid opcode ip:7f sp:7f error:0 in x[7f+15]", {"reason": "crash", "name": "x", "pid": 77}),
    (f"Out of memory: Killed process 77 (mysqld) {VM}", {"reason": "oom_kill", "name": "mysqld", "pid": 77}),
    (f"Memory cgroup out of memory: Killed process 77 (a) b) {VM}", {"reason": "oom_kill", "name": "a) b", "pid": 77}),
    ("usb 1-1.2: New USB device found, idVendor=05ac, idProduct=0250, bcdDevice= 0.74", {"reason": "usb_device", "name": "idVendor=05ac, idProduct=0250"}),
    ("evil: loading out-of-tree module taints kernel.", {"reason": "module_taint", "name": "evil"}),
    ("evil: module verification failed: signature and/or required key missing - tainting kernel", {"reason": "module_taint", "name": "evil"}),
    ("nvidia: module license 'NVIDIA' taints kernel.", {"reason": "module_taint", "name": "nvidia"}),
    ("device eth0 entered promiscuous mode", {"reason": "promiscuous", "name": "eth0"}),
    ("e1000 0000:00:03.0 enp0s3: entered promiscuous mode", {"reason": "promiscuous", "name": "enp0s3"}),
    (f"message repeated 2 times: [ su[7]: {SEGFAULT}]", {"repeat_count": 2, "name": "su"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FACTS)
def test_what_the_kernel_complains_of(text: str, expected: dict[str, Any]) -> None:
    found = parse(HEAD + text)
    assert found is not None
    assert {name: found.get(name) for name in expected} == expected


@given(
    st.sampled_from([text for text, _ in LINES + FACTS]),
    st.lists(st.tuples(st.integers(0, 250), st.binary(max_size=12)), max_size=4),
    st.integers(0, 300),
)
@settings(max_examples=400, deadline=None)
def test_damaged_lines_never_crash(text: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray((HEAD + text).encode())
    for at, piece in edits:
        data[at : at + len(piece) // 2] = piece
    parse(bytes(data[: cut or len(data)]))
