# SPDX-License-Identifier: Apache-2.0
"""Give freed heap pages back to the kernel."""

cdef extern from *:
    """
    #include <stdlib.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    static int iw_trim(void) { return malloc_trim(0); }
    #else
    static int iw_trim(void) { return 0; }
    #endif
    """
    int iw_trim() noexcept nogil


def trim():
    """True when memory went back. Other C libraries than glibc return it by themselves: False."""
    cdef int released
    with nogil:
        released = iw_trim()
    return released == 1
