# SPDX-License-Identifier: Apache-2.0
"""Whether this kernel runs LSM programs at all: a kernel may list them and refuse each one."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path

from innerwarden.errors import BpfError
from innerwarden.libbpf import Object, btf

ACTIVE = Path("/sys/kernel/security/lsm")
SAMPLE = "iw_lsm_sample"
_ZERO = bytes(4)
_SAMPLED_AT = 27 * 8  # the last member of struct iw_enforce_counters


def refusal(image: bytes, rings: tuple[str, ...]) -> str:
    """Why no LSM program works here, or an empty text: a sample was loaded, attached, and ran when its hook was passed.

    `rings` are made as small as they can be for that.
    """
    if "bpf_lsm_task_setnice" not in btf.KernelNames():
        return "no LSM programs (CONFIG_BPF_LSM)"
    with suppress(OSError):
        active = ACTIVE.read_text().strip()
        if "bpf" not in active.split(","):
            return f"no active BPF LSM: it runs {active}; boot with lsm={active},bpf"
    opened = Object(image)
    try:
        for name, program in opened.programs.items():
            program.set_autoload(name == SAMPLE)
        for ring in rings:
            opened.maps[ring].resize(mmap.PAGESIZE)
        opened.load()
        link = opened.programs[SAMPLE].attach()
        try:
            return _passed(opened)
        finally:
            link.destroy()
    except BpfError as error:
        return f"LSM programs that may be used: it refuses them ({os.strerror(error.errno or errno.EINVAL)})"
    finally:
        opened.close()


def _passed(opened: Object) -> str:
    """Pass the sample's hook: this process asks for the nice value that it has."""
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
    runs = opened.maps["iw_enforce_stats"].lookup_cpus(_ZERO)
    if sum(struct.unpack_from("<Q", value, _SAMPLED_AT)[0] for value in runs):
        return ""
    return "LSM programs that run: one was attached, its hook was passed, and nothing happened"
