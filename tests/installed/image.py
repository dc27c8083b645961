# SPDX-License-Identifier: Apache-2.0
"""The disk of a freshly installed Debian, and the small initramfs that mounts it.

Made once below build/installed and kept under a name that holds the digest of what it is made from. The kernel is the
one that tests/vm fetches, stock Debian; its modules lie in the image as its package would put them there.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.vm import kernels
from tests.vm.image import REPOSITORY

CACHE = REPOSITORY / "build" / "installed"


class Board(NamedTuple):
    """What is emulated: the emulator with its arguments, and the guest's serial port."""

    command: tuple[str, ...]
    console: str


#: By the architecture, as Debian calls it.
BOARDS = {
    "amd64": Board(("qemu-system-x86_64",), "ttyS0"),
    "arm64": Board(("qemu-system-aarch64", "-M", "virt"), "ttyAMA0"),
}


class Release(NamedTuple):
    """`kernel`: as tests/vm names it; `version`: the end of the package's own; `cpu`: what the emulator shows;
    `blind`: how doctor's reasons begin for what this kernel has not and nothing stands in for."""

    suite: str
    architecture: str
    version: str
    kernel: str
    cpu: str
    blind: tuple[str, ...] = ()


#: What makes a 32-bit call out of a 64-bit program is x86's.
NO_COMPAT = "this kernel was built without the call"
RELEASES = {
    (release.suite, release.architecture): release
    for release in (
        Release("bookworm", "amd64", "deb12", "6.1", "max"),
        # This emulator's cmpxchg16b makes 6.12 and later oops at boot.
        Release("trixie", "amd64", "deb13", "6.12", "max,cx16=off"),
        # Without the pointer authentication of `max`, which is costly to emulate.
        Release(
            "bookworm",
            "arm64",
            "deb12",
            "6.1",
            "neoverse-n1",
            (NO_COMPAT, "fentry hooks are refused by this kernel"),
        ),
        Release("trixie", "arm64", "deb13", "6.12", "neoverse-n1", (NO_COMPAT,)),
    )
}
DEFAULT = "bookworm"
#: Runs what is of another processor.
FOREIGN = REPOSITORY / "debian/tools/foreign"
#: A small server: what is needed to run, to be attacked over ssh, and to be looked at. Python is in every usual
#: installation, and takes a minute to compile its library under emulation.
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "libpam-systemd", "kmod", "procps", "iproute2", "nftables", "bpftool"),
    *("openssh-server", "openssh-client", "curl", "ca-certificates", "netcat-openbsd", "python3"),
)
#: Nobody logs in on a console, and what only runs after days costs an emulated boot seconds.
MASKED = (
    *("getty.target", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-firstboot.service", "ldconfig.service"),
)
DISK_BYTES = 3 << 30
#: In the order in which they need each other; later kernels have some of them, and all have ext4, built in.
BOOT_MODULES = (
    *("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci"),
    *("virtio_blk", "virtio_console"),
)
CONTROL = Path(__file__).with_name("control.sh")
CONTROL_UNIT = """[Unit]
Description=Commands from the host of this test

[Service]
ExecStart=/bin/bash /usr/local/sbin/control
KillMode=process

[Install]
WantedBy=multi-user.target
"""
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do /bin/busybox insmod "$module"; done
tries=0
until /bin/busybox mount -t ext4 /dev/vda /root; do
	tries=$((tries + 1)); [ $tries -lt 50 ] || exec /bin/busybox poweroff -f
	/bin/busybox sleep 0.2
done
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""


class Image:
    """`disk`: the file system of the guest; `status`: dpkg's list of what is installed there."""

    def __init__(self, stem: Path, release: Release, kernel: kernels.Kernel) -> None:
        self.release = release
        self.kernel = kernel
        self.disk = stem.with_suffix(".ext4")
        self.initramfs = stem.with_suffix(".cpio")
        self.status = stem.with_suffix(".status")

    def is_there(self) -> bool:
        return all(path.exists() for path in (self.status, self.initramfs, self.disk))


def ready(release: Release) -> Image:
    """The image, made now when it is not there. Raises CalledProcessError, RuntimeError."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kernel = kernels.fetch(release.kernel, release.architecture)
    recipe = "\n".join((Path(__file__).read_text(), CONTROL.read_text(), kernel.release))
    kind = f"debian-{release.suite}-{release.architecture}"
    image = Image(CACHE / f"{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}", release, kernel)
    if not image.is_there():
        for old in CACHE.glob(f"{kind}-*"):
            old.unlink()
        _make(image)
    return image


def _make(image: Image) -> None:
    if os.geteuid() != 0:
        raise RuntimeError("making the image needs root, once: sudo make test-installed")
    root = CACHE / "root"
    shutil.rmtree(root, ignore_errors=True)
    with (CACHE / "mmdebstrap.log").open("w") as log:
        subprocess.run(
            [*_able(image.release), "mmdebstrap", "--mode=root", "--variant=minbase",
             f"--architectures={image.release.architecture}", f"--include={','.join(PACKAGES)}",
             "--dpkgopt=force-unsafe-io", image.release.suite, str(root), kernels.mirror()],
            check=True, stdout=log, stderr=log,
        )  # fmt: skip
    _modules(image, root)
    _settle(root)
    _initramfs(image)
    shutil.copy(root / "var/lib/dpkg/status", image.status)
    write_disk(root, image.disk, DISK_BYTES)
    shutil.rmtree(root)


def _able(release: Release) -> tuple[str, ...]:
    """What stands before a command that runs programs of the guest."""
    return str(FOREIGN), release.architecture


def _modules(image: Image, root: Path) -> None:
    kernel = image.kernel
    source = next(kernel.directory.glob("**/lib/modules")) / kernel.release
    shutil.copytree(source, root / "usr/lib/modules" / kernel.release, symlinks=True)
    subprocess.run([*_able(image.release), "chroot", str(root), "depmod", kernel.release], check=True)


def _settle(root: Path) -> None:
    """What an installer asks for, the control channel, and no unit that only delays the boot."""
    for name in MASKED:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")
    shutil.copy(CONTROL, root / "usr/local/sbin/control")
    (root / "etc/systemd/system/control.service").write_text(CONTROL_UNIT)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "control.service").symlink_to("/etc/systemd/system/control.service")
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 guest\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (root / "etc/machine-id").write_text("uninitialized\n")
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/packages ./\n")
    (root / "srv/packages").mkdir()


def _initramfs(image: Image) -> None:
    tree = CACHE / "initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy(_busybox(image.release), tree / "bin/busybox")
    for number, name in enumerate(BOOT_MODULES):
        module = _module(image.kernel, name)
        if module is not None:
            shutil.copy(module, tree / "modules" / f"{number}-{name}.ko")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    script = f"find . | cpio -o -H newc --quiet -R 0:0 >{shlex.quote(str(image.initramfs))}"
    subprocess.run(script, shell=True, cwd=tree, check=True)
    shutil.rmtree(tree)


def _busybox(release: Release) -> Path:
    """This machine's, or one that runs on the guest's processor. Raises CalledProcessError, RuntimeError."""
    if release.architecture == kernels.ARCHITECTURE:
        if (own := shutil.which("busybox")) is None:
            raise RuntimeError("busybox is missing: apt-get install busybox-static")
        return Path(own)
    suite = kernels.Suite(release.suite, release.architecture)
    suite.update()
    place = CACHE / f"busybox-{release.architecture}"
    suite.unpack("busybox-static", place)
    return next(path for path in place.rglob("bin/busybox"))


def _module(kernel: kernels.Kernel, name: str) -> Path | None:
    """None when it is built in. Raises RuntimeError when the kernel has it neither way."""
    for path in kernel.directory.rglob(f"{name}.ko*"):
        return kernels.plain(path)
    if any(f"/{name}.ko\n" in path.read_text() for path in kernel.directory.rglob("modules.builtin")):
        return None
    raise RuntimeError(f"{kernel.release} has no {name}")


def write_disk(tree: Path, target: Path, size_bytes: int) -> None:
    """An ext4 file system with the content of `tree`, without mounting anything."""
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    with part.open("wb") as file:
        file.truncate(size_bytes)
    make = ["/sbin/mke2fs", "-q", "-t", "ext4", "-F", "-d", str(tree), str(part)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    part.rename(target)
