# SPDX-License-Identifier: Apache-2.0
"""The shipped object with a few of its programs only, for tests that need no sensor around them."""

from __future__ import annotations

import struct
from collections.abc import Collection

from innerwarden import paths
from innerwarden.libbpf import Object, btf
from innerwarden.sensor.loader import RINGS

RING_BYTES = 1 << 20


def load(programs: Collection[str], path_keys: bytes = b"") -> Object:
    """Load these programs and every map; the caller closes it."""
    image = paths.bpf_object().read_bytes()
    constants = btf.of_object(image).variables(".rodata")
    opened = Object(image)
    try:
        for name, program in opened.programs.items():
            program.set_autoload(name in programs)
        for ring, _name in RINGS:
            opened.maps[ring].resize(RING_BYTES)
        section = opened.section_map(".rodata")
        direct = "bpf_rdonly_cast" in btf.KernelNames()
        section.write_initial(constants["iw_direct_reads"].offset, struct.pack("<I", direct))
        section.write_initial(constants["iw_enforce_keys"].offset, path_keys)
        opened.load()
    except BaseException:
        opened.close()
        raise
    return opened


def rings(loaded: Object) -> list[tuple[int, int, str]]:
    """As KernelSource.rings."""
    return [(loaded.maps[m].fd, loaded.maps[m].max_entries, name) for m, name in RINGS]
