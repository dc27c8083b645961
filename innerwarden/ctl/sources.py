# SPDX-License-Identifier: Apache-2.0
"""Which sources this user on this machine can have, and why not the others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.config import Config, LogFilesConfig
from innerwarden.libbpf.libc import find_libbpf

BTF = Path("/sys/kernel/btf/vmlinux")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: ok, warning (works, with less) or failed; `remedy` says what to do."""

    name: str
    state: str
    detail: str
    remedy: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A collector that is switched on, and whether it can start here."""

    name: str
    usable: bool
    detail: str


def kernel_checks() -> list[Check]:
    """What eBPF needs: root, BTF, libbpf, our object."""
    root = os.geteuid() == 0
    libbpf = find_libbpf()
    bpf_object = paths.bpf_object()
    return [
        _check(
            "root",
            root,
            "running as root",
            f"running as uid {os.geteuid()}: the kernel lets only root load eBPF",
            "Run with sudo",
        ),
        _check(
            "btf",
            BTF.exists(),
            f"{BTF} is there",
            f"{BTF} is missing: programs cannot be fitted to this kernel",
            "Use a kernel built with CONFIG_DEBUG_INFO_BTF (every Debian kernel since 11)",
        ),
        _check(
            "libbpf", libbpf is not None, str(libbpf), "libbpf is not installed", "apt-get install libbpf1"
        ),
        _check("kernel_object", bpf_object.exists(), str(bpf_object), f"{bpf_object} is missing", "make bpf"),
    ]


def _check(name: str, good: bool, yes: str, no: str, remedy: str, *, otherwise: str = "failed") -> Check:
    if good:
        return Check(name=name, state="ok", detail=yes)
    return Check(name=name, state=otherwise, detail=no, remedy=remedy)


def sources(config: Config) -> list[Source]:
    """Every source that the configuration switches on."""
    found = []
    if config.collectors.kernel.enabled:
        missing = [check for check in kernel_checks() if check.state == "failed"]
        detail = "; ".join(check.detail for check in missing) or "eBPF hooks"
        found.append(Source(name="kernel", usable=not missing, detail=detail))
    if config.collectors.auth_log.enabled:
        found.append(_auth_log(Path(config.collectors.auth_log.path)))
    if config.collectors.journald.enabled:
        found.append(_journald())
    found += [
        _files(name, section)
        for name in config.collectors.__struct_fields__
        if isinstance(section := getattr(config.collectors, name), LogFilesConfig)
        and section.enabled
        and any(Path(pattern).parent.is_dir() for pattern in section.paths)
    ]
    found += [
        Source(name=name, usable=True, detail=f"{name} events")
        for name in ("docker", "podman")
        if getattr(config.collectors, name).enabled and shutil.which(name)
    ]
    trail = config.collectors.cloudtrail
    if trail.enabled and (there := [name for name in trail.directories if Path(name).is_dir()]):
        found.append(Source(name="cloudtrail", usable=os.access(there[0], os.R_OK), detail=", ".join(there)))
    return found


def _files(name: str, config: LogFilesConfig) -> Source:
    """A source of files by patterns, on a machine that has the directory."""
    files = [path for pattern in config.paths for path in Path(pattern).parent.glob(Path(pattern).name)]
    if not files:
        detail = f"no file matches {', '.join(config.paths)} yet; one is read as soon as it appears"
        return Source(name=name, usable=False, detail=detail)
    readable = [path for path in files if os.access(path, os.R_OK)]
    if not readable:
        return Source(name=name, usable=False, detail=f"{files[0]} may not be read by this user")
    return Source(name=name, usable=True, detail=", ".join(map(str, readable)))


def _auth_log(path: Path) -> Source:
    if not path.exists():
        return Source(
            name="auth_log", usable=False, detail=f"{path} does not exist yet; it is read as soon as it does"
        )
    if not os.access(path, os.R_OK):
        return Source(
            name="auth_log", usable=False, detail=f"{path} may not be read by this user (group adm may)"
        )
    return Source(name="auth_log", usable=True, detail=str(path))


def _journald() -> Source:
    if shutil.which("journalctl") is None:
        return Source(name="journald", usable=False, detail="journalctl is not installed")
    if not any(Path(place).is_dir() for place in ("/run/log/journal", "/var/log/journal")):
        return Source(name="journald", usable=False, detail="no journal is kept on this machine")
    return Source(name="journald", usable=True, detail="journalctl")
