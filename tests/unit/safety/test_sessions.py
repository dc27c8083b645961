# SPDX-License-Identifier: Apache-2.0
"""Sessions as login records, logind and the kernel tell them."""

from __future__ import annotations

import os
import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

from innerwarden.safety.sessions import _of_hex, sessions


def utmp(kind: int, pid: int, user: str, host: str) -> bytes:
    """One record of utmp(5) on x86-64, by the manual page's offsets and not by our own layout."""
    record = bytearray(384)
    struct.pack_into("=h", record, 0, kind)
    struct.pack_into("=i", record, 4, pid)
    record[8:13] = b"pts/0"
    record[44 : 44 + len(user)] = user.encode()
    record[76 : 76 + len(host)] = host.encode()
    return bytes(record)


def test_login_records_of_the_living(tmp_path: Path) -> None:
    me = os.getpid()
    records = [
        utmp(7, me, "alice", "198.51.100.20"),
        utmp(7, me, "bob", "2001:db8::5"),
        utmp(7, me, "console", ""),
        utmp(8, me, "gone", "198.51.100.21"),
        utmp(7, 0x7FFFFFF0, "dead", "198.51.100.22"),
    ]
    (tmp_path / "utmp").write_bytes(b"".join(records) + b"torn")
    found = {(one.user, one.address) for one in sessions(run=tmp_path)}
    assert found >= {
        ("alice", ip_address("198.51.100.20")),
        ("bob", ip_address("2001:db8::5")),
        ("console", None),
    }
    assert not {"gone", "dead"} & {user for user, _ in found}


def test_logind_sessions(tmp_path: Path) -> None:
    place = tmp_path / "systemd/sessions"
    place.mkdir(parents=True)
    text = "# Private.\nUID=1000\nUSER=alice\nSTATE=active\nREMOTE=1\nREMOTE_HOST={}\nLEADER=77\nCLASS={}\n"
    (place / "1").write_text(text.format("198.51.100.20", "user"))
    (place / "2").write_text(text.format("198.51.100.21", "user").replace("active", "closing"))
    (place / "3").write_text(text.format("198.51.100.22", "greeter"))
    (place / "4").write_text("USER=x\nnonsense")
    (place / "1.ref").write_text("")
    assert {(one.user, one.pid, one.address) for one in sessions(run=tmp_path)} == {
        ("alice", 77, ip_address("198.51.100.20"))
    }


def test_addresses_as_proc_prints_them() -> None:
    # proc_pid_net(5): hexadecimal words in the byte order of a little-endian machine.
    assert _of_hex("0100007F") == ip_address("127.0.0.1")
    assert _of_hex("B80D0120000000000000000001000000") == ip_address("2001:db8::1")
    assert _of_hex("0000000000000000FFFF00000100007F") == ip_address("127.0.0.1")


def test_a_title_alone_makes_no_session() -> None:
    child = subprocess.Popen(["sshd: alice@pts/9", "30"], executable="/bin/sleep")
    try:
        assert all(one.pid != child.pid for one in sessions())
    finally:
        child.kill()
        child.wait()
