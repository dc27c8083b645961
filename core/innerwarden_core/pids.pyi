# SPDX-License-Identifier: Apache-2.0
"""Ask the kernel for many process ids at once; see the package."""

METHODS: dict[str, int]
"""What can be asked: pidfd_open, kill, sched_getaffinity."""

def answering(method: str, first: int, last: int) -> list[int]:
    """Ids in first..last, at most 4096, for which `method` answers; some 100 ns each, without the GIL.

    `kill` and `sched_getaffinity` answer for threads too. EPERM is an answer. Raises ValueError for another
    range, KeyError for another method, OSError for any other errno (EMFILE, ENOSYS).
    """
