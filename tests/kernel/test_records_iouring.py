# SPDX-License-Identifier: Apache-2.0
"""kernel.io_uring records: rings made and the first request of each kind on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

CREATE, SUBMIT = 1, 2
NOP, CONNECT, OPENAT, CLOSE, UNLINKAT, SOCKET = 0, 16, 18, 19, 36, 45
SQPOLL = 2

#: A ring by its three system calls: `Ring(flags).submit(opcode, ...)` waits for the result.
RING = """
import mmap, time
class Ring:
    def __init__(self, flags=0, entries=8):
        p = ctypes.create_string_buffer(struct.pack('<10I', 0, 0, flags, 0, 50, 0, 0, 0, 0, 0).ljust(120, b'\\0'), 120)
        self.fd = call(425, entries, p)
        self.flags = flags
        sq = struct.unpack_from('<10I', p, 40); cq = struct.unpack_from('<10I', p, 80)
        n, m = struct.unpack_from('<2I', p, 0)
        self.sq = mmap.mmap(self.fd, sq[6] + 4 * n, offset=0)
        self.cq = mmap.mmap(self.fd, cq[5] + 16 * m, offset=0x8000000)
        self.sqes = mmap.mmap(self.fd, 64 * n, offset=0x10000000)
        self.s, self.c, self.n, self.m = sq, cq, n, m
    def submit(self, opcode, fd=-1, addr=0, length=0, off=0, flags=0):
        tail = struct.unpack_from('<I', self.sq, self.s[1])[0]
        at = tail % self.n
        self.sqes[64 * at:64 * at + 64] = struct.pack('<BBHiQQIIQ24x', opcode, 0, 0, fd, off, addr, length, flags, tail)
        struct.pack_into('<I', self.sq, self.s[6] + 4 * at, at)
        struct.pack_into('<I', self.sq, self.s[1], tail + 1)
        head = struct.unpack_from('<I', self.cq, self.c[0])[0]
        if self.flags & 2:
            if struct.unpack_from('<I', self.sq, self.s[4])[0] & 1: call(426, self.fd, 0, 0, 2, None, 0)
        else:
            call(426, self.fd, 1, 0, 0, None, 0)
        end = time.monotonic() + 30
        while struct.unpack_from('<I', self.cq, self.c[1])[0] == head:
            assert time.monotonic() < end; time.sleep(0.001)
        result = struct.unpack_from('<Qi', self.cq, self.c[5] + 16 * (head % self.m))[1]
        struct.pack_into('<I', self.cq, self.c[0], head + 1)
        return result
def text(value):
    kept.append(ctypes.create_string_buffer(value)); return ctypes.addressof(kept[-1])
kept = []
"""


@pytest.fixture(autouse=True)
def permitted() -> None:
    switch = Path("/proc/sys/kernel/io_uring_disabled")
    if switch.exists() and switch.read_text().strip() == "2":
        pytest.skip("io_uring is switched off on this machine")


def told(witness: Witness, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == "kernel.io_uring" and r.pid == pid]


def test_ring_and_its_requests(witness: Witness, tmp_path: Path) -> None:
    place = str(tmp_path / "file")
    truth = trigger(
        RING + "r = Ring()\n"
        "assert r.submit(0) == 0\n"
        f"fd = r.submit(18, -100, text({place!r}.encode()), 0o644, 0, os.O_CREAT | os.O_WRONLY)\n"
        "assert fd >= 0, fd\n"
        "assert r.submit(19, fd) == 0\n"
        f"fd = r.submit(18, -100, text({place!r}.encode()), 0, 0, 0)\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.socket()\n"
        "address = struct.pack('<HH4s8x', 2, socket.htons(s.getsockname()[1]), bytes([127, 0, 0, 1]))\n"
        "assert r.submit(16, c.fileno(), text(address), 0, 16) == 0\n"
        f"removed = r.submit(36, -100, text({place!r}.encode()))\n"
        "say(removed=removed, there=os.path.exists("
        f"{place!r}))\n"
    )
    made, *requests = told(witness, truth["pid"])
    check_header(made, truth)
    assert made.ring == "prio"
    assert (made.io_operation, made.opcode, made.ring_flags, made.ring_entries) == (CREATE, 0, 0, 8)
    wanted = [OPENAT, CONNECT, *([UNLINKAT] if not truth["removed"] else [])]  # unlinkat came with 5.11
    assert [r.opcode for r in requests if r.opcode != UNLINKAT or not truth["removed"]] == wanted
    for request in requests:
        check_header(request, truth)
        assert (request.io_operation, request.ring_id) == (SUBMIT, made.ring_id)
    assert truth["there"] == bool(truth["removed"])


def test_each_ring_is_told_for_itself(witness: Witness) -> None:
    """So many that later rings lie where earlier ones lay."""
    count = 60
    truth = trigger(
        RING + f"for _ in range({count}):\n"
        "    r = Ring()\n"
        "    for _ in range(2): os.close(r.submit(18, -100, text(b'/dev/null')))\n"
        "    r.sq.close(); r.cq.close(); r.sqes.close(); os.close(r.fd); time.sleep(0.01)\n"
        "say()\n"
    )
    records = told(witness, truth["pid"])
    assert [r.io_operation for r in records] == [CREATE, SUBMIT] * count
    assert [r.opcode for r in records if r.io_operation == SUBMIT] == [OPENAT] * count
    assert len({r.ring_id for r in records}) < count


def test_requests_of_a_polling_ring_are_the_creators(witness: Witness) -> None:
    truth = trigger(
        RING + f"os.sched_setaffinity(0, range(os.cpu_count()))\nr = Ring({SQPOLL})\n"
        "result = r.submit(18, -100, text(b'/dev/null'))\n"
        "say(result=result)\n"
    )
    made, *requests = told(witness, truth["pid"])
    assert made.ring_flags == SQPOLL
    (request,) = requests
    assert (request.opcode, request.ring_id) == (OPENAT, made.ring_id)
    assert (request.pid, request.uid, request.ppid) == (truth["pid"], truth["uid"], truth["ppid"])
    tick = 10_000_000
    assert request.start_ns // tick == truth["start_ticks"]
    assert request.flags == 0
