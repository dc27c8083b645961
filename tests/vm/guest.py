# SPDX-License-Identifier: Apache-2.0
"""Runs in the virtual machine: try every hook of this kernel and report over the second serial port."""

from __future__ import annotations

import json
import os
import sys

import msgspec

from tests.vm.boot import REPORT_PORT
from tests.vm.observe import observe


def report(name: str, content: object) -> None:
    """One line, in one write; what a terminal would translate does not occur in JSON."""
    line = json.dumps({"report": name, "content": msgspec.to_builtins(content)}) + "\n"
    descriptor = os.open(REPORT_PORT, os.O_WRONLY | os.O_NOCTTY)
    with os.fdopen(descriptor, "w") as port:
        port.write(line)


def main() -> int:
    report("column", observe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
