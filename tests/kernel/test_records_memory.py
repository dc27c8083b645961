# SPDX-License-Identifier: Apache-2.0
"""process.memory_exec and process.memory_access records against /proc/self/maps and the target's own word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.model._wire import Access, MemoryFlag
from tests.kernel.conftest import Way
from tests.kernel.reader import COMPAT, Decoded, check_header, trigger

pytestmark = pytest.mark.kernel

KIND = "process.memory_exec"
ACCESS = "process.memory_access"
READ, WRITE, EXEC = 1, 2, 4

#: Raw mmap and mprotect, and what /proc says of an address: (start, end, permissions, inode, path).
MAPS = """
MAP = ctypes.c_long
def mmap(length, protection, flags, fd=-1):
    libc.syscall.restype = ctypes.c_ulong
    at = libc.syscall(MAP(9), MAP(0), MAP(length), MAP(protection), MAP(flags), MAP(fd), MAP(0))
    assert at < 2**64 - 4096, at - 2**64
    libc.syscall.restype = ctypes.c_long
    return at
def mprotect(at, length, protection):
    call(10, MAP(at), MAP(length), MAP(protection))
def pkey_mprotect(at, length, protection):
    call(329, MAP(at), MAP(length), MAP(protection), MAP(-1))
def mapping(at):
    for line in open('/proc/self/maps'):
        parts = line.split(None, 5)
        start, end = (int(n, 16) for n in parts[0].split('-'))
        if start <= at < end:
            return [start, end, parts[1], int(parts[4]), parts[5].rstrip() if len(parts) > 5 else '']
"""


def page(number: int = 1) -> int:
    return number * os.sysconf("SC_PAGE_SIZE")


def test_writable_and_executable(way: Way) -> None:
    truth = trigger(f"{MAPS}\nat = mmap({page(3)}, 7, 0x22)\nsay(at=at, map=mapping(at))\n")
    (record,) = way.all(KIND, truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert (record.address, record.length) == (truth["at"], page(3))
    assert truth["map"][2] == "rwxp"
    assert record.protection == READ | WRITE | EXEC
    assert record.memory_flags == MemoryFlag.RWX | MemoryFlag.ANONYMOUS
    assert (record.inode, record.dev, record.path) == (0, 0, None)


def test_what_every_program_maps_is_silent(way: Way, tmp_path: Path) -> None:
    """Its libraries, anonymous memory, and a page that is filled and then made executable but not writable."""
    tmp_path.chmod(0o755)
    truth = trigger(
        f"{MAPS}\nimport ssl, sqlite3, decimal\n"
        f"at = mmap({page()}, 3, 0x22); mprotect(at, {page()}, 5); mmap({page()}, 1, 0x22)\n"
        "fd = os.open(sys.executable, os.O_RDONLY); mmap(4096, 5, 2, fd); say()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


FILES = {
    "memfd": ("fd = os.memfd_create('payload'); os.ftruncate(fd, 4096)", MemoryFlag.MEMFD),
    "deleted": (
        "fd = os.open(d + '/x', os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 4096); os.unlink(d + '/x')",
        MemoryFlag.DELETED,
    ),
    "open directory": (
        "os.mkdir(d + '/open'); os.chmod(d + '/open', 0o1777); os.mkdir(d + '/open/deeper')\n"
        "fd = os.open(d + '/open/deeper/x', os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 4096)",
        MemoryFlag.WORLD_WRITABLE,
    ),
}


@pytest.mark.parametrize("kind", sorted(FILES))
@pytest.mark.parametrize("writable", [False, True])
def test_code_from_a_file_of_no_program(way: Way, quiet_directory: Path, kind: str, writable: bool) -> None:
    make, flag = FILES[kind]
    protection = READ | EXEC | (WRITE if writable else 0)
    truth = trigger(
        f"{MAPS}\nd = {str(quiet_directory)!r}\n{make}\nat = mmap(4096, {protection}, 2, fd)\n"
        "status = os.fstat(fd)\n"
        "say(at=at, map=mapping(at), dev=os.major(status.st_dev) << 20 | os.minor(status.st_dev),\n"
        "    inode=status.st_ino)\n"
    )
    (record,) = way.all(KIND, truth["pid"])
    check_header(record, truth)
    assert (record.address, record.length, record.protection) == (truth["at"], 4096, protection)
    assert record.memory_flags == flag | (MemoryFlag.RWX if writable else 0)
    assert (record.inode, record.dev) == (truth["inode"], truth["dev"])
    assert record.inode == truth["map"][3]
    # /proc adds the words to the name; the record has them as flags.
    assert truth["map"][4].removesuffix(" (deleted)") == record.path.decode()


@pytest.fixture
def quiet_directory() -> Iterator[Path]:
    """Not below a world-writable directory, as a test's usual one is."""
    place = Path(f"/var/lib/innerwarden-test-{os.getpid()}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, mode=0o755)
    yield place
    shutil.rmtree(place)


PROTECTORS = ("mprotect", "pkey_mprotect")


@pytest.mark.parametrize("call", PROTECTORS)
def test_made_writable_and_executable_later(way: Way, call: str) -> None:
    truth = trigger(
        f"{MAPS}\nat = mmap({page(2)}, 3, 0x22)\n{call}(at, {page(2)}, 7)\nsay(at=at, map=mapping(at))\n"
    )
    (record,) = way.all(KIND, truth["pid"])
    check_header(record, truth)
    assert record.protection == READ | WRITE | EXEC
    assert record.memory_flags & MemoryFlag.RWX
    assert record.address <= truth["at"] < record.address + record.length
    if way.text:
        assert (record.address, record.length) == (truth["at"], page(2))


@pytest.mark.parametrize("place", ["[stack]", "[heap]"])
@pytest.mark.parametrize("protection", [READ | EXEC, READ | WRITE | EXEC])
def test_old_memory_made_executable(way: Way, place: str, protection: int) -> None:
    """In a child: the pages are given back as they were before it goes on."""
    truth = trigger(
        f"{MAPS}\nrow = [l for l in open('/proc/self/maps') if {place!r} in l][0].split()[0]\n"
        "start, end = (int(n, 16) for n in row.split('-'))\n"
        f"at = start if {place!r} == '[stack]' else end - {page()}\n"
        f"mprotect(at, {page()}, {protection}); mprotect(at, {page()}, 3)\nsay(at=at)\n"
    )
    (record,) = way.all(KIND, truth["pid"])
    assert record.protection == protection
    assert record.address <= truth["at"] < record.address + record.length
    stack = MemoryFlag.STACK if place == "[stack]" else 0
    rwx = MemoryFlag.RWX if protection & WRITE else 0
    assert record.memory_flags == MemoryFlag.ANONYMOUS | stack | rwx


def test_a_memory_file_filled_first_and_made_executable_then(way: Way) -> None:
    """Only the mapping itself tells what lies behind it."""
    truth = trigger(
        f"{MAPS}\nfd = os.memfd_create('payload'); os.ftruncate(fd, 4096)\n"
        "at = mmap(4096, 3, 1, fd); mprotect(at, 4096, 5)\nsay(inode=os.fstat(fd).st_ino)\n"
    )
    records = way.all(KIND, truth["pid"])
    if way.text:
        assert records == []
        return
    (record,) = records
    assert record.memory_flags == MemoryFlag.MEMFD
    assert record.inode == truth["inode"]
    assert record.path.endswith(b"memfd:payload")


def test_read_implies_exec(way: Way) -> None:
    """personality(2): whatever is readable is executable, and no call asks for it."""
    truth = trigger(
        f"{MAPS}\ncall(135, MAP(0x0400000)); at = mmap(4096, 3, 0x22)\nsay(at=at, map=mapping(at))\n"
    )
    records = [r for r in way.all(KIND, truth["pid"]) if r.address == truth["at"]]
    assert truth["map"][2] == "rwxp"
    assert [r.protection for r in records] == [READ | WRITE | EXEC]


def test_one_process_does_not_flood(way: Way) -> None:
    """One by one to eight, then the 16th, 32nd and 64th; another flavour has a count of its own."""
    before = way.source.stats()["filtered"][KIND]
    truth = trigger(
        f"{MAPS}\nfor n in range(100): mmap(4096, 7, 0x22)\n"
        "fd = os.memfd_create('x'); os.ftruncate(fd, 4096); mmap(4096, 5, 2, fd); say()\n"
    )
    records = way.all(KIND, truth["pid"])
    flavours = [r.memory_flags for r in records]
    assert flavours.count(MemoryFlag.RWX | MemoryFlag.ANONYMOUS) == 8 + 3
    assert flavours[-1] == MemoryFlag.MEMFD
    assert way.source.stats()["filtered"][KIND] - before >= 100 - 11


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86 has a 32-bit entry for 64-bit processes")
@pytest.mark.parametrize(("number", "packed"), [(90, True), (192, False)])
def test_32_bit_mmap(way: Way, number: int, packed: bool) -> None:
    """The first one passes its arguments in memory."""
    arguments = "struct.pack('<6I', 0, 4096, 7, 0x22, 0xffffffff, 0)" if packed else "0, 4096, 7, 0x22, -1"
    code = COMPAT.replace("if result < 0:", "if -4096 < result < 0:")
    truth = trigger(f"{code}\nat = call32({number}, {arguments})\nsay(at=at & 0xffffffff)\n")
    records = way.all(KIND, truth["pid"])
    assert truth["at"] in [r.address for r in records]
    assert {r.memory_flags for r in records} == {MemoryFlag.RWX | MemoryFlag.ANONYMOUS}


#: Somebody else only once it runs: the interpreter may lie where nobody else may read.
TARGET = "import os, sys; os.setgid(65534); os.setuid(65534); print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def target() -> Iterator[subprocess.Popen[bytes]]:
    """A process of another user that waits."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    process.stdout.close()


def accesses(way: Way, pid: int) -> list[Decoded]:
    """Through the memory file; the access check that the kernel makes for it has a record of its own."""
    return [r for r in way.all(ACCESS, pid) if r.access_kind != Access.CHECK]


@pytest.mark.parametrize("place", ["mem", "task/{}/mem"])
@pytest.mark.parametrize("mode", [os.O_WRONLY, os.O_RDWR])
def test_anothers_memory_file(way: Way, target: subprocess.Popen[bytes], place: str, mode: int) -> None:
    path = f"/proc/{target.pid}/{place.format(target.pid)}"
    truth = trigger(f"os.close(os.open({path!r}, {mode})); say()\n")
    (record,) = accesses(way, truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert record.access_kind == Access.MEM_FILE
    assert (record.target_pid, record.target_uid) == (target.pid, 65534)
    fields = Path(f"/proc/{target.pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert record.target_start_ns // (10**9 // os.sysconf("SC_CLK_TCK")) == int(fields[19])
    assert record.target_mnt_ns == Path(f"/proc/{target.pid}/ns/mnt").stat().st_ino


def test_own_memory_reads_and_files_of_that_name_are_no_access(
    way: Way, target: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    truth = trigger(
        f"os.open('/proc/self/mem', os.O_RDWR); os.open('/proc/{target.pid}/mem', os.O_RDONLY)\n"
        f"open({str(tmp_path / 'mem')!r}, 'w'); say()\n"
    )
    assert accesses(way, truth["pid"]) == []
