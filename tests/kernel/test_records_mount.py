# SPDX-License-Identifier: Apache-2.0
"""filesystem.mount records of the calls beside mount(2): the new ones, and those on a mount that is there."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from innerwarden.model._wire import Flag, HookId
from tests.kernel.reader import Decoded, Witness, check_header, trigger
from tests.kernel.test_records_socket import COMPAT

pytestmark = pytest.mark.kernel

NOSUID, RDONLY = 2, 1  # MOUNT_ATTR_*

#: A private mount namespace, and a tmpfs made by the new calls.
PRIVATE = """
call(272, 0x20000)
call(165, None, b'/', None, 0x44000, None)
def new(source, attributes=0):
    fs = call(430, b'tmpfs', 0)
    call(431, fs, 1, b'source', source, 0)
    call(431, fs, 6, None, None, 0)
    return call(432, fs, 0, attributes)
"""


def told(witness: Witness, pid: int) -> list[Decoded]:
    """Without the namespace's own remount of /."""
    return [r for r in witness.drain() if r.kind == "filesystem.mount" and r.pid == pid and r.path != b"/"]


def test_mount_by_the_new_calls(witness: Witness, tmp_path: Path) -> None:
    truth = trigger(
        PRIVATE + f"m = new(b'the source', {NOSUID})\n"
        f"call(429, m, b'', -100, {str(tmp_path)!r}.encode(), 4)\n"
        "say(lines=[l.split()[:3] for l in open('/proc/self/mounts') if l.startswith('the\\\\040source')])\n"
    )
    made, moved = told(witness, truth["pid"])
    assert len(truth["lines"]) == 1 and truth["lines"][0][1:] == [str(tmp_path), "tmpfs"]
    check_header(made, truth)
    assert made.ring == "prio"
    assert (made.mount_call, made.source, made.fs_type, made.path) == (
        HookId.FSMOUNT,
        b"the source",
        b"tmpfs",
        None,
    )
    assert made.mount_flags == NOSUID
    check_header(moved, truth)
    assert (moved.mount_call, moved.source, moved.fs_type) == (HookId.MOVE_MOUNT, b"the source", b"tmpfs")
    assert moved.path.decode() == str(tmp_path)


def test_move_goes_to_the_directory_and_not_to_the_text(witness: Witness, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    truth = trigger(
        PRIVATE + f"call(429, new(b'x'), b'', -100, {str(tmp_path / 'link')!r}.encode(), 4 | 0x10)\nsay()\n"
    )
    assert told(witness, truth["pid"])[-1].path.decode() == str(tmp_path / "real")


def test_copy_of_a_tree_put_elsewhere(witness: Witness, tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    truth = trigger(
        PRIVATE + f"call(165, b'x', {str(source)!r}.encode(), b'tmpfs', 0, None)\n"
        f"call(428, -100, {str(source)!r}.encode(), 0x80000)\n"  # without OPEN_TREE_CLONE: no mount is made
        f"tree = call(428, -100, {str(source)!r}.encode(), 1)\n"
        f"call(429, tree, b'', -100, {str(target)!r}.encode(), 4)\n"
        "say()\n"
    )
    _mounted, opened, moved = told(witness, truth["pid"])
    check_header(opened, truth, flags=Flag.PATH_FROM_ARG)
    assert (opened.mount_call, opened.fs_type) == (HookId.OPEN_TREE, b"tmpfs")
    assert opened.source.decode() == str(source)
    assert opened.mount_flags == 1
    assert (moved.mount_call, moved.source, moved.fs_type) == (HookId.MOVE_MOUNT, b"x", b"tmpfs")
    assert moved.path.decode() == str(target)


def test_move_from_path_to_path(witness: Witness, tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    truth = trigger(
        PRIVATE + f"call(165, b'x', {str(source)!r}.encode(), b'tmpfs', 0, None)\n"
        f"call(429, -100, {str(source)!r}.encode(), -100, {str(target)!r}.encode(), 0)\n"
        "say()\n"
    )
    _mounted, moved = told(witness, truth["pid"])
    check_header(moved, truth, flags=Flag.PATH_FROM_ARG)
    assert (moved.source.decode(), moved.path.decode()) == (str(source), str(target))
    assert moved.fs_type is None


def test_unmounting(witness: Witness, tmp_path: Path) -> None:
    truth = trigger(
        PRIVATE + f"at = {str(tmp_path)!r}.encode()\n"
        "call(165, b'x', at, b'tmpfs', 0, None)\n"
        "call(166, at, 2)\n"
        "try: call(166, at, 0)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    _mounted, gone = told(witness, truth["pid"])
    check_header(gone, truth, flags=Flag.PATH_FROM_ARG)
    assert (gone.mount_call, gone.mount_flags) == (HookId.UMOUNT2, 2)
    assert gone.path.decode() == str(tmp_path)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the 32-bit calls of x86")
def test_unmounting_by_the_oldest_call(witness: Witness, tmp_path: Path) -> None:
    """32-bit umount has one argument; what the second register holds is no flag."""
    truth = trigger(
        COMPAT + PRIVATE + f"path = {str(tmp_path)!r}.encode()\n"
        "call(165, b'x', path, b'tmpfs', 0, None)\n"
        "at = low(4096); ctypes.memmove(at, path, len(path))\n"
        "compat(22, at, 7)\nsay()\n"
    )
    _mounted, gone = told(witness, truth["pid"])
    assert (gone.mount_call, gone.mount_flags) == (HookId.UMOUNT2, 0)
    assert gone.path.decode() == str(tmp_path)


def test_changed_attributes(witness: Witness, tmp_path: Path) -> None:
    truth = trigger(
        PRIVATE + f"at = {str(tmp_path)!r}.encode()\n"
        "call(165, b'x', at, b'tmpfs', 0, None)\n"
        f"change = struct.pack('<4Q', {RDONLY | NOSUID}, 0, 0, 0)\n"
        "try: call(442, -100, at, 0, change, len(change)); absent = False\n"
        "except OSError as error: absent = error.errno == 38\n"
        "say(absent=absent)\n"
    )
    if truth["absent"]:
        pytest.skip("mount_setattr came with 5.12")
    _mounted, changed = told(witness, truth["pid"])
    check_header(changed, truth, flags=Flag.PATH_FROM_ARG)
    assert (changed.mount_call, changed.mount_flags) == (HookId.MOUNT_SETATTR, RDONLY | NOSUID)
    assert changed.path.decode() == str(tmp_path)
