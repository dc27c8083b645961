# SPDX-License-Identifier: Apache-2.0
"""credential.change, filesystem.mount and kernel.bpf records; the module hooks, where the kernel has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Flag
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel


def only(witness: Witness, kind: str, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == kind and r.pid == pid]


CAPS = (
    "cap = lambda: int([l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1], 16)\n"
)

#: call -> (code, syscall number, uid, euid, gid after)
CHANGES = {
    "setuid": ("call(105, 1234)", 105, 1234, 1234, 0),
    "setreuid": ("call(113, 11, 12)", 113, 11, 12, 0),
    "setresuid": ("call(117, 21, 22, 23)", 117, 21, 22, 0),
    "setgid": ("call(106, 77)", 106, 0, 0, 77),
    "setregid": ("call(114, 78, 78)", 114, 0, 0, 78),
    "setresgid": ("call(119, 79, 79, 79)", 119, 0, 0, 79),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_identity_before_and_after(witness: Witness, name: str) -> None:
    code, number, uid, euid, gid = CHANGES[name]
    truth = trigger(f"{CAPS}old = cap()\n{code}\nsay(old=old, new=cap())\n")
    (record,) = only(witness, "credential.change", truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert (record.uid, record.euid, record.gid) == (uid, euid, gid)
    assert (record.old_uid, record.old_euid, record.old_gid) == (0, 0, 0)
    assert record.syscall_nr == number
    assert (record.old_cap_effective, record.cap_effective) == (truth["old"], truth["new"])


def test_capset(witness: Witness) -> None:
    truth = trigger(
        CAPS + "old = cap()\n"
        "header = struct.pack('<Ii', 0x20080522, 0)\n"
        "call(126, header, struct.pack('<6I', 1 << 21, 1 << 21, 0, 0, 0, 0))\n"
        "say(old=old, new=cap())\n"
    )
    (record,) = only(witness, "credential.change", truth["pid"])
    assert record.cap_effective == truth["new"] == 1 << 21
    assert record.old_cap_effective == truth["old"]
    assert record.syscall_nr == 126


def test_no_change_and_refusal_are_silent(witness: Witness, source: KernelSource) -> None:
    unpaired = source.stats()["unpaired"]["credential.change"]
    truth = trigger(
        "call(105, 0); call(117, -1, -1, -1)\n"
        "call(117, 5, 5, 5)\n"
        "try: call(105, 0)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert [r.syscall_nr for r in only(witness, "credential.change", truth["pid"])] == [117]
    assert source.stats()["unpaired"]["credential.change"] == unpaired


def test_mount(witness: Witness, tmp_path: Path) -> None:
    truth = trigger(
        "libc.unshare(0x20000)\n"
        "call(165, None, b'/', None, 0x44000, None)\n"
        f"call(165, b'the source', {str(tmp_path)!r}.encode(), b'tmpfs', 2 | 4, None)\n"
        "say()\n"
    )
    private, mounted = only(witness, "filesystem.mount", truth["pid"])
    assert (private.source, private.fs_type, private.path) == (None, None, b"/")
    check_header(mounted, truth, flags=Flag.PATH_FROM_ARG)
    assert mounted.source == b"the source"
    assert mounted.path.decode() == str(tmp_path)
    assert mounted.fs_type == b"tmpfs"
    assert mounted.mount_flags == 2 | 4


def test_bpf_programs_of_others(witness: Witness) -> None:
    truth = trigger(
        "code = struct.pack('<BBhi', 0xb7, 0, 0, 0) + struct.pack('<BBhi', 0x95, 0, 0, 0)\n"
        "text = ctypes.create_string_buffer(code); gpl = ctypes.create_string_buffer(b'GPL')\n"
        "addresses = ctypes.addressof(text), ctypes.addressof(gpl)\n"
        "attr = struct.pack('<IIQQIIQII16s', 17, 2, *addresses, 0, 0, 0, 0, 0, b'rootkit')\n"
        "buffer = ctypes.create_string_buffer(attr.ljust(128, b'\\0'), 128)\n"
        "prog = call(321, 5, buffer, 128)\n"
        "name = ctypes.create_string_buffer(b'sys_enter')\n"
        "attr = struct.pack('<QI', ctypes.addressof(name), prog)\n"
        "raw = ctypes.create_string_buffer(attr.ljust(128, b'\\0'), 128)\n"
        "call(321, 17, raw, 128)\n"
        "say()\n"
    )
    loaded, opened = only(witness, "kernel.bpf", truth["pid"])
    check_header(loaded, truth)
    assert (loaded.bpf_command, loaded.program_type, loaded.name) == (5, 17, b"rootkit")
    assert (opened.bpf_command, opened.program_type, opened.name) == (17, 17, b"rootkit")


def test_bpf_map_traffic_is_silent(witness: Witness) -> None:
    truth = trigger(
        "attr = ctypes.create_string_buffer(struct.pack('<4I', 2, 4, 4, 1).ljust(128, b'\\0'), 128)\n"
        "fd = call(321, 0, attr, 128)\n"
        "key = ctypes.create_string_buffer(bytes(4)); value = ctypes.create_string_buffer(b'abcd')\n"
        "where = struct.pack('<IIQQQ', fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)\n"
        "call(321, 2, ctypes.create_string_buffer(where.ljust(128, b'\\0'), 128), 128)\n"
        "say()\n"
    )
    assert only(witness, "kernel.bpf", truth["pid"]) == []


def test_module_hooks_are_attached_or_say_why_not(source: KernelSource) -> None:
    states = {hook.name: hook for hook in source.hooks if "kernel.module_load" in hook.kind}
    assert set(states) == {"init_module", "finit_module", "module_load"}
    has_modules = Path("/proc/modules").exists()
    assert states["init_module"].state == states["finit_module"].state == "attached"
    assert states["module_load"].state == ("attached" if has_modules else "absent")
    assert has_modules or "no tracepoint" in states["module_load"].reason


def test_module_calls_are_told_even_when_refused(witness: Witness, tmp_path: Path) -> None:
    target = tmp_path / "evil.ko"
    target.write_bytes(b"not a module")
    truth = trigger(
        f"fd = os.open({str(target)!r}, os.O_RDONLY)\n"
        "for arguments in ((313, fd, b'', 0), (175, b'x', 1, b'')):\n"
        "    try: call(*arguments)\n"
        "    except OSError: pass\n"
        "say()\n"
    )
    by_fd, by_memory = only(witness, "kernel.module_load", truth["pid"])
    check_header(by_fd, truth)
    assert (by_fd.load_stage, by_fd.path.decode(), by_fd.name) == (2, str(target), None)
    assert (by_memory.load_stage, by_memory.path, by_memory.name) == (1, None, None)


def test_a_loaded_module_is_named(witness: Witness) -> None:
    module = next(iter(Path("/modules").glob("*-dummy.ko")), None)
    if module is None:
        pytest.skip("needs a kernel with the dummy module at /modules, as the VM tests have")
    truth = trigger(
        f"call(176, b'dummy', 0)\ncall(313, os.open({str(module)!r}, os.O_RDONLY), b'', 0)\nsay()\n"
    )
    stages = {r.load_stage: r for r in only(witness, "kernel.module_load", truth["pid"])}
    assert stages[2].path.decode() == str(module)
    assert stages[3].name == b"dummy"
    assert stages[3].taints == 0
