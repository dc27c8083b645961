# SPDX-License-Identifier: Apache-2.0
"""Give freed heap pages back to the kernel."""

def trim() -> bool:
    """True when memory went back. Other C libraries than glibc return it by themselves: False."""
