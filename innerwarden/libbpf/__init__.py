# SPDX-License-Identifier: Apache-2.0
"""ctypes bindings of libbpf, as tables; the only place that knows ctypes."""

from innerwarden.libbpf.library import load
from innerwarden.libbpf.maps import Map
from innerwarden.libbpf.objects import (
    XDP_GENERIC,
    XDP_NATIVE,
    DescriptorLink,
    Link,
    Object,
    Program,
    RunStats,
    enable_stats,
    kernel_ids,
)

__all__ = [
    "XDP_GENERIC",
    "XDP_NATIVE",
    "DescriptorLink",
    "Link",
    "Map",
    "Object",
    "Program",
    "RunStats",
    "enable_stats",
    "kernel_ids",
    "load",
]
