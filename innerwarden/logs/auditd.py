# SPDX-License-Identifier: Apache-2.0
"""The audit log: records of one event are joined by their serial number, so that each knows its process.

An event's records may lie between those of others. It is complete at PROCTITLE or EOE, or when nothing of it came
for a while. A program that starts (execve with success) becomes a `process.exec` record when `starts` is given: that
is for machines where the kernel source is absent; where it is there, it has told of that program already.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from innerwarden.logs.audit_line import Line, number, parse, socket_address, typed, unhex, value
from innerwarden.logs.reader import Stats
from innerwarden.logs.syscall_names import names
from innerwarden.model._wire import Flag
from innerwarden.model.pack import Packer, address

#: An event whose last record is this much older than the newest line is complete, whatever it lacks.
WAIT_NS = 2_000_000_000
#: The same on our own clock, when no further line comes.
IDLE_S = 1.0
MAX_EVENTS = 256
MAX_RECORDS = 64
ARGUMENTS_BYTES = 32 << 10
#: Start times of processes that were seen to start a program, so that their children find them.
MAX_STARTS = 8192
#: Records that the kernel writes of a system call; everything else stands for itself (linux/audit.h).
_OF_CALL = frozenset((
    "SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "SOCKADDR", "IPC", "MQ_OPEN", "MQ_SENDRECV", "MQ_NOTIFY",
    "MQ_GETSETATTR", "FD_PAIR", "OBJ_PID", "BPRM_FCAPS", "CAPSET", "MMAP", "NETFILTER_CFG", "KERN_MODULE",
    "FANOTIFY", "TIME_INJOFFSET", "TIME_ADJNTPVAL", "BPF", "EVENT_LISTENER", "URINGOP", "OPENAT2", "DM_CTRL",
    "DM_EVENT", "EOE", "AVC", "SELINUX_ERR", "SECCOMP", "CONFIG_CHANGE", "MAC_STATUS", "MAC_POLICY_LOAD",
    "MAC_CONFIG_CHANGE", "ANOM_PROMISCUOUS", "ANOM_LINK", "FEATURE_CHANGE", "REPLACE", "LOGIN",
))  # fmt: skip
#: Kinds of records in which a program that starts is told of.
_STARTS = frozenset({"SYSCALL", "EXECVE"})
_ENDS = frozenset({"PROCTITLE", "EOE"})
_EXEC_CALLS = frozenset({"execve", "execveat"})
_RESULTS = {
    b"yes": b"success",
    b"success": b"success",
    b"1": b"success",
    b"no": b"failed",
    b"failed": b"failed",
}
_RESULTS |= {b"0": b"failed", b"fail": b"failed"}
_VERDICTS = {b"DENIED": b"failed", b"ALLOWED": b"success", b"AUDIT": b"success"}
#: Major numbers of the kernel's terminals (Documentation/admin-guide/devices.txt).
_TERMINALS = ((b"pts", 136), (b"ttyS", 4), (b"tty", 4))

Values = dict[str, "int | str | bytes | None"]


class AuditReader:
    """`starts`: make `process.exec` of programs that start. `wants`: whether somebody reads records of a type;
    others are not made, which is most of what this costs."""

    def __init__(
        self,
        source_id: int = 0,
        *,
        starts: bool = True,
        wants: Callable[[str], bool] = lambda kind: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = Stats()
        self._packer = Packer("audit.record", source_id)
        self._exec = Packer("process.exec") if starts else None
        self._wants = wants
        self._monotonic = monotonic
        self._events: OrderedDict[tuple[bytes, int, int], list[Line]] = OrderedDict()
        self._started: OrderedDict[int, int] = OrderedDict()
        self._newest_ns = 0
        self._last_read = monotonic()

    def read(self, chunk: bytes) -> list[bytes]:
        out: list[bytes] = []
        self._last_read = self._monotonic()
        for text in chunk.split(b"\n"):
            if not text:
                continue
            self.stats.lines += 1
            line = parse(text)
            if line is None:
                self.stats.malformed += 1
                continue
            self.stats.matched += 1
            self._take(line, out)
        return out

    def idle(self) -> list[bytes]:
        waited = self._monotonic() - self._last_read >= IDLE_S
        return self.finish() if waited and self._events else []

    def finish(self) -> list[bytes]:
        out: list[bytes] = []
        while self._events:
            out += self._complete(self._events.popitem(last=False)[1])
        return out

    def _take(self, line: Line, out: list[bytes]) -> None:
        if line.type not in _OF_CALL:
            out += self._complete([line])
            return
        key = (line.node, line.ts_ns, line.serial)
        lines = self._events.setdefault(key, [])
        if len(lines) < MAX_RECORDS:
            lines.append(line)
        else:
            self.stats.lost += 1
        if line.type in _ENDS:
            out += self._complete(self._events.pop(key))
        elif line.ts_ns > self._newest_ns or len(self._events) > MAX_EVENTS:
            self._newest_ns = max(line.ts_ns, self._newest_ns)
            self._expire(out)

    def _expire(self, out: list[bytes]) -> None:
        """Oldest arrival first; a clock that was set back leaves events to `idle` and to the bound."""
        while self._events:
            key = next(iter(self._events))
            if key[1] > self._newest_ns - WAIT_NS and len(self._events) <= MAX_EVENTS:
                return
            out += self._complete(self._events.pop(key))

    def _complete(self, lines: list[Line]) -> list[bytes]:
        """The event's records, in their order, and the program that it started."""
        wanted = [line for line in lines if self._is_wanted(line.type)]
        if not wanted and (self._exec is None or not any(line.type in _STARTS for line in lines)):
            return []
        context = _context(lines)
        out = []
        started = self._started_program(lines, context)
        if started is not None:
            out.append(started)
        out += [self._packer.pack(line.ts_ns, {**context, **_own(line, context)}) for line in wanted]
        return out

    def _is_wanted(self, kind: str) -> bool:
        """EXECVE is the program that started, EOE says nothing."""
        return kind not in ("EXECVE", "EOE") and self._wants(kind)

    def _started_program(self, lines: list[Line], context: Values) -> bytes | None:
        if (
            self._exec is None
            or context.get("audit_syscall") not in _EXEC_CALLS
            or context.get("reason") != b"success"
        ):
            return None
        pid, ppid = context.get("pid"), context.get("ppid")
        if not isinstance(pid, int) or not isinstance(ppid, int):
            return None
        arguments = _arguments(lines)
        if not arguments and isinstance(command := context.get("command"), bytes):
            arguments = command.split(b" ")
        argv = b"".join(argument + b"\0" for argument in arguments)
        exe = context.get("exe_path")
        known_as = exe if isinstance(exe, bytes) else b"?"
        values: Values = {
            name: context.get(name)
            for name in ("pid", "ppid", "uid", "gid", "euid", "comm", "login_uid", "session_id", "cwd")
        }
        values |= _program_file(lines, exe if isinstance(exe, bytes) else b"")
        values |= {
            "tid": pid,
            "old_tid": pid,
            "start_ns": self._start_of(pid, lines[0].ts_ns),
            "parent_start_ns": self._started.get(ppid, 0),
            "exe_path": exe,
            "argv": argv,
            "argv_len": len(argv) or len(known_as) + 1,
            "tty_dev": _terminal(context.get("terminal")),
        }
        return self._exec.pack(lines[0].ts_ns, values, 0 if argv else int(Flag.ARGV_INCOMPLETE))

    def _start_of(self, pid: int, ts_ns: int) -> int:
        """The audit log has no start time. What is known is when a pid first ran a program, which tells a pid's
        successive owners apart as far as their programs do."""
        self._started[pid] = ts_ns
        self._started.move_to_end(pid)
        if len(self._started) > MAX_STARTS:
            self._started.popitem(last=False)
        return ts_ns


def _context(lines: list[Line]) -> Values:
    """What the event's records say of its process."""
    out: Values = {}
    for line in lines:
        fields = line.fields
        if line.type == "SYSCALL":
            out |= _process(fields)
            call = number(fields, b"syscall")
            arch = fields.get(b"arch", b"").decode("ascii", "replace")
            out["syscall_nr"] = call
            name = names(arch).get(call) if call is not None else None
            out["audit_syscall"] = (
                name or (value(fields, b"SYSCALL") or b"").decode("utf-8", "replace") or None
            )
            out["reason"] = _RESULTS.get(fields.get(b"success", b""))
            key = value(fields, b"key")
            out["audit_key"] = key.replace(b"\x01", b",") if key else None
        elif line.type == "CWD":
            out["cwd"] = value(fields, b"cwd")
        elif line.type == "PROCTITLE":
            title = value(fields, b"proctitle")
            out["command"] = title.rstrip(b"\0").replace(b"\0", b" ") if title else None
        elif line.type == "SOCKADDR" and (where := socket_address(fields.get(b"saddr", b""))):
            out["src_ip"], out["src_port"] = where
    return out


def _process(fields: dict[bytes, bytes]) -> Values:
    out: Values = {name: number(fields, name.encode()) for name in ("pid", "ppid", "uid", "gid", "euid")}
    out |= {"login_uid": number(fields, b"auid"), "session_id": number(fields, b"ses")}
    out["comm"], out["exe_path"] = value(fields, b"comm"), value(fields, b"exe")
    out["terminal"] = value(fields, b"tty") or value(fields, b"terminal")
    return {name: found for name, found in out.items() if found is not None}


def _own(line: Line, context: Values) -> Values:
    """The members that only this record has."""
    fields = line.fields
    out: Values = {
        "audit_type": line.type,
        "audit_serial": line.serial,
        "host_name": line.node,
        "message": line.text,
        "method": value(fields, b"op"),
    }
    if line.type == "SYSCALL":
        registers = [fields.get(name, b"") for name in (b"a0", b"a1", b"a2", b"a3")]
        out["argv"] = b"".join(register + b"\0" for register in registers)
    elif line.type == "PATH":
        out["path"] = _path(value(fields, b"name"), context.get("cwd"))
        out["name"] = value(fields, b"nametype")
        out["mode"] = number(fields, b"mode", 8)
    elif line.type not in ("CWD", "PROCTITLE", "SOCKADDR"):
        out |= _process(fields)
        out |= _of_user(fields)
        if line.type in ("AVC", "APPARMOR_DENIED", "APPARMOR_ALLOWED"):
            out |= _denial(line)
        if line.type in ("TTY", "USER_TTY"):
            data = fields.get(b"data", b"")
            out["command"] = typed(value(fields, b"data") or unhex(data))
    return {name: found for name, found in out.items() if found is not None}


def _of_user(fields: dict[bytes, bytes]) -> Values:
    """Records that a daemon sent: who, from where, with what result."""
    where = value(fields, b"addr") or value(fields, b"laddr")
    result = fields.get(b"res", fields.get(b"success", b"")).rstrip(b"')")
    return {
        "user": value(fields, b"acct"),
        "reason": _RESULTS.get(result),
        "src_ip": address(where.decode("ascii", "replace")) if where else None,
        "src_host": value(fields, b"hostname"),
        "command": value(fields, b"cmd"),
        "cwd": value(fields, b"cwd"),
        "name": value(fields, b"unit"),
        "audit_key": value(fields, b"key"),
    }


def _denial(line: Line) -> Values:
    """SELinux: `avc:  denied  { read } for ... path=`; AppArmor: `apparmor="DENIED" operation="open" ... name=`."""
    fields = line.fields
    verdict = value(fields, b"apparmor")
    found = value(fields, b"path") or value(fields, b"name")
    if verdict is None:
        _, _, rest = line.text.partition(b"{ ")
        what = rest.partition(b" }")[0] or None
        denied = b"denied" in line.text.partition(b"{")[0]
        return {"path": found, "name": what, "reason": b"failed" if denied else b"success"}
    return {"path": found, "name": value(fields, b"operation"), "reason": _VERDICTS.get(verdict)}


def _path(name: bytes | None, cwd: object) -> bytes | None:
    """Absolute, when the event says of which directory; `..` stays as it was asked for."""
    if name is None or name.startswith(b"/") or not isinstance(cwd, bytes):
        return name
    return cwd.rstrip(b"/") + b"/" + name.removeprefix(b"./")


def _arguments(lines: list[Line]) -> list[bytes]:
    """EXECVE's a0, a1, ...; long ones come in chunks a1[0], a1[1], ..., over several records if need be."""
    chunks: dict[int, list[bytes]] = {}
    room = ARGUMENTS_BYTES
    for line in lines:
        if line.type != "EXECVE":
            continue
        for name, raw in line.fields.items():
            at = name[1:].partition(b"[")[0]
            if name[:1] != b"a" or not at.isdigit() or len(at) > 6 or room <= 0:
                continue
            part = raw[1:].removesuffix(b'"') if raw[:1] == b'"' else unhex(raw)
            room -= len(part)
            chunks.setdefault(int(at), []).append(part)
    return [b"".join(chunks[index]) for index in sorted(chunks)]


def _program_file(lines: list[Line], exe: bytes) -> Values:
    """Of the executed file what its PATH record holds; `filename` is the name that was asked for."""
    paths = [line.fields for line in lines if line.type == "PATH"]
    asked = next((value(path, b"name") for path in paths if path.get(b"item") == b"0"), None)
    out: Values = {"filename": asked or exe, "exe_nlink": 1}
    own = next((path for path in paths if value(path, b"name") == exe), None)
    if own is not None:
        out |= {"exe_inode": number(own, b"inode"), "exe_mode": number(own, b"mode", 8)}
        out |= {"exe_uid": number(own, b"ouid"), "exe_gid": number(own, b"ogid")}
        major, _, minor = own.get(b"dev", b"").partition(b":")
        if major and minor:
            numbers = number({b"x": major}, b"x", 16), number({b"x": minor}, b"x", 16)
            if None not in numbers:
                out["exe_dev"] = (numbers[0] or 0) << 20 | (numbers[1] or 0)
    return {name: found for name, found in out.items() if found is not None}


def _terminal(name: object) -> int:
    """Device number of a terminal by its name; 0 for none."""
    if isinstance(name, bytes):
        for prefix, major in _TERMINALS:
            rest = name.removeprefix(prefix)
            if rest != name and rest.isdigit() and len(rest) < 7:
                return major << 20 | int(rest) + (64 if prefix == b"ttyS" else 0)
    return 0
