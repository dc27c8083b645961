# SPDX-License-Identifier: Apache-2.0
"""units.py DIRECTORY ARCHITECTURE OUT: the services, from DIRECTORY/*.service.in.

A line `@name@` becomes the file of that name beside it; `@architectures@` the system call tables of the processor.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: The sensor proves that it sees calls by the 32-bit table, too.
CALL_TABLES = {"amd64": "native x86", "arm64": "native"}


def render(source: Path, architecture: str) -> str:
    """The text of one unit. Raises KeyError, OSError."""
    text = source.read_text(encoding="utf-8").replace("@architectures@", CALL_TABLES[architecture])
    return re.sub(
        r"^@(\w+)@\n", lambda found: (source.parent / found[1]).read_text(encoding="utf-8"), text, flags=re.M
    )


def main(directory: Path, architecture: str, out: Path) -> None:
    """Write debian/innerwarden.NAME.service, as dh_installsystemd --name takes it."""
    for source in sorted(directory.glob("*.service.in")):
        name = source.name.removesuffix(".service.in")
        (out / f"innerwarden.{name}.service").write_text(render(source, architecture), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
