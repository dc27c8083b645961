# SPDX-License-Identifier: Apache-2.0
"""Why a kernel refuses a sort of program, and what would change that, from what it says about itself."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

LOCKDOWN = Path("/sys/kernel/security/lockdown")
LSM_LIST = Path("/sys/kernel/security/lsm")
STATUS = Path("/proc/self/status")

#: include/uapi/linux/capability.h
NEEDED = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}

#: Sort -> what the kernel must have been built with.
BUILT_WITH = {
    "tracepoint": "CONFIG_PERF_EVENTS, and tracefs mounted at /sys/kernel/tracing",
    "kprobe": "CONFIG_KPROBES",
    "kretprobe": "CONFIG_KRETPROBES",
    "fentry": "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "fexit": "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "lsm": "CONFIG_BPF_LSM, and bpf in the list of the kernel's command line (lsm=...,bpf)",
    "uprobe": "CONFIG_UPROBES",
    "cgroup sock_addr": "CONFIG_CGROUP_BPF",
    "cgroup skb": "CONFIG_CGROUP_BPF",
    "tc": "CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS",
    "iterator": "Linux 5.8",
    "ring buffer": "Linux 5.8",
}


def hint(sort: str, number: int) -> str:
    """One sentence, or an empty text when nothing is known."""
    if sort == "lsm" and "bpf" not in _read(LSM_LIST).split(","):
        listed = _read(LSM_LIST) or "unknown"
        return f"BPF is not among this kernel's security modules ({listed}): boot with lsm=...,bpf"
    if number in (errno.EPERM, errno.EACCES):
        return _refused_by_policy()
    if built := BUILT_WITH.get(sort):
        return f"needs {built}"
    return ""


def _refused_by_policy() -> str:
    missing = _missing_capabilities()
    if missing:
        return f"this process lacks {', '.join(missing)}: a container needs them granted"
    mode = _read(LOCKDOWN)
    if "[confidentiality]" in mode:
        return "kernel lockdown is in confidentiality mode: boot with lockdown=integrity"
    if "[integrity]" in mode:
        return (
            "refused although root has every capability: this kernel's policy beside its lockdown (integrity)"
        )
    return "refused although root has every capability: this kernel's own policy"


def _missing_capabilities() -> list[str]:
    """Of this process; empty when they can not be read."""
    for line in _read(STATUS).splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return [name for name, bit in NEEDED.items() if not held >> bit & 1]
    return []


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""
