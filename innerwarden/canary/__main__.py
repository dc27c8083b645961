# SPDX-License-Identifier: Apache-2.0
"""`python -m innerwarden.canary DIRECTORY NUMBER...`: do those of TRIGGERS; a line each: NUMBER REASON.

Started by the sensor, see innerwarden/sensor/canary.py. DIRECTORY is made, and removed with all that is in it. The
process ends with the sensor, and DEADLINE_S after its start at the latest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from innerwarden.canary.runner import pull
from innerwarden.canary.triggers import TRIGGERS
from innerwarden.libbpf.libc import die_with_parent

DEADLINE_S = 8


def main(arguments: list[str]) -> int:
    die_with_parent(signal.SIGKILL)
    signal.alarm(DEADLINE_S)
    directory, numbers = Path(arguments[0]), [int(argument) for argument in arguments[1:]]
    _remove(directory)
    directory.mkdir(mode=0o700)
    try:
        outcomes = pull([TRIGGERS[number] for number in numbers], directory, root=os.geteuid() == 0)
    finally:
        _remove(directory)
    told = zip(numbers, outcomes, strict=True)
    sys.stdout.write("".join(f"{number} {outcome.reason}\n" for number, outcome in told))
    return 0


def _remove(directory: Path) -> None:
    """As shutil.rmtree, which is slow to import. What cannot be removed stays."""
    for place, folders, files in os.walk(directory, topdown=False):
        for name in files:
            with contextlib.suppress(OSError):
                Path(place, name).unlink()
        for name in folders:
            _remove_folder(Path(place, name))
    _remove_folder(directory)


def _remove_folder(path: Path) -> None:
    """Or the link to one."""
    with contextlib.suppress(OSError):
        if path.is_symlink():
            path.unlink()
        else:
            path.rmdir()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
