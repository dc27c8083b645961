# SPDX-License-Identifier: Apache-2.0
"""process.signal and process.rename records."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.errors import UsageError
from innerwarden.sensor.kernel_self import own_cgroup
from innerwarden.sensor.loader import KernelSource, cgroup2_root
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

SLEEPER = "import signal, os\nos.setuid(4321)\nprint('up', flush=True)\nwhile True: signal.pause()\n"


def told(witness: Witness, kind: str, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == kind and r.pid == pid]


def sleeper() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-S", "-c", SLEEPER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


@pytest.fixture
def victim(source: KernelSource) -> Iterator[subprocess.Popen[bytes]]:
    """A process of another user that is protected."""
    process = sleeper()
    source.protect(process.pid)
    yield process
    process.kill()
    process.wait(10)


def start_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL, signal.SIGUSR2])
def test_signal_to_a_protected_process(
    witness: Witness, victim: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    ticks = start_ticks(victim.pid)
    truth = trigger(f"os.kill({victim.pid}, {int(number)}); say()\n")
    (record,) = told(witness, "process.signal", truth["pid"])
    assert record.ring == "prio"
    check_header(record, truth)
    assert (record.target_pid, record.target_uid, record.signal) == (victim.pid, 4321, number)
    assert record.target_start_ns // 10_000_000 == ticks


WAYS = {
    "tgkill": "call(234, {pid}, {pid}, 15)",
    "tkill": "call(200, {pid}, 15)",
    "pidfd_send_signal": "call(424, os.pidfd_open({pid}), 15, None, 0)",
    # si_code -2, which the kernel gives to expired timers, chosen by the sender
    "rt_sigqueueinfo": "call(129, {pid}, 15, struct.pack('<iii', 15, 0, -2).ljust(128, b'\\0'))",
}


@pytest.mark.parametrize("name", sorted(WAYS))
def test_every_way_to_send(witness: Witness, victim: subprocess.Popen[bytes], name: str) -> None:
    truth = trigger(WAYS[name].format(pid=victim.pid) + "\nsay()\n")
    (record,) = told(witness, "process.signal", truth["pid"])
    assert (record.target_pid, record.signal) == (victim.pid, 15)


def test_signal_by_a_descriptors_owner(witness: Witness, victim: subprocess.Popen[bytes]) -> None:
    """F_SETOWN and F_SETSIG make the kernel send SIGTERM, with a positive si_code, when data arrives."""
    truth = trigger(
        "import fcntl\n"
        "a, b = socket.socketpair()\n"
        f"fcntl.fcntl(a, fcntl.F_SETOWN, {victim.pid}); fcntl.fcntl(a, 10, 15)\n"
        "fcntl.fcntl(a, fcntl.F_SETFL, fcntl.fcntl(a, fcntl.F_GETFL) | os.O_ASYNC)\n"
        "b.send(b'x'); say()\n"
    )
    assert {r.signal for r in told(witness, "process.signal", truth["pid"])} == {15}


def test_unprotected_targets_harmless_signals_and_oneself_are_silent(
    witness: Witness, victim: subprocess.Popen[bytes]
) -> None:
    other = sleeper()
    truth = trigger(
        f"os.kill({other.pid}, 15); os.kill({victim.pid}, 0); os.kill({victim.pid}, 28)\n"
        f"os.kill({victim.pid}, 17); os.kill({victim.pid}, 18)\n"  # SIGWINCH, SIGCHLD, SIGCONT
        f"os.kill({victim.pid}, 15); say()\n"
    )
    other.wait(10)
    assert [r.signal for r in told(witness, "process.signal", truth["pid"])] == [15]


def test_our_own_signals_are_silent(
    witness: Witness, source: KernelSource, victim: subprocess.Popen[bytes]
) -> None:
    code = f"import os, sys\nsys.stdin.readline()\nos.kill({victim.pid}, 15)\nos.kill({victim.pid}, 1)\n"
    ours = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
    source.add_self(ours.pid)
    ours.communicate(b"\n", 10)
    assert told(witness, "process.signal", ours.pid) == []


def test_a_protected_id_that_another_process_has_now(
    witness: Witness, source: KernelSource, victim: subprocess.Popen[bytes]
) -> None:
    assert source._object is not None
    protected = source._object.maps["iw_protected"]
    before = struct.pack("<Q", start_ticks(victim.pid) * 10_000_000 - 1_000_000_000)
    protected.update(struct.pack("<I", victim.pid), before)
    truth = trigger(f"os.kill({victim.pid}, 1); say()\n")
    assert told(witness, "process.signal", truth["pid"]) == []


def test_entries_of_the_dead_make_room(source: KernelSource) -> None:
    assert source.own is not None
    first = sleeper()
    source.protect(first.pid)
    first.kill()
    first.wait(10)
    second = sleeper()
    source.protect(second.pid)
    protected = source.own.protected()
    second.kill()
    second.wait(10)
    assert second.pid in protected and first.pid not in protected
    with pytest.raises(UsageError):
        source.protect(first.pid)


def test_sensor_and_the_first_process_are_protected(source: KernelSource) -> None:
    assert source.own is not None
    assert {1, os.getpid()} <= source.own.protected()


@pytest.fixture
def group() -> Iterator[Path]:
    root = cgroup2_root()
    assert root is not None
    place = root / "innerwarden-test"
    place.mkdir()
    yield place
    place.rmdir()


def test_processes_of_our_cgroup_are_left_out(witness: Witness, source: KernelSource, group: Path) -> None:
    assert source.own is not None
    move = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n"
    work = (
        "import tempfile\n"
        "with tempfile.TemporaryDirectory() as d: open(d + '/authorized_keys', 'w').close()\n"
        "say()\n"
    )
    told_pid = trigger(move + work)["pid"]
    source.own.set_cgroup(group.stat().st_ino)
    try:
        silent_pid, outside_pid = trigger(move + work)["pid"], trigger(work)["pid"]
    finally:
        source.own.set_cgroup(0)
    opened = [r.pid for r in witness.drain() if r.kind == "file.open"]
    assert opened.count(told_pid) == opened.count(outside_pid) == 1
    assert silent_pid not in opened


def test_only_a_cgroup_without_strangers_is_ours(group: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, {path!r})\n"
        "from pathlib import Path\n"
        "from innerwarden.sensor.kernel_self import own_cgroup\n"
        "import subprocess\n"
        "root, group = Path({root!r}), Path({group!r})\n"
        "found = [own_cgroup(root)]\n"
        "(group / 'cgroup.procs').write_text('0')\n"
        "found.append(own_cgroup(root))\n"
        "child = subprocess.Popen(['sleep', '100'])\n"
        "found.append(own_cgroup(root))\n"
        "(group / 'cgroup.procs').write_text({stranger!r})\n"
        "found.append(own_cgroup(root))\n"
        "child.kill(); child.wait()\n"
        "print(found)\n"
    )
    stranger = sleeper()
    root = cgroup2_root()
    text = code.format(
        path=str(Path(__file__).parents[2]), root=str(root), group=str(group), stranger=str(stranger.pid)
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, timeout=60)
    inode = group.stat().st_ino
    stranger.kill()
    stranger.wait(10)
    assert done.stdout.decode().strip() == str([0, inode, inode, 0])
    assert root is not None and own_cgroup(root) == 0


NAMES = [b"[kworker/0:1]", b"kworker/u8:2", b"ksoftirqd/0", b"kthreadd", b"migration/1", b"rcu_sched"]


@pytest.mark.parametrize("name", [*NAMES, b"kswapd0", b"watchdogd", b"jbd2/vda1-8"])
def test_a_name_of_a_kernel_thread(witness: Witness, name: bytes) -> None:
    truth = trigger(f"found = identity(); call(157, 15, {name!r}); print(json.dumps(found))\n")
    (record,) = told(witness, "process.rename", truth["pid"])
    check_header(record, truth)  # comm: the former name
    assert record.ring == "prio"
    assert record.name == name


@pytest.mark.parametrize("name", [b"worker/0", b"k", b"", b"my kworker", b"rc", b"kwork", b"nginx: [x]"])
def test_other_names_are_silent(witness: Witness, name: bytes) -> None:
    truth = trigger(f"call(157, 15, {name!r}); say()\n")
    assert told(witness, "process.rename", truth["pid"]) == []


def test_a_name_written_to_another_thread(witness: Witness) -> None:
    truth = trigger(
        "import threading\n"
        "e, up = threading.Event(), threading.Event(); tids = []\n"
        "def run(): tids.append(threading.get_native_id()); up.set(); e.wait()\n"
        "t = threading.Thread(target=run); t.start(); up.wait()\n"
        "open(f'/proc/self/task/{tids[0]}/comm', 'w').write('kworker/7:7')\n"
        "e.set(); t.join(); say(thread=tids[0])\n"
    )
    (record,) = told(witness, "process.rename", truth["pid"])
    assert (record.tid, record.name) == (truth["thread"], b"kworker/7:7")


def test_exec_of_a_file_with_such_a_name(witness: Witness, tmp_path: Path) -> None:
    copy = tmp_path / "kworker"
    copy.write_bytes(Path("/bin/true").read_bytes())
    copy.chmod(0o755)
    child = subprocess.Popen([copy])
    child.wait(10)
    (record,) = told(witness, "process.rename", child.pid)
    assert record.name == b"kworker"
