# SPDX-License-Identifier: Apache-2.0
"""Sigma's auditd and cloudtrail fields: which records a rule fires on."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from innerwarden_core import Engine

from innerwarden.logs.auditd import AuditReader
from innerwarden.modules.factory import encode
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.program import RuleSource
from innerwarden.rules.reach import Readers

AUDIT = {"product": "linux", "service": "auditd"}
TRAIL = {"product": "aws", "service": "cloudtrail"}

EXECUTION = """type=SYSCALL msg=audit(1793613600.100:7): arch=c000003e syscall=59 success=yes a0=55d0 a1=55d8 a3=8 \
ppid=900 pid=901 auid=1000 uid=0 gid=0 euid=0 ses=3 comm="id" exe="/usr/bin/id" key="exec"
type=EXECVE msg=audit(1793613600.100:7): argc=2 a0="id" a1="-u"
type=CWD msg=audit(1793613600.100:7): cwd="/opt"
type=PATH msg=audit(1793613600.100:7): item=0 name="/usr/bin/id" nametype=NORMAL
type=PROCTITLE msg=audit(1793613600.100:7): proctitle=6964002D75
"""


def compiled(logsource: dict[str, str], detection: dict[str, Any]) -> Any:
    tree = {"title": "t", "level": "low", "logsource": logsource, "detection": detection}
    out = compile_sources([RuleSource(name="r.yml", stem="r", text=yaml.safe_dump(tree))])
    assert out.problems == ()
    return out.rules[0]


def hits(logsource: dict[str, str], detection: dict[str, Any], records: bytes) -> int:
    engine = Engine()
    engine.configure([compiled(logsource, detection).native()], [], [])
    return sum(len(engine.feed(record)) for record in [records])


def audit(selection: Any, *, text: str = EXECUTION, starts: bool = True) -> int:
    reader = AuditReader(starts=starts)
    records = b"".join([*reader.read(text.encode()), *reader.finish()])
    return hits(AUDIT, {"selection": selection, "condition": "selection"}, records)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"type": "EXECVE", "a0": "id", "a1": "-u"}, True),
        ({"type": "execve", "a0": "ls"}, False),
        ({"type": "EXEC*", "a0": "id"}, True),
        ({"type": ["EXECVE", "PATH"], "comm": "id"}, True),
        ({"type": "SYSCALL", "syscall": 59}, True),
        ({"type": "SYSCALL", "syscall": "59"}, True),
        ({"type": "SYSCALL", "syscall": 58}, False),
        ({"type": "SYSCALL", "SYSCALL": "execve", "cwd": "/opt"}, True),
        ({"type": "SYSCALL", "syscall": ["openat", "execve"]}, True),
        ({"type": "SYSCALL", "a0": "55D0"}, True),
        ({"type": "SYSCALL", "a0": "id"}, False),
        ({"type": "SYSCALL", "success": "yes", "uid": "0", "auid": "1000"}, True),
        ({"type": "SYSCALL", "success": "no"}, False),
        ({"type": "SYSCALL", "exe|endswith": "/id", "key": "exec"}, True),
        ({"type": "SYSCALL", "key": "other"}, False),
        ({"type": "PATH", "name": "/usr/bin/id", "nametype": "normal"}, True),
        ({"type": "PATH", "name": "/usr/bin/ls"}, False),
        ({"type": "PROCTITLE", "proctitle": "id -u"}, True),
        ({"type": "CWD", "name": "/usr/bin/id"}, False),
        ({"key": "exec"}, True),
        (["/usr/bin/id"], True),
        (["/usr/bin/ls"], False),
    ],
)
def test_auditd_fields(selection: Any, expected: bool) -> None:
    assert (audit(selection) > 0) == expected


def test_a_rule_without_type_is_not_told_of_twice() -> None:
    rule = compiled(AUDIT, {"selection": {"exe": "/usr/bin/id"}, "condition": "selection"})
    assert rule.kinds == ("audit.record",)


def test_execve_comes_from_whoever_saw_the_program_start() -> None:
    selection = {"type": "EXECVE", "a0": "id"}
    assert audit(selection, starts=False) == 0
    seen = encode("process.exec", exe_path="/usr/bin/id", argv=["id"])
    assert hits(AUDIT, {"selection": selection, "condition": "selection"}, seen) == 1


LEAVES = "\nrequestParameters.attribute=userData\nrequestParameters.items.cidr=0.0.0.0/0\nresponseElements.a.ok=true\n"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"eventName": "ModifyX", "userIdentity.type": "Root"}, True),
        ({"eventName": "ModifyY"}, False),
        ({"requestParameters.attribute": "userdata"}, True),
        ({"requestParameters.attribute": "user"}, False),
        ({"requestParameters.attribute|contains": "rDat"}, True),
        ({"requestParameters.attribute|startswith": "Data"}, False),
        ({"requestParameters|contains": "0.0.0.0/0"}, True),
        ({"requestParameters|contains": "true"}, False),
        ({"responseElements.a.ok": True}, True),
        ({"responseElements.a.ok": False}, False),
        ({"requestParameters.items|exists": True}, True),
        ({"requestParameters.item|exists": True}, False),
        ({"requestParameters.none": None}, True),
        ({"requestParameters.attribute": None}, False),
        ({"requestParameters.attribute": ["x", "userData"]}, True),
        ({"requestParameters.attribute|endswith": "ta=userData"}, False),
        ({"sourceIPAddress|cidr": "203.0.113.0/24"}, True),
        ({"sourceIPAddress": "203.0.113.8"}, False),
    ],
)
def test_cloudtrail_fields(selection: dict[str, Any], expected: bool) -> None:
    record = encode(
        "cloud.api_call",
        action="ModifyX",
        identity_type="Root",
        cloud_parameters=LEAVES,
        src_ip="203.0.113.9",
    )
    assert hits(TRAIL, {"selection": selection, "condition": "selection"}, record) == expected


@pytest.mark.parametrize(
    ("selection", "wanted", "not_wanted"),
    [
        ({"type": "SYSCALL", "key": "x"}, ["SYSCALL"], ["PATH", "CWD"]),
        ({"type": ["PATH", "CWD"]}, ["PATH", "CWD"], ["SYSCALL"]),
        ({"type|startswith": "ANOM_"}, ["ANOM_LINK"], ["SYSCALL"]),
        ({"type": "A*_*K"}, ["ANOM_LINK"], ["SYSCALL"]),
        ({"type": "EXECVE", "a0": "x"}, [], ["SYSCALL", "PATH"]),
        ({"key": "x"}, ["SYSCALL", "PATH"], []),
    ],
)
def test_what_no_rule_reads_is_known(selection: Any, wanted: list[str], not_wanted: list[str]) -> None:
    rule = compiled(AUDIT, {"selection": selection, "condition": "selection"})
    wants = Readers([rule], "audit.record", "audit_type")
    assert [kind for kind in (*wanted, *not_wanted) if wants(kind)] == wanted


def test_a_rule_that_excludes_a_type_reads_all_others() -> None:
    rule = compiled(AUDIT, {"s": {"key": "x"}, "f": {"type": "PATH"}, "condition": "s and not f"})
    wants = Readers([rule], "audit.record", "audit_type")
    assert wants("SYSCALL") and not wants("PATH")
