# SPDX-License-Identifier: Apache-2.0
"""Links, device nodes, and what only the kernel's objects show: overlays, io_uring's place, 32-bit calls."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from innerwarden.model._wire import LinkType, OpenFlag
from tests.kernel.conftest import Way
from tests.kernel.reader import check_header, trigger

pytestmark = pytest.mark.kernel

HARD_LINKS = {
    "link": "call(86, (d + '/a').encode(), (d + '/shadow').encode())",
    "linkat": "fd = os.open(d, 0); call(265, fd, b'a', fd, b'shadow', 0)",
    "relative": "os.chdir(d); call(86, b'a', b'shadow')",
}


@pytest.mark.parametrize("how", sorted(HARD_LINKS))
def test_a_watched_name_for_another_file(way: Way, tmp_path: Path, how: str) -> None:
    (tmp_path / "a").write_text("x")
    truth = trigger(f"d = {str(tmp_path)!r}\n{HARD_LINKS[how]}\nsay()\n")
    (record,) = way.only("file.link", truth["pid"], tmp_path)
    check_header(record, truth, flags=way.flags)
    assert record.ring == "prio"
    assert record.link_type == LinkType.HARD
    assert (record.path.decode(), record.old_path.decode()) == (f"{tmp_path}/shadow", f"{tmp_path}/a")
    assert (tmp_path / "shadow").samefile(tmp_path / "a")


@pytest.mark.parametrize("name", ["shadow", ".git-credentials", ".kube/config", "cron.d/job"])
def test_another_name_for_a_watched_file(way: Way, tmp_path: Path, name: str) -> None:
    """A hard link copies nothing and reads nothing: a secret may leave under a name that nobody watches."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    truth = trigger(f"d = {str(tmp_path)!r}\nos.link(d + '/{name}', d + '/harmless')\nsay()\n")
    (record,) = way.only("file.link", truth["pid"], tmp_path)
    assert record.path.decode() == f"{tmp_path}/harmless"
    assert record.old_path.decode() == f"{tmp_path}/{name}"


def test_names_of_no_interest_make_no_link_record(way: Way, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("x")
    truth = trigger(
        f"os.chdir({str(tmp_path)!r})\n"
        "os.link('a', 'b'); os.symlink('shadow', 'c'); os.link('.git/config', 'd')\n"
        "try: os.link('missing', 'shadow')\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert way.all("file.link", truth["pid"]) == []


SYMBOLIC_LINKS = {
    "symlink": "call(88, b'../x/passwd', (d + '/shadow').encode())",
    "symlinkat": "fd = os.open(d, 0); call(266, b'../x/passwd', fd, b'shadow')",
}


@pytest.mark.parametrize("how", sorted(SYMBOLIC_LINKS))
def test_a_watched_name_that_points_elsewhere(way: Way, tmp_path: Path, how: str) -> None:
    truth = trigger(f"d = {str(tmp_path)!r}\n{SYMBOLIC_LINKS[how]}\nsay()\n")
    (record,) = way.only("file.link", truth["pid"], tmp_path)
    check_header(record, truth, flags=way.flags)
    assert record.link_type == LinkType.SYMBOLIC
    assert record.path.decode() == f"{tmp_path}/shadow"
    assert record.old_path.decode() == str((tmp_path / "shadow").readlink()) == "../x/passwd"


NAMELESS = {
    "empty path": "call(265, fd, b'', -100, (d + '/cron.d/job').encode(), 0x1000)",
    "through proc": "call(265, -100, b'/proc/self/fd/%d' % fd, -100, (d + '/cron.d/job').encode(), 0x400)",
}


@pytest.mark.parametrize("how", sorted(NAMELESS))
def test_a_file_without_a_name_gets_a_watched_one(way: Way, tmp_path: Path, how: str) -> None:
    (tmp_path / "cron.d").mkdir()
    truth = trigger(
        f"d = {str(tmp_path)!r}\nfd = os.open(d, os.O_TMPFILE | os.O_WRONLY, 0o600)\n"
        f"os.write(fd, b'* * * * * root true')\n{NAMELESS[how]}\nsay(fd=fd)\n"
    )
    (record,) = way.only("file.link", truth["pid"], tmp_path)
    assert record.path.decode() == f"{tmp_path}/cron.d/job"
    assert record.link_type == LinkType.HARD
    if way.text and how == "through proc":
        assert record.old_path == b"/proc/self/fd/%d" % truth["fd"]
    else:
        assert record.old_path.rsplit(b"/", 1)[1].startswith(b"#")
    assert (tmp_path / "cron.d/job").read_text().startswith("*")


NODES = {
    "mknod": "call(133, (d + '/sda').encode(), mode, dev)",
    "mknodat": "fd = os.open(d, 0); call(259, fd, b'sda', mode, dev)",
}


@pytest.mark.parametrize("how", sorted(NODES))
@pytest.mark.parametrize(
    ("kind", "major", "minor"), [(stat.S_IFCHR, 1, 3), (stat.S_IFBLK, 8, 16), (stat.S_IFBLK, 259, 1000)]
)
def test_a_node_for_a_device(way: Way, tmp_path: Path, how: str, kind: int, major: int, minor: int) -> None:
    truth = trigger(
        f"d = {str(tmp_path)!r}; os.umask(0)\n"
        f"mode = {kind | 0o640}; dev = os.makedev({major}, {minor})\n{NODES[how]}\nsay()\n"
    )
    (record,) = way.all("file.node", truth["pid"])
    check_header(record, truth, flags=8)
    status = (tmp_path / "sda").stat()
    assert record.mode == status.st_mode
    assert record.node_dev == os.major(status.st_rdev) << 20 | os.minor(status.st_rdev) == major << 20 | minor
    assert record.path.decode() == f"{tmp_path}/sda"


def test_nodes_without_a_device_are_silent(way: Way, tmp_path: Path) -> None:
    """FIFOs, sockets, regular files, and the mark by which overlays delete."""
    truth = trigger(
        f"import stat; os.chdir({str(tmp_path)!r})\n"
        "os.mkfifo('fifo'); os.mknod('socket', stat.S_IFSOCK | 0o600); os.mknod('file', stat.S_IFREG | 0o600)\n"
        "os.mknod('white', stat.S_IFCHR | 0o600, 0)\nsay()\n"
    )
    assert way.all("file.node", truth["pid"]) == []


def test_a_disk_opened_for_writing(way: Way, tmp_path: Path) -> None:
    """Whatever its name; a disk opened for reading is what every `blkid` does."""
    names = (p.name for p in Path("/sys/block").iterdir())
    disks = [Path("/dev") / name for name in names if name.startswith(("ram", "loop", "vd", "nbd"))]
    disk = next((p for p in sorted(disks) if p.exists()), None)
    if disk is None:
        pytest.skip("this machine has no block device")
    node = tmp_path / "harmless"
    os.mknod(node, stat.S_IFBLK | 0o600, disk.stat().st_rdev)
    truth = trigger(
        f"os.close(os.open({str(node)!r}, os.O_RDONLY | os.O_NONBLOCK))\n"
        f"os.close(os.open({str(node)!r}, os.O_WRONLY | os.O_NONBLOCK)); say()\n"
    )
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    assert record.open_flags == OpenFlag.WRITE
    assert stat.S_ISBLK(record.mode)


def test_a_file_on_an_overlay_is_told_once(way: Way, tmp_path: Path) -> None:
    """The kernel opens the file below it once more, for itself."""
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "merged").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
    try:
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        (base / "lower/shadow").write_text("x")
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        made = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "merged"],
            check=False, capture_output=True,
        )  # fmt: skip
        if made.returncode:
            pytest.skip("this kernel mounts no overlay")
        try:
            way.witness.drain()
            place = tmp_path / "merged" / "shadow"
            truth = trigger(
                f"place = {str(place)!r}\nopen(place).read(); open(place, 'a').write('y')\n"
                "os.chmod(place, 0o4755); os.rename(place, place + '2'); os.rename(place + '2', place)\n"
                "os.unlink(place); say()\n"
            )
            records = [r for r in way.witness.drain() if r.pid == truth["pid"] and r.kind.startswith("file.")]
            mine = [r for r in records if r.path and b"shadow" in r.path]
            assert {r.kind: sum(o.kind == r.kind for o in mine) for r in mine} == {
                "file.open": 2, "file.attribute": 1, "file.rename": 2, "file.delete": 1,
            }  # fmt: skip
            assert {r.path for r in mine} == {bytes(place), bytes(place) + b"2"}
        finally:
            subprocess.run(["umount", tmp_path / "merged"], check=True)
    finally:
        subprocess.run(["umount", base], check=True)
