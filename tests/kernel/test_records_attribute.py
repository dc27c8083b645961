# SPDX-License-Identifier: Apache-2.0
"""file.attribute records against stat and getxattr: mode, owner, extended attributes, times, size."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from innerwarden.model._wire import Attribute, Flag
from tests.kernel.conftest import Way
from tests.kernel.reader import COMPAT, Decoded, check_header, trigger

pytestmark = pytest.mark.kernel

KIND = "file.attribute"
UNCHANGED = 4294967295
BY_NAME, BY_FILE = "name", "file"


def dev(number: int) -> int:
    return os.major(number) << 20 | os.minor(number)


def one(way: Way, tmp_path: Path, name: str, code: str, *, by: str, objects: bool = True) -> Decoded:
    """The one record of `code`, which acts on d/name; its identity checked as far as that way of telling knows it.

    `objects`: where hooks on objects are attached, one of them tells of this call.
    """
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    target.touch()
    target.chmod(0o640)
    truth = trigger(f"d = {str(tmp_path)!r}; path = (d + '/{name}').encode()\n{code}\nsay()\n")
    (record,) = way.only(KIND, truth["pid"], tmp_path)
    text = by == BY_NAME and (way.text or not objects)
    check_header(record, truth, flags=Flag.PATH_FROM_ARG if text else 0)
    assert record.path.decode() == str(target)
    status = target.stat()
    if text:
        assert (record.inode, record.dev) == (0, 0)
    else:
        assert (record.inode, record.dev, record.mode) == (status.st_ino, dev(status.st_dev), status.st_mode)
    return record


MODES = {
    "chmod": (BY_NAME, "call(90, path, 0o4755)"),
    "fchmod": (BY_FILE, "call(91, os.open(path, os.O_RDONLY), 0o4755)"),
    "fchmodat": (BY_NAME, "call(268, os.open(d, 0), b'NAME', 0o4755)"),
    "fchmodat2": (BY_NAME, "call(452, -100, path, 0o4755, 0)"),
    "fchmodat2 of a file": (BY_FILE, "call(452, os.open(path, os.O_PATH), b'', 0o4755, 0x1000)"),
}


def has_call(number: int) -> bool:
    """A call with a descriptor that is none fails with EBADF where the kernel has it."""
    code = f"try: call({number}, -1, b'x', 0, 0, 0, 0)\nexcept OSError as error: say(errno=error.errno)\n"
    return bool(trigger(code)["errno"] != 38)


@pytest.mark.parametrize("how", sorted(MODES))
@pytest.mark.parametrize("name", ["anything", "shadow"])
def test_set_user_id_is_told_of_any_file(way: Way, tmp_path: Path, how: str, name: str) -> None:
    if "fchmodat2" in how and not has_call(452):
        pytest.skip("this kernel has no fchmodat2 (since 6.6)")
    by, code = MODES[how]
    record = one(way, tmp_path, name, code.replace("NAME", name), by=by)
    assert record.attribute == Attribute.MODE
    assert record.ring == "prio"
    assert record.mode & 0o7777 == 0o4755
    assert (record.new_uid, record.new_gid) == (UNCHANGED, UNCHANGED)
    assert (tmp_path / name).stat().st_mode & 0o7777 == 0o4755


@pytest.mark.parametrize("how", sorted(MODES))
def test_ordinary_modes_are_told_of_watched_files(way: Way, tmp_path: Path, how: str) -> None:
    if "fchmodat2" in how and not has_call(452):
        pytest.skip("this kernel has no fchmodat2 (since 6.6)")
    by, code = MODES[how]
    code = code.replace("0o4755", "0o666")
    record = one(way, tmp_path, "cron.d/job", code.replace("NAME", "cron.d/job"), by=by)
    assert record.ring == "bulk"
    assert record.mode & 0o7777 == 0o666
    (tmp_path / "plain").touch()
    truth = trigger(
        f"d = {str(tmp_path)!r}; path = (d + '/plain').encode()\n{code.replace('NAME', 'plain')}\nsay()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


def test_the_mode_of_a_watched_directory(way: Way, tmp_path: Path) -> None:
    (tmp_path / "cron.d").mkdir()
    truth = trigger(
        f"place = {str(tmp_path / 'cron.d')!r}\n"
        "os.chmod(place, 0o777); os.fchmod(os.open(place, os.O_RDONLY), 0o755); say()\n"
    )
    records = way.only(KIND, truth["pid"], tmp_path)
    assert [r.mode & 0o7777 for r in records] == [0o777, 0o755]
    assert {r.path for r in records} == {bytes(tmp_path / "cron.d")}


def test_a_refused_change_is_silent(way: Way, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "shadow").touch()
    truth = trigger(
        f"path = {str(tmp_path / 'shadow')!r}; os.setresuid(65534, 65534, 65534)\n"
        "for f in (lambda: os.chmod(path, 0o4777), lambda: os.chown(path, 1, 1), lambda: os.truncate(path, 0),\n"
        "          lambda: os.utime(path, (1, 1))):\n"
        "    try: f()\n"
        "    except OSError: pass\n"
        "    else: raise SystemExit('not refused')\n"
        "say()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


OWNERS = {
    "chown": (BY_NAME, "call(92, path, 7, 8)"),
    "lchown": (BY_NAME, "call(94, path, 7, 8)"),
    "fchown": (BY_FILE, "call(93, os.open(path, os.O_RDONLY), 7, 8)"),
    "fchownat": (BY_NAME, "call(260, os.open(d, 0), b'shadow', 7, 8, 0)"),
    "fchownat of a file": (BY_FILE, "call(260, os.open(path, os.O_PATH), b'', 7, 8, 0x1000)"),
}


@pytest.mark.parametrize("how", sorted(OWNERS))
def test_owner_of_a_watched_file(way: Way, tmp_path: Path, how: str) -> None:
    by, code = OWNERS[how]
    record = one(way, tmp_path, "shadow", code, by=by)
    assert record.attribute == Attribute.OWNER
    status = (tmp_path / "shadow").stat()
    assert (record.new_uid, record.new_gid) == (status.st_uid, status.st_gid) == (7, 8)


def test_group_alone(way: Way, tmp_path: Path) -> None:
    record = one(way, tmp_path, "shadow", "os.chown(path, -1, 9)", by=BY_NAME)
    assert (record.new_uid, record.new_gid) == (UNCHANGED, 9)


#: One capability (CAP_SETUID), effective: struct vfs_cap_data, revision 2.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 7, 0, 0, 0)
XATTRS = {
    "setxattr": (BY_NAME, "call(188, path, NAME, VALUE, len(VALUE), 0)"),
    "lsetxattr": (BY_NAME, "call(189, path, NAME, VALUE, len(VALUE), 0)"),
    "fsetxattr": (BY_FILE, "call(190, os.open(path, os.O_RDONLY), NAME, VALUE, len(VALUE), 0)"),
    "setxattrat": (
        BY_NAME,
        "b = ctypes.create_string_buffer(VALUE); a = struct.pack('<QII', ctypes.addressof(b), len(VALUE), 0)\n"
        "call(463, os.open(d, 0), b'FILE', 0, NAME, a, ctypes.c_long(16))",
    ),
}


@pytest.mark.parametrize("how", sorted(XATTRS))
def test_file_capabilities_are_told_of_any_file(way: Way, tmp_path: Path, how: str) -> None:
    if how == "setxattrat" and not has_call(463):
        pytest.skip("this kernel has no setxattrat (since 6.13)")
    by, code = XATTRS[how]
    code = f"NAME = b'security.capability'; VALUE = {CAPABILITY!r}\n{code.replace('FILE', 'tool')}"
    record = one(way, tmp_path, "tool", code, by=by, objects=False)
    assert record.attribute == Attribute.XATTR_SET
    assert record.name == b"security.capability"
    assert record.ring == "prio"
    assert os.getxattr(tmp_path / "tool", "security.capability") == CAPABILITY


REMOVALS = {
    "removexattr": (BY_NAME, "call(197, path, b'security.tested')"),
    "lremovexattr": (BY_NAME, "call(198, path, b'security.tested')"),
    "fremovexattr": (BY_FILE, "call(199, os.open(path, os.O_RDONLY), b'security.tested')"),
    "removexattrat": (BY_NAME, "call(466, os.open(d, 0), b'shadow', 0, b'security.tested')"),
}


@pytest.mark.parametrize("how", sorted(REMOVALS))
def test_attributes_of_a_watched_file_taken_away(way: Way, tmp_path: Path, how: str) -> None:
    if how == "removexattrat" and not has_call(466):
        pytest.skip("this kernel has no removexattrat (since 6.13)")
    by, code = REMOVALS[how]
    (tmp_path / "shadow").touch()
    os.setxattr(tmp_path / "shadow", "security.tested", b"1")
    record = one(way, tmp_path, "shadow", code, by=by, objects=False)
    assert record.attribute == Attribute.XATTR_REMOVED
    assert record.name == b"security.tested"
    assert "security.tested" not in os.listxattr(tmp_path / "shadow")


def test_other_attributes_are_silent(way: Way, tmp_path: Path) -> None:
    """trusted.* and user.* are their writers' business; security.* of a file nobody watches is routine."""
    for name in ("shadow", "plain"):
        (tmp_path / name).touch()
    truth = trigger(
        f"os.chdir({str(tmp_path)!r})\n"
        "os.setxattr('shadow', 'trusted.x', b'1'); os.setxattr('plain', 'security.tested', b'1'); say()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


PAST = 1_000_000_000
TIMES = {
    "utime": (BY_NAME, "call(132, path, struct.pack('<2q', SECONDS, SECONDS))"),
    "utimes": (BY_NAME, "call(235, path, struct.pack('<4q', SECONDS, 5, SECONDS, 7))"),
    "futimesat": (BY_NAME, "call(261, os.open(d, 0), b'shadow', struct.pack('<4q', SECONDS, 5, SECONDS, 7))"),
    "utimensat": (BY_NAME, "call(280, -100, path, struct.pack('<4q', SECONDS, 5, SECONDS, 7), 0)"),
    "utimensat of a file": (
        BY_FILE,
        "call(280, os.open(path, os.O_RDONLY), None, struct.pack('<4q', SECONDS, 5, SECONDS, 7), 0)",
    ),
}


@pytest.mark.parametrize("how", sorted(TIMES))
def test_time_set_back(way: Way, tmp_path: Path, how: str) -> None:
    by, code = TIMES[how]
    record = one(way, tmp_path, "shadow", code.replace("SECONDS", str(PAST)), by=by, objects=False)
    assert record.attribute == Attribute.TIMES
    assert record.mtime_ns == (tmp_path / "shadow").stat().st_mtime_ns
    assert record.mtime_ns // 10**9 == PAST


@pytest.mark.parametrize("how", sorted(TIMES))
def test_a_time_that_is_no_lie_is_silent(way: Way, tmp_path: Path, how: str) -> None:
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 1):
        pytest.skip("programs have no wall clock before 6.1: every time that is set is told")
    (tmp_path / "shadow").touch()
    _by, code = TIMES[how]
    head = f"d = {str(tmp_path)!r}; path = (d + '/shadow').encode()\n"
    for seconds in (int(time.time()) - 10, int(time.time()) + 86400):
        truth = trigger(f"{head}{code.replace('SECONDS', str(seconds))}\nsay()\n")
        assert way.all(KIND, truth["pid"]) == []


def test_now_and_untouched_are_silent(way: Way, tmp_path: Path) -> None:
    (tmp_path / "shadow").touch()
    truth = trigger(
        f"path = {str(tmp_path / 'shadow')!r}.encode()\n"
        "call(280, -100, path, None, 0)\n"
        "for mark in (0x3fffffff, 0x3ffffffe): call(280, -100, path, struct.pack('<4q', 9, 0, 9, mark), 0)\n"
        "say()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


SIZES = {
    "truncate": (BY_NAME, "call(76, path, ctypes.c_long(5))", True),
    "ftruncate": (BY_FILE, "call(77, os.open(path, os.O_RDWR), ctypes.c_long(5))", False),
}


@pytest.mark.parametrize("how", sorted(SIZES))
def test_size_of_a_watched_file(way: Way, tmp_path: Path, how: str) -> None:
    by, code, objects = SIZES[how]
    record = one(way, tmp_path, "auth.log", code, by=by, objects=objects)
    assert record.attribute == Attribute.SIZE
    assert record.new_size == (tmp_path / "auth.log").stat().st_size == 5


def test_sizes_of_files_that_nobody_watches_are_silent(way: Way, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    truth = trigger(
        f"path = {str(tmp_path / 'plain')!r}\n"
        "os.truncate(path, 0); os.ftruncate(os.open(path, os.O_RDWR), 1); open(path, 'w'); say()\n"
    )
    assert way.all(KIND, truth["pid"]) == []


COMPAT_CALLS = {
    "chmod": (15, "path, 0o4755", Attribute.MODE),
    "chown": (182, "path, 7, 0xffff", Attribute.OWNER),
    "chown32": (212, "path, 7, -1", Attribute.OWNER),
    "utime": (30, "path, struct.pack('<2i', 9, 1000000000)", Attribute.TIMES),
    "utimes": (271, "path, struct.pack('<4i', 9, 0, 1000000000, 7)", Attribute.TIMES),
    "utimensat": (320, "-100, path, struct.pack('<4i', 9, 0, 1000000000, 7), 0", Attribute.TIMES),
    "utimensat_time64": (412, "-100, path, struct.pack('<4q', 9, 0, 1000000000, 7), 0", Attribute.TIMES),
    "truncate": (92, "path, 6", Attribute.SIZE),
    "truncate64": (193, "path, 6, 1", Attribute.SIZE),
    "setxattr": (226, "path, b'security.tested', b'1', 1, 0", Attribute.XATTR_SET),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86 has a 32-bit entry for 64-bit processes")
@pytest.mark.parametrize("how", sorted(COMPAT_CALLS))
def test_32_bit_calls_of_a_64_bit_process(way: Way, tmp_path: Path, how: str) -> None:
    number, arguments, attribute = COMPAT_CALLS[how]
    target = tmp_path / "shadow"
    target.touch()
    truth = trigger(f"{COMPAT}\npath = {str(target)!r}.encode()\ncall32({number}, {arguments})\nsay()\n")
    (record,) = way.only(KIND, truth["pid"], tmp_path)
    status = target.stat()
    assert record.attribute == attribute
    assert record.path.decode() == str(target)
    assert record.new_size == (status.st_size if attribute == Attribute.SIZE else 0)
    assert record.mtime_ns == (status.st_mtime_ns if attribute == Attribute.TIMES else 0)
    owner = (status.st_uid, UNCHANGED) if attribute == Attribute.OWNER else (UNCHANGED, UNCHANGED)
    assert (record.new_uid, record.new_gid) == owner
    if attribute == Attribute.MODE:
        assert record.mode & 0o7777 == status.st_mode & 0o7777 == 0o4755


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86 has a 32-bit entry for 64-bit processes")
def test_32_bit_names(way: Way, tmp_path: Path) -> None:
    (tmp_path / "shadow").touch()
    truth = trigger(
        f"{COMPAT}\nd = {str(tmp_path)!r}.encode()\n"
        "call32(295, -100, d + b'/shadow', os.O_WRONLY); call32(9, d + b'/shadow', d + b'/b')\n"
        "call32(302, -100, d + b'/b', -100, d + b'/passwd'); call32(10, d + b'/passwd')\nsay()\n"
    )
    records = [r for r in way.witness.drain() if r.pid == truth["pid"] and r.kind.startswith("file.")]
    mine = sorted((r.kind, r.path.decode().removeprefix(f"{tmp_path}/")) for r in records if r.path)
    assert [one for one in mine if not one[1].startswith("/")] == [
        ("file.delete", "passwd"),
        ("file.link", "b"),
        ("file.open", "shadow"),
        ("file.rename", "passwd"),
    ]
