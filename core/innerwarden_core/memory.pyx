# SPDX-License-Identifier: Apache-2.0
"""What the C library's allocator keeps, and what it gives back to the kernel."""

cdef extern from *:
    """
    #include <stdlib.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    static int iw_trim(void) { return malloc_trim(0); }
    static int iw_limit(int arenas, int threshold)
    {
        return mallopt(M_ARENA_MAX, arenas) && mallopt(M_MMAP_THRESHOLD, threshold) &&
               mallopt(M_TRIM_THRESHOLD, threshold);
    }
    #else
    static int iw_trim(void) { return 0; }
    static int iw_limit(int arenas, int threshold) { (void)arenas; (void)threshold; return 0; }
    #endif
    """
    int iw_trim() noexcept nogil
    int iw_limit(int arenas, int threshold) noexcept nogil


def trim():
    """True when memory went back. Other C libraries than glibc return it by themselves: False."""
    cdef int released
    with nogil:
        released = iw_trim()
    return released == 1


def limit(int arenas, int threshold):
    """Set how many heaps threads may have, and from how many bytes on a block or the free end of a heap goes back.

    Before the first thread begins: a heap that is there stays. False where the C library is not glibc.
    """
    if arenas < 1 or threshold < 4096:
        raise ValueError(f"{arenas} arenas, {threshold} bytes")
    return iw_limit(arenas, threshold) == 1
