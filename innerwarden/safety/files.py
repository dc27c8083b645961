# SPDX-License-Identifier: Apache-2.0
"""Files that may not be taken away: without them a host does not start, or nobody gets in."""

from __future__ import annotations

from pathlib import Path

_KERNELS = ("/proc", "/sys", "/dev", "/boot", "/run/systemd")
#: Deciding who may log in and what is started; a wrong one locks everybody out.
_ESSENTIAL = (
    "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers", "/etc/fstab", "/etc/hosts",
    "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ld.so.conf", "/etc/ld.so.cache", "/etc/crypttab",
    "/etc/machine-id", "/etc/localtime", "/etc/ssh/sshd_config", "/etc/pam.conf", "/etc/login.defs",
    "/etc/securetty", "/etc/inittab",
)  # fmt: skip
_ESSENTIAL_PLACES = (
    "/etc/pam.d",
    "/etc/security",
    "/etc/ssh/ssh_host",
    "/etc/network",
    "/etc/netplan",
    "/etc/apt",
)
_SYSTEM = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DPKG = Path("/var/lib/dpkg/info")


def file_objection(path: str, kept: tuple[str, ...] = (), dpkg: Path = _DPKG) -> tuple[str, str] | None:
    """(rule, reason) why a file may not be moved away, or None. `path` is what the kernel named."""
    if not path.startswith("/") or "\0" in path or any(part in (".", "..") for part in path.split("/")):
        return "not_a_path", f"{path[:128]!r} is not an absolute path without detours"
    if place := _below(path, _KERNELS):
        return "system_place", f"{path} lies below {place}"
    if _below(path, kept):
        return "own_file", f"{path} belongs to InnerWarden"
    if path in _ESSENTIAL or path.startswith(_ESSENTIAL_PLACES):
        return "essential_file", f"without {path} this host may not start or let anybody in"
    return _of_package(path, dpkg) if _below(path, _SYSTEM) else None


def _below(path: str, places: tuple[str, ...]) -> str:
    """The place that is the path or above it, or nothing."""
    return next((place for place in places if f"{path}/".startswith(f"{place.rstrip('/')}/")), "")


def _of_package(path: str, dpkg: Path) -> tuple[str, str] | None:
    if not dpkg.is_dir():
        return (
            "system_place",
            f"{path} lies in a system directory, and no dpkg says whether it is a package's",
        )
    package = _package_of(path, dpkg)
    return None if package is None else ("package_file", f"{path} belongs to the package {package}")


def _package_of(path: str, dpkg: Path) -> str | None:
    """The package that lists a file; /usr merged or not."""
    names = {path, path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}"}
    wanted = tuple(name.encode("utf-8", "surrogateescape") for name in names)
    for listing in sorted(dpkg.glob("*.list")):
        try:
            data = listing.read_bytes()
        except OSError:
            continue
        if any(name in data for name in wanted) and set(data.splitlines()) & set(wanted):
            return listing.stem
    for listing in sorted(dpkg.glob("*.conffiles")):
        if set(listing.read_bytes().splitlines()) & set(wanted):
            return listing.stem
    return None
