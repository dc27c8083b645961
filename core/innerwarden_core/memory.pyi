# SPDX-License-Identifier: Apache-2.0
"""Give freed heap pages back to the kernel."""

def trim() -> bool:
    """True when memory went back. Other C libraries than glibc return it by themselves: False."""

def limit(arenas: int, threshold: int) -> bool:
    """Set how many heaps threads may have, and from how many bytes on a block or the free end of a heap goes back.

    Before the first thread begins: a heap that is there stays. False where the C library is not glibc. Raises
    ValueError for fewer than one arena or a threshold below a page.
    """
