# SPDX-License-Identifier: Apache-2.0
"""Every kernel program that is not ours: what it is, who holds it, and whether it sits where we look.

Our own are told by the descriptors of this process. The holder of a new one is the first process found with a
descriptor of the program or of a link to it; a program that is only pinned or attached has none.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

from innerwarden import libbpf
from innerwarden.errors import BpfError, InnerWardenError
from innerwarden.libbpf import foreign
from innerwarden.libbpf.foreign import ProgramInfo
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, procs
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import UNKNOWN_UID, Fact

KIND = "host.bpf_program"
PROGRAMS = 8192
LINKS = 4096
#: Descriptors looked at in one step, some 200 us.
STEP_DESCRIPTORS = 32
_PROGRAM_ID = re.compile(rb"^prog_id:\s*(\d+)", re.MULTILINE)

#: enum bpf_prog_type, include/uapi/linux/bpf.h
TYPES = (
    *("unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event"),
    *("cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device"),
    *("sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport"),
    *("flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing"),
    *("struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter"),
)


def type_name(number: int) -> str:
    return TYPES[number] if number < len(TYPES) else f"type {number}"


class BpfPrograms:
    id = "bpf_programs"
    budget_ms = 0.5

    def __init__(self, baseline: Baseline, proc: str = "/proc") -> None:
        self.baseline = baseline
        self._proc = proc
        self._owners: dict[int, procs.Owner] = {}
        self._reasons: dict[int, str] = {}

    def obstacle(self) -> str:
        if os.geteuid() != 0:
            return "the list of kernel programs needs root (CAP_SYS_ADMIN)"
        try:
            libbpf.kernel_ids("prog")
        except BpfError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EINVAL):
                return str(error)
            raise
        except InnerWardenError as error:
            return str(error)
        return ""

    def remark(self) -> str:
        return ""

    def look(self) -> Look:
        known = self.baseline.items or {}
        numbers = sorted(libbpf.kernel_ids("prog"))[:PROGRAMS]
        yield None
        own = yield from self._own(numbers, known)
        seen: dict[str, Item] = {}
        new: list[ProgramInfo] = []
        for number in numbers:
            if number in own:
                continue
            if (item := known.get(str(number))) is not None:
                seen[str(number)] = item
            elif (info := foreign.program(number)) is not None:
                new.append(info)
            yield None
        yield from self._explain(new, own)
        for info in new:
            seen[str(info.id)] = self._item(info)
        for one in self.baseline.compare(seen):
            yield self._fact(one)
        self._owners = {}
        self._reasons = {}

    def _own(self, numbers: list[int], known: dict[str, Item]) -> Find[set[int]]:
        """Ids behind descriptors of this process, when any is new."""
        if all(str(number) in known for number in numbers):
            return set()
        found: set[int] = set()
        for number in self._held_by(os.getpid()):
            if number is None:
                yield None
            else:
                found.add(number)
        return found

    def _held_by(self, pid: int) -> Iterator[int | None]:
        """Program ids behind a process's descriptors; None after some of them."""
        for count, (number, target) in enumerate(procs.descriptors(self._proc, pid), 1):
            if count % STEP_DESCRIPTORS == 0:
                yield None
            if not target.startswith("anon_inode:bpf"):
                continue
            try:
                found = _PROGRAM_ID.search(files.read(f"{self._proc}/{pid}/fdinfo/{number}", 4096))
            except OSError:
                continue
            if found:
                yield int(found[1])

    def _explain(self, new: list[ProgramInfo], own: set[int]) -> Find[None]:
        """Find the holders of new programs, and those that sit on our own tracepoints."""
        wanted = {info.id for info in new}
        if not wanted:
            return
        for pid in procs.pids(self._proc):
            for number in self._held_by(pid):
                if number is None:
                    yield None
                elif number in wanted and number not in self._owners:
                    self._owners[number] = procs.owner(self._proc, pid)
            if wanted <= set(self._owners):
                break
            yield None
        targets = set()
        for number in own:
            mine = foreign.program(number)
            if mine is not None and mine.btf_target:
                targets.add((mine.btf_object, mine.btf_target))
            yield None
        for info in new:
            if info.btf_target and (info.btf_object, info.btf_target) in targets:
                self._reasons[info.id] = "it is attached to a tracepoint that this sensor uses"
        yield from self._tracepoints(wanted, own)

    def _tracepoints(self, wanted: set[int], own: set[int]) -> Find[None]:
        """Links by the tracepoint's name, which both raw and BTF tracepoints have."""
        names: dict[int, str] = {}
        for number in sorted(libbpf.kernel_ids("link"))[-LINKS:]:
            row = foreign.link(number)
            if row is not None and row.tracepoint and row.program_id in wanted | own:
                names[row.program_id] = row.tracepoint
            yield None
        ours = {name for number, name in names.items() if number in own}
        for number in wanted & set(names):
            shared = ", which this sensor uses too" if names[number] in ours else ""
            self._reasons[number] = f"it is attached to the tracepoint {names[number]}{shared}"

    def _item(self, info: ProgramInfo) -> Item:
        who = self._owners.get(info.id)
        holder = f"{who.exe} (pid {who.pid})" if who else ""
        return Item(value=f"{info.type} {info.created_by_uid} {info.tag} {info.name}", note=holder)

    def _fact(self, one: Difference) -> Fact:
        number = int(one.key)
        kind, uid, tag, name = one.item.value.split(" ", 3)
        who = self._owners.get(number, procs.Owner())
        held = f"held by {one.item.note}" if one.item.note else "no process holds it"
        verb = {
            Change.BASELINE: "was there at the first look",
            Change.APPEARED: "is new",
            Change.VANISHED: "is gone",
        }.get(one.change, "changed")
        where = f"; {self._reasons[number]}" if number in self._reasons else ""
        return Fact(
            kind=KIND,
            change=one.change,
            name=name,
            path=who.exe,
            value=f"{type_name(int(kind))} {tag}",
            program_type=int(kind),
            program_id=number,
            target_pid=who.pid,
            target_start_ns=who.start_ns,
            target_uid=int(uid) if uid.isdigit() else UNKNOWN_UID,
            reason=f"{type_name(int(kind))} program {number} {verb}, {held}{where}",
        )
