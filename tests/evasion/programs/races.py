# SPDX-License-Identifier: Apache-2.0
"""Cases 1, 2, 20 and 26: the compiled races."""

from __future__ import annotations

import os
import resource
import subprocess

from common import Job, main


def _race(job: Job, *words: str, timeout_s: float = 25.0) -> None:
    program = str(job.directory.parent / "race")
    done = subprocess.run(
        [program, *words], stderr=subprocess.PIPE, text=True, timeout=timeout_s, check=False
    )
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()}")


def path_swapped(job: Job) -> None:
    """Two names of the same length, of which only one lies in a watched directory."""
    watched = f"/etc/cron.d/{job.mark}"
    innocent = f"/etc/cron.x/{job.mark}"
    made = not os.path.isdir("/etc/cron.x")
    os.makedirs("/etc/cron.x", exist_ok=True)
    try:
        _race(job, "open", innocent, watched)
    finally:
        if os.path.exists(innocent):
            os.unlink(innocent)
        if made:
            os.rmdir("/etc/cron.x")


def address_swapped(job: Job) -> None:
    _race(job, "connect", job.mark)


def shared_memory_child(job: Job) -> None:
    _race(job, "share", job.cron)


def calls_in_flight(job: Job) -> None:
    """More threads wait within a system call than a kretprobe has instances (4,096)."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))  # every waiting call has a descriptor reserved
    fifo = str(job.directory / "fifo")
    os.mkfifo(fifo)
    _race(job, "stall", "4200", fifo, job.cron)


if __name__ == "__main__":
    main(globals())
