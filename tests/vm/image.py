# SPDX-License-Identifier: Apache-2.0
"""An initramfs that carries this checkout, its Python and their libraries into a virtual machine.

Everything lives in memory: no disk, no network, no 9p (Debian's cloud kernel has none). The guest
runs one command and powers off; what it prints comes back over the serial line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: Directories of the checkout that the guest needs.
CARRIED = ("bpf/include", "bpf/objects", "core", "innerwarden", "modules", "tests", "pyproject.toml")
SKIPPED = shutil.ignore_patterns(
    "__pycache__", "*.c", "*.a", "config-3*", "test", "idlelib", "tkinter", "ensurepip"
)
PROGRAMS = ("busybox",)

INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=/lib/all
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /var/log /etc /var/tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /sys/fs/cgroup
mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t tmpfs tmp /tmp; chmod 1777 /tmp /dev/shm
mount -t tracefs t /sys/kernel/tracing; mount -t securityfs s /sys/kernel/security
mount -t bpf b /sys/fs/bpf; mount -t cgroup2 c /sys/fs/cgroup
ip link set lo up
echo "root:x:0:0:root:/root:/bin/sh" >/etc/passwd; echo "root:x:0:" >/etc/group
for module in /modules/*.ko; do [ -e "$module" ] && insmod "$module" 2>/dev/null; done
cd /project
echo "GUEST-BEGIN $(uname -r)"
%s
echo "GUEST-END $?"
poweroff -f
"""


def build(target: Path, command: str, extra: dict[str, Path] | None = None) -> None:
    """Write a compressed initramfs that runs `command` (a shell line) in /project of the guest.

    `extra` maps guest paths to files of the host. Raises RuntimeError naming a missing program.
    """
    root = target.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    _programs(root)
    _python(root)
    for name in CARRIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / "project" / name, ignore=SKIPPED, symlinks=True)
        elif source.exists():
            (root / "project").mkdir(exist_ok=True)
            shutil.copy(source, root / "project" / name)
    for guest, host in (extra or {}).items():
        place = root / guest.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(host, place)
    _libraries(root)
    init = root / "init"
    init.write_text(INIT % command)
    init.chmod(0o755)
    names = subprocess.run(["find", "."], cwd=root, check=True, capture_output=True).stdout
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
        cwd=root,
        check=True,
        capture_output=True,
        input=names,
    ).stdout
    target.write_bytes(subprocess.run(["gzip", "-1"], check=True, capture_output=True, input=archive).stdout)
    shutil.rmtree(root)


def _programs(root: Path) -> None:
    (root / "bin").mkdir()
    for name in PROGRAMS:
        path = shutil.which(name)
        if path is None:
            raise RuntimeError(f"{name} is missing: apt-get install busybox-static")
        shutil.copy(path, root / "bin" / name)
    bash = shutil.which("bash")
    if bash:
        shutil.copy(bash, root / "bin" / "bash")


def _python(root: Path) -> None:
    """The interpreter behind the virtual environment, its standard library and the installed packages."""
    interpreter = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        library,
        root / str(library).lstrip("/"),
        ignore=shutil.ignore_patterns(
            "__pycache__",
            "test",
            "idlelib",
            "tkinter",
            "ensurepip",
            "lib2to3",
            "config-3*",
            "site-packages",
            "dist-packages",
        ),
    )
    place = root / str(interpreter).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(interpreter, place)
    site = Path(sysconfig.get_path("purelib"))
    shutil.copytree(
        site,
        root / "site",
        ignore=shutil.ignore_patterns(
            "__pycache__", "mypy*", "ruff*", "pip*", "setuptools*", "Cython*", "cython*", "selenium*", "*.pth"
        ),
    )
    wrapper = root / "bin" / "python3"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH=/project:/project/core:/site exec {interpreter} -S "$@"\n')
    wrapper.chmod(0o755)


def _libraries(root: Path) -> None:
    """Every shared library that a carried ELF file names, plus libbpf, which is opened by name."""
    wanted: set[Path] = set()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    wanted |= _needed(path)
    for line in subprocess.run(
        ["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if re.match(r"\s*lib(bpf|elf|z)\.so\.1 .*x86-64", line):
            library = Path(line.rsplit("=> ", 1)[1])
            wanted |= {library, *_needed(library)}
    (root / "lib/all").mkdir(parents=True, exist_ok=True)
    for library in wanted:
        if "ld-linux" in library.name:
            loader = root / "lib64" / library.name
            loader.parent.mkdir(exist_ok=True)
            shutil.copy(os.path.realpath(library), loader)
        else:
            shutil.copy(os.path.realpath(library), root / "lib/all" / library.name)


def _needed(elf: Path) -> set[Path]:
    listing = subprocess.run(["ldd", str(elf)], capture_output=True, text=True, check=False).stdout
    return {Path(match) for match in re.findall(r"(/\S+) \(0x", listing)}
