# SPDX-License-Identifier: Apache-2.0
"""Opening what the daemons wrote, with the sentence to show when it is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from innerwarden import clock, paths
from innerwarden.errors import UnavailableError

if TYPE_CHECKING:
    from innerwarden.agent.state.read import Reader
    from innerwarden.model.health import SensorHealth


@contextmanager
def reading(data_dir: Path) -> Iterator[Reader]:
    """A read-only connection to state.db, closed at the end."""
    from innerwarden.agent.state.read import Reader

    check_readable(data_dir)
    with Reader(paths.state_db(data_dir)) as reader:
        yield reader


def check_readable(data_dir: Path) -> None:
    """Raises UnavailableError for a directory of somebody else's."""
    if os.path.lexists(data_dir) and not os.access(data_dir, os.R_OK | os.X_OK):
        raise UnavailableError(
            f"{data_dir} belongs to another user and may not be read",
            "Run the same command with sudo, or name your own directory with --data-dir",
        )


def sensor_health(data_dir: Path) -> tuple[SensorHealth | None, float | None]:
    """The sensor's last report and its age in seconds; (None, None) without one."""
    from innerwarden.model.health import read

    report = read(paths.sensor_health(data_dir))
    if report is None:
        return None, None
    return report, clock.age_s(report.ts, report.boot_ns, report.boot_id)


def locked_by(path: Path) -> int | None:
    """The pid in a daemon's lock file while the daemon holds it; None when nobody does or nobody may know."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(fd)
