# SPDX-License-Identifier: Apache-2.0
"""An initramfs that carries this checkout, its Python and their libraries into a virtual machine.

Everything lives in memory: no disk, no network, no 9p (Debian's cloud kernel has none). The guest
runs one command and powers off; what it prints comes back over the serial line.

Two archives one after the other, which the kernel unpacks in order (Documentation/driver-api/early-userspace/
buffer-format.rst): the interpreter and the installed packages, kept from run to run, and the checkout. Neither is
compressed, because unpacking takes an emulated CPU longer than handing over some more memory; both hold compiled
Python, because compiling the same modules for every child process took half of a run.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_RECIPE = Path(__file__).read_text()
#: What the guest needs of the checkout.
CARRIED = (
    "bpf/include",
    "bpf/objects",
    "bpf/verified.json",
    "core",
    "innerwarden",
    "modules",
    "tests",
    "pyproject.toml",
)
NO_SOURCES = ("__pycache__", "*.c", "*.a")
NO_LIBRARY = (
    "test",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
    "config-3*",
    "site-packages",
    "dist-packages",
)
#: Installed packages that no kernel test imports; together three quarters of the size.
NO_PACKAGES = (
    *("mypy*", "*__mypyc*", "ast_serialize*", "librt*", "ruff*", "pip*", "setuptools*", "Cython*", "cython*"),
    *(
        "selenium*",
        "hypothesis*",
        "_hypothesis*",
        "schemathesis*",
        "atheris*",
        "xdist*",
        "pytest_xdist*",
        "execnet*",
        "*.pth",
    ),
)
REQUIRED_PROGRAMS = ("busybox",)
OPTIONAL_PROGRAMS = ("bash", "ip")  # busybox's own ip knows no network namespaces

INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1 IW_EMULATED=1
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
    """Write an initramfs that runs `command` (a shell line) in /project of the guest.

    `extra` maps guest paths to files of the host. Raises RuntimeError naming a missing program.
    """
    kept = _kept_part(target.parent)
    root = _empty(target.with_suffix(".root"))
    for name in CARRIED:
        _copy(REPOSITORY / name, root / "project" / name)
    for guest, host in (extra or {}).items():
        _copy(host, root / guest.lstrip("/"))
    _compile(root / "project")
    _libraries(root)
    init = root / "init"
    init.write_text(INIT % command)
    init.chmod(0o755)
    with target.open("wb") as out:
        with kept.open("rb") as first:
            shutil.copyfileobj(first, out, 1 << 20)
        out.flush()
        _archive(root, out.fileno())
    shutil.rmtree(root)


def _kept_part(directory: Path) -> Path:
    """The archive of everything that only changes with the installed packages."""
    packages = sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))
    state = "\n".join([sys.version, *packages, _RECIPE, *_programs().values()])
    kept = directory / f"packages-{hashlib.sha256(state.encode()).hexdigest()[:16]}.cpio"
    if kept.exists():
        return kept
    for old in directory.glob("packages-*"):
        old.unlink()
    root = _empty(kept.with_suffix(".root"))
    for name, path in _programs().items():
        _copy(Path(path), root / "bin" / name)
    _python(root)
    _libraries(root)
    part = kept.with_suffix(".part")
    with part.open("wb") as out:
        _archive(root, out.fileno())
    part.rename(kept)
    shutil.rmtree(root)
    return kept


def _programs() -> dict[str, str]:
    found = {}
    for name in (*REQUIRED_PROGRAMS, *OPTIONAL_PROGRAMS):
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is not None:
            found[name] = path
        elif name in REQUIRED_PROGRAMS:
            raise RuntimeError(f"{name} is missing: apt-get install busybox-static")
    return found


def _python(root: Path) -> None:
    """The interpreter behind the virtual environment, its standard library and the installed packages."""
    interpreter = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    carried_library = root / str(library).lstrip("/")
    _copy(library, carried_library, NO_LIBRARY)
    _copy(interpreter, root / str(interpreter).lstrip("/"))
    _copy(Path(sysconfig.get_path("purelib")), root / "site", NO_PACKAGES)
    _compile(carried_library)
    _compile(root / "site")
    wrapper = root / "bin" / "python3"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH=/project:/project/core:/site exec {interpreter} -S "$@"\n')
    wrapper.chmod(0o755)


def _empty(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _copy(source: Path, target: Path, ignored: Iterable[str] = ()) -> None:
    if source.is_dir():
        ignore = shutil.ignore_patterns(*NO_SOURCES, *ignored)
        shutil.copytree(source, target, ignore=ignore, symlinks=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _compile(directory: Path) -> None:
    """Without a look at the sources' times, which not every kernel keeps when it unpacks an archive."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(str(directory), quiet=2, workers=0, invalidation_mode=unchecked)


def _archive(root: Path, out: int) -> None:
    names = subprocess.run(["find", "."], cwd=root, check=True, capture_output=True).stdout
    cpio = ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"]
    subprocess.run(cpio, cwd=root, check=True, input=names, stdout=out)


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
    for library in wanted:
        # /lib is searched without a word in the environment, which would be in every record of an exec.
        _copy(library, root / ("lib64" if "ld-linux" in library.name else "lib") / library.name)


def _needed(elf: Path) -> set[Path]:
    listing = subprocess.run(["ldd", str(elf)], capture_output=True, text=True, check=False).stdout
    return {Path(match) for match in re.findall(r"(/\S+) \(0x", listing)}
