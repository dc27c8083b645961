# SPDX-License-Identifier: Apache-2.0
"""kernel.kexec, kernel.perf_event, kernel.port_access, credential.key and process.cgroup_move records."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.model._wire import HookId
from innerwarden.sensor.loader import KernelSource, cgroup2_root
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

READ, UPDATE, DESCRIBE, SETPERM = 11, 2, 6, 5


def told(witness: Witness, kind: str, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == kind and r.pid == pid]


def attached(source: KernelSource, name: str) -> None:
    (hook,) = [hook for hook in source.hooks if hook.name == name]
    if hook.state != "attached":
        pytest.skip(hook.reason)


def test_kexec_file_load_names_the_kernel(witness: Witness, source: KernelSource, tmp_path: Path) -> None:
    attached(source, "kexec_file_load")
    image = tmp_path / "vmlinuz"
    image.write_bytes(b"no kernel")
    truth = trigger(
        f"fd = os.open({str(image)!r}, os.O_RDONLY)\n"
        "try: call(320, fd, -1, 0, None, 4)\n"  # KEXEC_FILE_NO_INITRAMFS
        "except OSError as error: say(number=error.errno)\n"
    )
    (record,) = told(witness, "kernel.kexec", truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert (record.kexec_call, record.kexec_flags) == (HookId.KEXEC_FILE_LOAD, 4)
    assert record.call_errno == truth["number"]
    assert truth["number"] in {errno.ENOEXEC, errno.ENOSYS}  # the latter where the kernel is built without
    assert record.path.decode() == str(image)


def test_kexec_load_refused_and_granted(witness: Witness, source: KernelSource) -> None:
    attached(source, "kexec_load")
    truth = trigger(
        "numbers = []\n"
        "for flags in (0x10000000, 0):\n"  # not a flag; then no segments, which unloads what is not loaded
        "    try: call(246, 0, 0, None, flags); numbers.append(0)\n"
        "    except OSError as error: numbers.append(error.errno)\n"
        "say(numbers=numbers)\n"
    )
    records = told(witness, "kernel.kexec", truth["pid"])
    assert [r.kexec_call for r in records] == [HookId.KEXEC_LOAD] * 2
    assert [r.call_errno for r in records] == truth["numbers"]
    assert truth["numbers"] in ([errno.EINVAL, 0], [errno.ENOSYS] * 2)  # the latter where it is built without
    assert [r.kexec_flags for r in records] == [0x10000000, 0]


PERF = (
    "def perf(kind, config, pid):\n"
    "    return call(298, struct.pack('<IIQ', kind, 128, config).ljust(128, b'\\0'), pid, 0, -1, 0)\n"
)


def test_perf_event(witness: Witness) -> None:
    truth = trigger(
        PERF + "perf(1, 2, 0); perf(1, 3, -1)\n"  # software: page faults of oneself, context switches of all
        "try: perf(77, 1, 0)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    first, second = told(witness, "kernel.perf_event", truth["pid"])
    check_header(first, truth)
    assert (first.perf_type, first.perf_config, first.target_pid) == (1, 2, 0)
    assert (second.perf_type, second.perf_config, second.target_pid) == (1, 3, 4294967295)


def test_own_perf_events_are_silent(witness: Witness, source: KernelSource) -> None:
    truth = trigger(
        PERF + "pid = os.fork()\n"
        "if pid == 0:\n"
        "    sys.stdin.readline(); perf(1, 1, 0); os._exit(0)\n"
        "os.waitpid(pid, 0); say()\n",
        input=b"\n",
    )
    assert len([r for r in witness.drain() if r.kind == "kernel.perf_event" and r.ppid == truth["pid"]]) == 1
    assert source.own is not None
    root = cgroup2_root()
    assert root is not None
    group = root / "innerwarden-perf"
    group.mkdir()
    try:
        source.own.set_cgroup(group.stat().st_ino)
        silent = trigger(
            f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n" + PERF + "perf(1, 1, 0); say()\n"
        )
    finally:
        source.own.set_cgroup(0)
        group.rmdir()
    assert told(witness, "kernel.perf_event", silent["pid"]) == []


def test_ports(witness: Witness, source: KernelSource) -> None:
    attached(source, "ioperm")
    truth = trigger(
        "try: call(173, 0x378, 3, 1)\n"
        "except OSError as error: say(absent=error.errno == 38); sys.exit()\n"
        "call(173, 0x378, 3, 0); call(172, 3); call(172, 0); say(absent=False)\n"
    )
    if truth["absent"]:
        pytest.skip("this kernel is built without ioperm and iopl")
    some, every = told(witness, "kernel.port_access", truth["pid"])
    check_header(some, truth)
    assert (some.port_call, some.port_from, some.port_count) == (HookId.IOPERM, 0x378, 3)
    assert (every.port_call, every.port_from, every.port_count) == (HookId.IOPL, 3, 0)


def test_keys(witness: Witness, source: KernelSource) -> None:
    attached(source, "keyctl")
    truth = trigger(
        "ring = -2\n"  # KEY_SPEC_PROCESS_KEYRING
        "key = call(248, b'user', b'the password', b'secret', 6, ring)\n"
        "found = call(249, b'user', b'the password', None, ring)\n"
        "assert found == key\n"
        "call(250, 6, key, ctypes.create_string_buffer(99), 99, 0)\n"
        "call(250, 11, key, ctypes.create_string_buffer(99), 99, 0)\n"
        "call(250, 2, key, b'other', 5, 0)\n"
        "call(250, 5, key, 0x3f3f0000, 0, 0)\n"
        "try: call(249, b'user', b'no such key', None, 0)\n"
        "except OSError: pass\n"
        "try: call(250, 11, 1, None, 0, 0)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    added, requested, *operations = told(witness, "credential.key", truth["pid"])
    check_header(added, truth)
    assert added.ring == "prio"
    assert (added.key_call, added.key_operation, added.name) == (HookId.ADD_KEY, 0, b"user:the password")
    assert (requested.key_call, requested.name) == (HookId.REQUEST_KEY, b"user:the password")
    assert [r.key_operation for r in operations] == [READ, UPDATE, SETPERM]
    assert {(r.key_call, r.name) for r in operations} == {(HookId.KEYCTL, None)}


def test_longest_key_description(witness: Witness, source: KernelSource) -> None:
    attached(source, "add_key")
    name = "d" * 4000
    truth = trigger(f"call(248, b'user', {name!r}.encode(), b's', 1, -2); say()\n")
    (record,) = told(witness, "credential.key", truth["pid"])
    assert record.name == b"user:" + name.encode()


@pytest.fixture
def group() -> Iterator[Path]:
    root = cgroup2_root()
    assert root is not None
    place = root / "innerwarden-move"
    (place / "inner").mkdir(parents=True)
    yield place
    (place / "inner").rmdir()
    place.rmdir()


def test_move_of_another_process(witness: Witness, group: Path) -> None:
    truth = trigger(
        "import signal\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    while True: signal.pause()\n"
        "ticks = int(open(f'/proc/{child}/stat').read().rsplit(')', 1)[1].split()[19])\n"
        f"open({str(group / 'inner/cgroup.procs')!r}, 'w').write(str(child))\n"
        "os.kill(child, 9); os.waitpid(child, 0); say(child=child, ticks=ticks)\n"
    )
    (record,) = told(witness, "process.cgroup_move", truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert (record.target_pid, record.target_start_ns // 10_000_000) == (truth["child"], truth["ticks"])
    assert record.new_cgroup_id == (group / "inner").stat().st_ino
    assert record.path == b"/innerwarden-move/inner"


def test_move_of_oneself(witness: Witness, group: Path) -> None:
    truth = trigger(
        f"found = identity(); open({str(group / 'cgroup.procs')!r}, 'w').write('0'); print(json.dumps(found))\n"
    )
    (record,) = told(witness, "process.cgroup_move", truth["pid"])
    assert record.target_pid == truth["pid"]
    assert record.path == b"/innerwarden-move"
    assert record.cgroup_id == record.new_cgroup_id == group.stat().st_ino
