# SPDX-License-Identifier: Apache-2.0
"""Ask the kernel for many process ids at once; an id space of four million is too much for one exception each."""

from libc.errno cimport EINVAL, ENOENT, EPERM, ESRCH, errno
from libc.stdint cimport uint32_t

cdef extern from *:
    """
    #include <errno.h>
    #include <sched.h>
    #include <signal.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #ifndef SYS_pidfd_open
    #define SYS_pidfd_open 434 /* the same on every architecture, include/uapi/asm-generic/unistd.h */
    #endif
    enum { IW_ASK_PIDFD, IW_ASK_KILL, IW_ASK_AFFINITY };
    static long iw_ask(int how, int pid)
    {
            unsigned long mask[128]; /* 8192 processors; the kernel refuses less than it has */
            long fd;

            if (how == IW_ASK_KILL)
                    return kill(pid, 0);
            if (how == IW_ASK_AFFINITY)
                    return syscall(SYS_sched_getaffinity, pid, sizeof(mask), mask);
            fd = syscall(SYS_pidfd_open, pid, 0);
            if (fd >= 0)
                    close((int)fd);
            return fd;
    }
    """
    int IW_ASK_PIDFD
    int IW_ASK_KILL
    int IW_ASK_AFFINITY
    long iw_ask(int how, int pid) noexcept nogil

cdef enum:
    MOST = 4096

METHODS = {"pidfd_open": IW_ASK_PIDFD, "kill": IW_ASK_KILL, "sched_getaffinity": IW_ASK_AFFINITY}


def answering(str method, uint32_t first, uint32_t last):
    """Ids in first..last for which `method` answers."""
    cdef int how = METHODS[method]
    cdef uint32_t found[MOST]
    cdef uint32_t count = 0, pid
    cdef int problem = 0
    if first == 0 or last < first or last - first >= MOST or last > 0x7fffffff:
        raise ValueError(f"{first}..{last} is no range of 1 to {MOST} process ids")
    with nogil:
        for pid in range(first, last + 1):
            if iw_ask(how, <int>pid) >= 0 or errno == EPERM:
                found[count] = pid
                count += 1
            # pidfd_open refuses the id of a thread: EINVAL, since 6.9 ENOENT.
            elif errno != ESRCH and errno != EINVAL and errno != ENOENT:
                problem = errno
                break
    if problem:
        raise OSError(problem, method)
    return [found[i] for i in range(count)]
