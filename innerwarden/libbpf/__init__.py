# SPDX-License-Identifier: Apache-2.0
"""ctypes bindings of libbpf, as tables; the only place that knows ctypes.

Names are imported at their first use: who wants only `libbpf.libc` does not pay for the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        try_ring_buffer,
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
    "try_ring_buffer",
]

_PLACES = {"load": "library", "Map": "maps"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_PLACES.get(name, 'objects')}")
    return getattr(module, name)
