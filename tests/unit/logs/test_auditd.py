# SPDX-License-Identifier: Apache-2.0
"""The audit log: lines as auditd writes them -> records, whatever order and form they come in."""

from __future__ import annotations

from typing import Any

import pytest
from innerwarden_core import Record

from innerwarden.logs import auditd
from innerwarden.logs.audit_line import parse, typed
from innerwarden.logs.auditd import AuditReader
from innerwarden.model._wire import Flag


def stamp(serial: int, second: int = 0) -> str:
    return f"msg=audit({1793613600 + second}.100:{serial})"


def syscall(serial: int = 7, second: int = 0, **changes: str) -> str:
    fields = {
        "arch": "c000003e", "syscall": "59", "success": "yes", "exit": "0", "a0": "55d0", "a1": "55d8",
        "a2": "55e0", "a3": "8", "items": "2", "ppid": "900", "pid": "901", "auid": "1000", "uid": "0",
        "gid": "0", "euid": "0", "tty": "pts2", "ses": "3", "comm": '"id"', "exe": '"/usr/bin/id"',
        "key": '"exec"', **changes,
    }  # fmt: skip
    return f"type=SYSCALL {stamp(serial, second)}: " + " ".join(f"{k}={v}" for k, v in fields.items())


def read(*lines: str, reader: AuditReader | None = None) -> list[dict[str, Any]]:
    reader = reader or AuditReader()
    records = reader.read("".join(line + "\n" for line in lines).encode())
    return shown([*records, *reader.finish()])


def shown(records: list[bytes]) -> list[dict[str, Any]]:
    out = []
    for data in records:
        record = Record(data)
        fields = record.to_dict()
        out.append({**fields, "kind": record.kind, "argv": tuple(record.argv()) if "argv" in fields else ()})
    return out


def started(records: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [r for r in records if r["kind"] == 1]
    return found


def test_an_execution_becomes_one_event_with_all_that_its_records_say() -> None:
    found = read(
        syscall(),
        f'type=EXECVE {stamp(7)}: argc=3 a0="id" a1="-u" a2=726F6F742078',
        f'type=CWD {stamp(7)}: cwd="/root"',
        f'type=PATH {stamp(7)}: item=0 name="/usr/bin/id" inode=77 dev=fe:01 mode=0104755 ouid=0 ogid=4',
        f"type=PROCTITLE {stamp(7)}: proctitle=6964002D7500726F6F742078",
    )
    program = started(found)
    assert program["argv"] == ("id", "-u", "root x")
    assert (program["exe_path"], program["filename"], program["cwd"]) == (
        "/usr/bin/id",
        "/usr/bin/id",
        "/root",
    )
    assert (program["pid"], program["ppid"], program["uid"], program["login_uid"]) == (901, 900, 0, 1000)
    assert (program["exe_mode"], program["exe_inode"], program["exe_gid"]) == (0o104755, 77, 4)
    assert program["exe_dev"] == 0xFE << 20 | 1
    assert program["tty_dev"] == 136 << 20 | 2
    assert program["ts_ns"] == 1793613600_100_000_000
    types = [r["audit_type"] for r in found if r["kind"] == 80]
    assert types == ["SYSCALL", "CWD", "PATH", "PROCTITLE"], "EXECVE is the program that started"
    for record in found:
        if record["kind"] == 80:
            assert (record["comm"], record["exe_path"], record["audit_key"]) == ("id", "/usr/bin/id", "exec")
            assert (record["cwd"], record["command"], record["audit_syscall"]) == (
                "/root",
                "id -u root x",
                "execve",
            )


def test_records_of_two_events_may_be_mixed() -> None:
    found = read(
        syscall(7, pid="901"),
        syscall(8, pid="902", comm='"ls"'),
        f'type=EXECVE {stamp(7)}: argc=1 a0="id"',
        f'type=EXECVE {stamp(8)}: argc=1 a0="ls"',
        f"type=PROCTITLE {stamp(8)}: proctitle=6C73",
        f"type=PROCTITLE {stamp(7)}: proctitle=6964",
    )
    programs = {r["pid"]: r["argv"] for r in found if r["kind"] == 1}
    assert programs == {901: ("id",), 902: ("ls",)}


def test_long_arguments_come_in_chunks_over_several_records() -> None:
    found = read(
        syscall(),
        f'type=EXECVE {stamp(7)}: argc=3 a0="sh" a1_len=9 a1[0]="abc" a1[1]=646566',
        f'type=EXECVE {stamp(7)}:  a1[2]="ghi" a2="end"',
        f"type=EOE {stamp(7)}:",
    )
    assert started(found)["argv"] == ("sh", "abcdefghi", "end")


def test_without_starts_a_program_is_not_told_of_twice() -> None:
    reader = AuditReader(starts=False)
    found = read(syscall(), f'type=EXECVE {stamp(7)}: argc=1 a0="id"', reader=reader)
    assert [r["kind"] for r in found] == [80]


def test_arguments_that_the_log_lacks_are_not_an_empty_vector() -> None:
    (program,) = [r for r in read(syscall()) if r["kind"] == 1]
    assert program["argv"] == () and program["argv_len"] == len("/usr/bin/id") + 1
    assert program["flags"] & Flag.ARGV_INCOMPLETE


@pytest.mark.parametrize(
    "changes",
    [{"success": "no"}, {"syscall": "2"}, {"arch": "c00000b7"}, {"pid": "x"}, {"success": "(null)"}],
)
def test_what_is_no_successful_execution_starts_nothing(changes: dict[str, str]) -> None:
    assert [r["kind"] for r in read(syscall(**changes))] == [80]


def test_the_other_architectures_have_their_own_numbers() -> None:
    for arch, number in (("c00000b7", "221"), ("40000003", "11")):
        assert started(read(syscall(arch=arch, syscall=number)))["exe_path"] == "/usr/bin/id"


def test_enriched_logs_read_as_raw_ones() -> None:
    (record,) = read(
        syscall(syscall="2") + '\x1dARCH=x86_64 SYSCALL=open AUID="bob" UID="root" exe="/forged"'
    )
    assert (record["audit_syscall"], record["uid"], record["exe_path"]) == ("open", 0, "/usr/bin/id")


def test_a_call_that_the_table_lacks_keeps_the_name_that_auditd_found() -> None:
    (record,) = read(syscall(syscall="9999") + "\x1dSYSCALL=newcall")
    assert (record["audit_syscall"], record["syscall_nr"]) == ("newcall", 9999)


def test_a_user_record_knows_who_from_where_and_with_what_result() -> None:
    (record,) = read(
        f"node=web7 type=USER_AUTH {stamp(9)}: pid=812 uid=0 auid=4294967295 ses=4294967295 "
        'msg=\'op=PAM:authentication grantors=? acct="root" exe="/usr/sbin/sshd" hostname=gw.example '
        "addr=203.0.113.9 terminal=ssh res=failed'"
    )
    assert record["audit_type"] == "USER_AUTH" and record["host_name"] == "web7"
    assert (record["user"], record["src_ip"], record["reason"]) == ("root", "203.0.113.9", "failed")
    assert (record["method"], record["terminal"], record["src_host"]) == (
        "PAM:authentication",
        "ssh",
        "gw.example",
    )
    assert record["login_uid"] == 0xFFFFFFFF


def test_a_name_cannot_pass_for_another_field() -> None:
    """What a user chooses is hexadecimal as soon as it holds a quote or a space; and the first of a name counts."""
    (record,) = read(
        f"type=USER_AUTH {stamp(9)}: pid=812 uid=33 auid=1000 ses=2 "
        "msg='op=PAM:authentication acct=78222075 uid=0 exe=\"/usr/sbin/sshd\" res=success uid=0 res=failed'"
    )
    assert (record["uid"], record["user"], record["reason"]) == (33, 'x" u', "success")


def test_sudo_commands_and_typed_text_are_decoded() -> None:
    command, text = read(
        f'type=USER_CMD {stamp(9)}: pid=9 uid=1000 auid=1000 ses=1 msg=\'cwd="/home/bob" cmd=6C73202D6C '
        'exe="/usr/bin/sudo" terminal=pts/0 res=success\'',
        f'type=TTY {stamp(10)}: tty pid=5 uid=0 auid=1000 ses=1 major=136 minor=0 comm="bash" '
        "data=636174202F6574632F7368787F61646F770D",
    )
    assert (command["command"], command["cwd"]) == ("ls -l", "/home/bob")
    assert text["command"] == "cat /etc/shadow"


def test_typed_text_without_letters_left() -> None:
    assert typed(b"\x7f\x7fab\x08\x08\x1b[A\r") == b"[A"


@pytest.mark.parametrize(
    ("saddr", "address", "port"),
    [
        ("02000050CB00710900000000", "203.0.113.9", 80),
        ("0A0001BB0000000020010DB800000000000000000000000100000000", "2001:db8::1", 443),
        ("01002F72756E2F782E736F636B00", None, 0),
        ("02", None, 0),
    ],
)
def test_socket_addresses(saddr: str, address: str | None, port: int) -> None:
    found = read(syscall(syscall="42"), f"type=SOCKADDR {stamp(7)}: saddr={saddr}")
    assert {(r.get("src_ip"), r["src_port"]) for r in found} == {(address, port)}


@pytest.mark.parametrize(
    ("name", "cwd", "path"),
    [
        ('"/etc/shadow"', '"/"', "/etc/shadow"),
        ('"shadow"', '"/etc"', "/etc/shadow"),
        ('"./shadow"', '"/etc/"', "/etc/shadow"),
        ("2F746D702F612062", '"/"', "/tmp/a b"),
        ("(null)", '"/"', None),
    ],
)
def test_paths_are_absolute_where_the_event_says_their_directory(
    name: str, cwd: str, path: str | None
) -> None:
    found = read(
        syscall(syscall="257"),
        f"type=CWD {stamp(7)}: cwd={cwd}",
        f"type=PATH {stamp(7)}: item=0 name={name} inode=1 nametype=NORMAL",
    )
    assert [r.get("path") for r in found if r["audit_type"] == "PATH"] == [path]


def test_denials_of_both_kinds() -> None:
    selinux, apparmor, granted = read(
        f'type=AVC {stamp(1)}: avc:  denied  {{ read write }} for  pid=812 comm="httpd" name="shadow" permissive=0',
        f'type=AVC {stamp(2)}: apparmor="DENIED" operation="open" profile="x" name="/etc/shadow" pid=812 comm="x"',
        f'type=AVC {stamp(3)}: avc:  granted  {{ read }} for  pid=812 comm="httpd" path="/denied {{"',
    )
    assert (selinux["name"], selinux["path"], selinux["reason"]) == ("read write", "shadow", "failed")
    assert (apparmor["name"], apparmor["path"], apparmor["reason"]) == ("open", "/etc/shadow", "failed")
    assert granted["reason"] == "success"


def test_an_event_waits_for_its_other_lines_but_not_for_ever() -> None:
    now = [0.0]
    reader = AuditReader(monotonic=lambda: now[0])
    assert reader.read(syscall().encode() + b"\n") == []
    assert reader.idle() == []
    now[0] += auditd.IDLE_S
    assert len(reader.idle()) == 2
    assert reader.idle() == []


def test_an_event_without_end_is_complete_when_later_lines_came() -> None:
    reader = AuditReader()
    assert reader.read(syscall(7).encode() + b"\n") == []
    assert len(reader.read(syscall(8, second=3).encode() + b"\n")) == 2


def test_a_clock_that_is_set_back_holds_nothing_for_ever() -> None:
    reader = AuditReader()
    lines = [syscall(1, second=10_000)] + [syscall(number) for number in range(2, auditd.MAX_EVENTS + 20)]
    found = read(*lines, reader=reader)
    assert len([r for r in found if r["kind"] == 1]) == len(lines)


def test_what_waits_is_bounded() -> None:
    reader = AuditReader()
    for number in range(auditd.MAX_EVENTS * 3):
        reader.read(syscall(number).encode() + b"\n")
    assert len(reader._events) <= auditd.MAX_EVENTS
    paths = [
        f'type=PATH {stamp(9)}: item={n} name="/x" nametype=NORMAL' for n in range(auditd.MAX_RECORDS * 2)
    ]
    read(*paths, reader=reader)
    assert reader.stats.lost >= auditd.MAX_RECORDS


def test_a_program_knows_its_parent_when_the_log_told_of_it() -> None:
    found = read(
        syscall(1, pid="900", ppid="1", comm='"sh"', exe='"/bin/sh"'),
        f"type=PROCTITLE {stamp(1)}: proctitle=7368",
        syscall(2, second=1),
        f"type=PROCTITLE {stamp(2, 1)}: proctitle=6964",
    )
    parent, child = [r for r in found if r["kind"] == 1]
    assert child["parent_start_ns"] == parent["start_ns"] > 0


@pytest.mark.parametrize(
    "line",
    [
        "", "nonsense", "type=SYSCALL", "type=SYSCALL msg=audit(1.1:1): a=1", "type=lower msg=audit(1.100:1): a=1",
        "type=SYSCALL msg=audit(99999999999999.100:1): a=1", "xtype=SYSCALL msg=audit(1.100:1): a=1",
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(line: str) -> None:
    assert parse(line.encode()) is None


@pytest.mark.parametrize(
    "fields",
    [
        "pid=99999999999999999999 uid=-1 syscall=-5 a0= key=\x01", "exe=\" comm=\"\" saddr=zz proctitle=6",
        "dev=zz:zz mode=9 inode=-", "msg='", "msg=' '", "a[0]=1 a9999999=2 a1[x]=3", "\xff\xfe\x00=\x00", "=" * 500,
    ],
)  # fmt: skip
def test_hostile_fields_do_no_harm(fields: str) -> None:
    for kind in ("SYSCALL", "EXECVE", "PATH", "SOCKADDR", "PROCTITLE", "USER_CMD", "AVC", "TTY"):
        read(f"type={kind} {stamp(3)}: success=yes {fields}", syscall(3))


def test_records_that_nobody_reads_are_not_made() -> None:
    reader = AuditReader(starts=False, wants=lambda kind: kind == "PATH")
    found = read(syscall(), f'type=PATH {stamp(7)}: item=0 name="/x" nametype=NORMAL', reader=reader)
    assert [(r["audit_type"], r["comm"]) for r in found] == [("PATH", "id")]
    assert reader.stats.matched == 2
