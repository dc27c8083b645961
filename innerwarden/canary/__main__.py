# SPDX-License-Identifier: Apache-2.0
"""`python -m innerwarden.canary DIRECTORY NUMBER...`: do those of TRIGGERS; a line each: NUMBER REASON.

Started by the sensor, see innerwarden/sensor/canary.py. DIRECTORY is made, and removed with all that is in it. The
process ends with the sensor, and DEADLINE_S after its start at the latest.
"""

from __future__ import annotations

import os
import shutil
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
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    try:
        outcomes = pull([TRIGGERS[number] for number in numbers], directory, root=os.geteuid() == 0)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    told = zip(numbers, outcomes, strict=True)
    sys.stdout.write("".join(f"{number} {outcome.reason}\n" for number, outcome in told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
