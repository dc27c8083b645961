# SPDX-License-Identifier: Apache-2.0
"""process.namespace records: flags and inodes against what the acting process finds in its own /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Flag, HookId
from tests.kernel.reader import COMPAT, Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET, NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x80
ALL = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET

#: `ns` reads inodes; `spawn` makes a child by `clone` or `clone3` that waits until it may end.
HELPERS = f"""
def ns(pid='self'):
    return [os.stat(f'/proc/{{pid}}/ns/{{what}}').st_ino for what in ('user', 'net', 'mnt')]
def spawn(flags, new_call):
    go = os.pipe()
    if new_call:
        block = struct.pack('<QQQQQQQQ', flags, 0, 0, 0, 17, 0, 0, 0)
        child = call(435, block, len(block))
    else:
        child = call(56, flags | 17, None, None, None, None)
    if child == 0:
        os.close(go[1]); os.read(go[0], 1); os._exit(0)
    return child, go[1]
def end(child, go):
    os.close(go); os.waitpid(child, 0)
ALL = {ALL}
"""


def told(witness: Witness, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == "process.namespace" and r.pid == pid]


@pytest.mark.parametrize("flags", [NEWNS, NEWUTS | NEWIPC, NEWUSER, NEWNET, NEWPID, NEWTIME, ALL])
def test_unshare_tells_what_was_left_and_what_was_got(witness: Witness, flags: int) -> None:
    truth = trigger(HELPERS + f"before = ns(); call(272, {flags}); say(before=before, ns=ns())\n")
    (record,) = told(witness, truth["pid"])
    assert record.ring == "prio"
    host_ids = {"uid": 0, "gid": 0, "euid": 0}  # which the new user namespace shows to nobody inside
    check_header(record, truth | host_ids)
    assert record.namespace_call == HookId.UNSHARE
    assert record.namespace_flags == flags
    assert [record.user_ns, record.net_ns, record.mnt_ns] == truth["ns"]
    changed = [a != b for a, b in zip(truth["before"], truth["ns"], strict=True)]
    # A new user namespace alone brings no other; so the values told are not simply those from before.
    assert changed == [bool(flags & f) for f in (NEWUSER, NEWNET, NEWNS)]
    assert (record.child_pid, record.path) == (0, None)


def test_a_32_bit_call_with_the_traces_of_a_64_bit_one_is_told(witness: Witness) -> None:
    """Number 310: unshare of 32-bit calls, process_vm_readv of 64-bit ones."""
    truth = trigger(f"{COMPAT}\ncall32(310, {NEWUTS}, sly=True)\nsay()\n")
    records = [record for record in witness.drain() if record.pid == truth["pid"]]
    (record,) = [record for record in records if record.kind == "process.namespace"]
    assert (record.namespace_call, record.namespace_flags) == (HookId.UNSHARE, NEWUTS)
    (compat,) = [record for record in records if record.kind == "process.compat_syscall"]
    assert compat.syscall_nr == 310


def test_unshare_of_other_things_and_a_refused_one_are_silent(witness: Witness) -> None:
    truth = trigger(
        "call(272, 0x400 | 0x200)\n"  # CLONE_FILES, CLONE_FS
        "try: call(272, 0x1)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert told(witness, truth["pid"]) == []


@pytest.mark.parametrize("by_number", [True, False])
def test_setns_names_the_kind_of_namespace(witness: Witness, by_number: bool) -> None:
    truth = trigger(
        HELPERS + "child, go = spawn(0x40000000, False)\n"
        "fd = os.open(f'/proc/{child}/ns/net', os.O_RDONLY)\n"
        f"call(308, fd, {NEWNET if by_number else 0})\n"
        "theirs = ns(child); end(child, go); say(ns=ns(), theirs=theirs)\n"
    )
    _clone, record = told(witness, truth["pid"])
    check_header(record, truth)
    assert record.namespace_call == HookId.SETNS
    assert record.namespace_flags == NEWNET
    assert record.net_ns == truth["theirs"][1] == truth["ns"][1]
    assert record.user_ns == truth["ns"][0]


@pytest.mark.parametrize("new_call", [False, True])
@pytest.mark.parametrize("flags", [NEWNET, NEWUSER, NEWPID | NEWNS, ALL])
def test_clone_tells_the_child_and_its_namespaces(witness: Witness, flags: int, new_call: bool) -> None:
    truth = trigger(
        HELPERS + f"child, go = spawn({flags}, {new_call})\n"
        "theirs = ns(child); end(child, go); say(child=child, theirs=theirs, ns=ns())\n"
    )
    (record,) = told(witness, truth["pid"])
    check_header(record, truth)
    assert record.namespace_call == (HookId.CLONE3 if new_call else HookId.CLONE)
    assert record.namespace_flags == flags
    assert record.child_pid == truth["child"]
    assert [record.user_ns, record.net_ns] == truth["theirs"][:2]
    assert (record.user_ns != truth["ns"][0]) == bool(flags & NEWUSER)


def test_clone3_with_a_time_namespace(witness: Witness) -> None:
    truth = trigger(HELPERS + f"child, go = spawn({NEWTIME}, True); end(child, go); say(child=child)\n")
    (record,) = told(witness, truth["pid"])
    assert (record.namespace_flags, record.child_pid) == (NEWTIME, truth["child"])


def test_child_of_a_caller_in_a_pid_namespace_has_its_host_id(witness: Witness) -> None:
    truth = trigger(
        HELPERS + "call(272, 0x20000000)\n"
        "back = os.pipe()\n"
        "inner = os.fork()\n"
        "if inner == 0:\n"
        "    said = os.pipe()\n"
        "    child = call(56, 0x40000000 | 17, None, None, None, None)\n"
        "    if child == 0:\n"
        "        os.write(said[1], os.readlink('/proc/self').encode()); os._exit(0)\n"
        "    host = int(os.read(said[0], 20)); os.waitpid(child, 0)\n"
        "    os.write(back[1], json.dumps([child, host]).encode()); os._exit(0)\n"
        "os.waitpid(inner, 0)\n"
        "say(inner=inner, numbers=json.loads(os.read(back[0], 99)))\n"
    )
    seen_inside, host = truth["numbers"]
    (record,) = told(witness, truth["inner"])
    assert seen_inside == 2 != host
    assert record.child_pid == host
    assert record.namespace_flags == NEWNET


def test_ordinary_children_and_threads_are_silent(witness: Witness) -> None:
    truth = trigger(
        HELPERS + "import threading\n"
        "for new_call in (False, True):\n"
        "    child, go = spawn(0, new_call); end(child, go)\n"
        "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
        "child, go = spawn(0x40000000, False); end(child, go)\n"
        "for new_call in (False, True):\n"
        "    child, go = spawn(0, new_call); end(child, go)\n"
        "say()\n"
    )
    assert [r.namespace_flags for r in told(witness, truth["pid"])] == [NEWNET]


def test_children_of_an_unshared_parent_made_nothing_themselves(witness: Witness) -> None:
    truth = trigger(
        HELPERS + f"call(272, {NEWPID | NEWNET})\nchild, go = spawn(0, False); end(child, go); say()\n"
    )
    assert [r.namespace_call for r in told(witness, truth["pid"])] == [HookId.UNSHARE]


def test_chroot_is_the_directory_and_not_the_text(witness: Witness, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    truth = trigger(
        HELPERS
        + f"facts = dict(ns=ns()); found = identity(); call(161, {str(tmp_path / 'link')!r}.encode())\n"
        "print(json.dumps({**found, **facts}))\n"
    )
    (record,) = told(witness, truth["pid"])
    check_header(record, truth)
    assert record.namespace_call == HookId.CHROOT
    assert record.path.decode() == str(tmp_path / "real")
    assert [record.user_ns, record.net_ns] == truth["ns"][:2]
    assert record.namespace_flags == 0


def test_pivot_root(witness: Witness, tmp_path: Path) -> None:
    """The root to leave is a mount of the test's own: the virtual machine's first root cannot be left."""
    truth = trigger(
        HELPERS + f"call(272, {NEWNS})\n"
        "call(165, None, b'/', None, 0x44000, None)\n"
        f"first = {str(tmp_path)!r}.encode()\n"
        "call(165, b'tmpfs', first, b'tmpfs', 0, None)\n"
        "found = identity()\n"
        "os.chroot(first); os.chdir('/'); os.mkdir('/new root')\n"
        "call(165, b'tmpfs', b'/new root', b'tmpfs', 0, None)\n"
        "call(155, b'/new root', b'/new root')\n"
        "print(json.dumps(found))\n"
    )
    _unshare, _chroot, record = told(witness, truth["pid"])
    check_header(record, truth, flags=Flag.PATH_FROM_ARG)
    assert record.namespace_call == HookId.PIVOT_ROOT
    assert record.path == b"/new root"
