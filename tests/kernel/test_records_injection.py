# SPDX-License-Identifier: Apache-2.0
"""process.memory_access and process.userfaultfd records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.libbpf import btf
from innerwarden.model._wire import Access, Flag
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

UNSET = 4294967295
TICK = 10_000_000
VICTIM = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.unshare(0x20000)
os.setuid(4321)
secret = ctypes.create_string_buffer(b'secret', 64)
print(ctypes.addressof(secret), flush=True)
while True: signal.pause()
"""
#: `memory(number, pid, address)` reads or writes six bytes there.
MEMORY = """
mine = ctypes.create_string_buffer(b'stolen', 6)
def memory(number, pid, address):
    local = struct.pack('<QQ', ctypes.addressof(mine), 6); remote = struct.pack('<QQ', address, 6)
    return call(number, pid, local, ctypes.c_ulong(1), remote, ctypes.c_ulong(1), ctypes.c_ulong(0))
"""


class Victim:
    """A process of another user, in a mount namespace of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-S", "-c", VICTIM], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.address = int(self.process.stdout.readline())
        self.pid = self.process.pid
        proc = Path(f"/proc/{self.pid}")
        self.ticks = int((proc / "stat").read_text().rsplit(")", 1)[1].split()[19])
        self.mnt_ns = (proc / "ns/mnt").stat().st_ino


@pytest.fixture
def victim() -> Iterator[Victim]:
    one = Victim()
    yield one
    one.process.kill()
    one.process.wait(10)


def told(witness: Witness, pid: int, access: int) -> list[Decoded]:
    records = [r for r in witness.drain() if r.kind == "process.memory_access" and r.pid == pid]
    return [r for r in records if r.access_kind == access]


def whole_target(record: Decoded, victim: Victim) -> bool:
    return bool(
        record.target_pid == victim.pid
        and record.target_start_ns // TICK == victim.ticks
        and record.target_uid == 4321
        and record.target_mnt_ns == victim.mnt_ns
    )


@pytest.mark.parametrize(("number", "access"), [(310, Access.VM_READ), (311, Access.VM_WRITE)])
def test_memory_of_another_process(witness: Witness, victim: Victim, number: int, access: Access) -> None:
    truth = trigger(
        MEMORY + f"n = memory({number}, {victim.pid}, {victim.address}); say(n=n, mine=mine.raw.decode())\n"
    )
    assert truth["n"] == 6
    assert (truth["mine"] == "secret") == (access == Access.VM_READ)
    (record,) = told(witness, truth["pid"], access)
    check_header(record, truth)
    assert record.ring == "prio"
    if "bpf_task_from_pid" in btf.KernelNames():
        assert whole_target(record, victim)
    else:  # the number is told, for user space to look up
        assert (record.target_pid, record.target_start_ns, record.target_uid) == (victim.pid, 0, UNSET)


def test_own_memory_and_refusals_are_silent(witness: Witness, victim: Victim) -> None:
    truth = trigger(
        MEMORY + "import threading\n"
        "own = ctypes.create_string_buffer(b'own secret')\n"
        "memory(310, os.getpid(), ctypes.addressof(own))\n"
        "def run(): memory(310, threading.get_native_id(), ctypes.addressof(own))\n"
        "t = threading.Thread(target=run); t.start(); t.join()\n"
        "os.setuid(1111)\n"
        f"try: memory(310, {victim.pid}, {victim.address})\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert told(witness, truth["pid"], Access.VM_READ) == []


def test_number_of_another_namespace_is_not_believed(witness: Witness) -> None:
    truth = trigger(
        MEMORY + "call(272, 0x20000000)\n"
        "back = os.pipe()\n"
        "inner = os.fork()\n"
        "if inner == 0:\n"
        "    kept = ctypes.create_string_buffer(b'secret', 64)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        import signal; signal.pause()\n"
        "    memory(310, child, ctypes.addressof(kept)); memory(310, 1, ctypes.addressof(kept))\n"
        "    os.kill(child, 9); os.waitpid(child, 0); os._exit(0)\n"
        "os.waitpid(inner, 0); say(inner=inner)\n"
    )
    (record,) = told(witness, truth["inner"], Access.VM_READ)
    assert (record.target_pid, record.target_start_ns, record.target_uid) == (0, 0, UNSET)
    assert record.flags == Flag.READ_FAULT


def test_a_thread_is_told_as_its_process(witness: Witness) -> None:
    if "bpf_task_from_pid" not in btf.KernelNames():
        pytest.skip("before 6.2 the kernel finds no task by number")
    truth = trigger(
        MEMORY + "import threading, signal\n"
        "kept = ctypes.create_string_buffer(b'secret', 64)\n"
        "back = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    def run():\n"
        "        os.write(back[1], str(threading.get_native_id()).encode()); signal.pause()\n"
        "    threading.Thread(target=run).start()\n"
        "    while True: signal.pause()\n"
        "thread = int(os.read(back[0], 20))\n"
        "memory(310, thread, ctypes.addressof(kept))\n"
        "os.kill(child, 9); os.waitpid(child, 0); say(child=child, thread=thread)\n"
    )
    assert truth["thread"] != truth["child"]
    (record,) = told(witness, truth["pid"], Access.VM_READ)
    assert record.target_pid == truth["child"]


def test_descriptor_of_another_process(witness: Witness, victim: Victim) -> None:
    truth = trigger(f"call(438, os.pidfd_open({victim.pid}), 1, 0); say()\n")
    (record,) = told(witness, truth["pid"], Access.GET_FD)
    check_header(record, truth)
    assert whole_target(record, victim)


def test_hold_asked_for_by_any_way(witness: Witness, source: KernelSource, victim: Victim) -> None:
    (state,) = [hook for hook in source.hooks if hook.name == "ptrace_access_check"]
    if state.state != "attached":
        pytest.skip(f"needs fentry: {state.reason}")
    truth = trigger(
        MEMORY + f"open('/proc/{victim.pid}/mem', 'rb', buffering=0).close()\n"
        f"os.stat('/proc/{victim.pid}/exe'); os.readlink('/proc/{victim.pid}/exe')\n"
        f"memory(310, {victim.pid}, {victim.address})\n"
        f"call(101, 0x4206, {victim.pid}, None, None)\n"
        "os.setuid(1111)\n"
        f"try: memory(310, {victim.pid}, {victim.address})\n"
        "except OSError: pass\n"
        "say()\n"
    )
    records = told(witness, truth["pid"], Access.CHECK)
    assert (
        len(records) == 3
    )  # mem, process_vm_readv, ptrace; not exe's reading, nor what another user may not at all
    assert all(whole_target(record, victim) for record in records)


def test_userfaultfd(witness: Witness) -> None:
    truth = trigger(
        "try: call(323, os.O_CLOEXEC | os.O_NONBLOCK); absent = False\n"
        "except OSError as error: absent = error.errno in (1, 38)\n"
        "say(absent=absent)\n"
    )
    if truth["absent"]:
        pytest.skip("this kernel has no userfaultfd")
    (record,) = [r for r in witness.drain() if r.kind == "process.userfaultfd" and r.pid == truth["pid"]]
    check_header(record, truth)
    assert record.userfault_flags == os.O_CLOEXEC | os.O_NONBLOCK
