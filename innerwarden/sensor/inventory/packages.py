# SPDX-License-Identifier: Apache-2.0
"""Does a file hold what a package of the distribution put there? Debian's lists; elsewhere nothing is known.

MD5 is what dpkg stores. It tells an update from a change by hand; who can make two files with one MD5 can as well
make a package. Source: dpkg(1), deb-conffiles(5), deb-md5sums(5).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.collector import Find

STATUS = "/var/lib/dpkg/status"
STATUS_BYTES = 64 << 20
STEP_BYTES = 1 << 16
FILE_BYTES = 1 << 20


def is_shipped(path: str, status: str = STATUS) -> Find[bool]:
    """Is `path` a configuration file of a package, with the content that the package brought?"""
    try:
        content = files.read(path, FILE_BYTES + 1)
    except OSError:
        return False
    if len(content) > FILE_BYTES:
        return False
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    line = b"\n " + os.fsencode(path) + b" " + digest.encode()
    for part in _parts(status, len(line)):
        at = part.find(line)
        if at >= 0 and part[at + len(line) : at + len(line) + 1] == b"\n":
            return True
        yield None
    return False


def _parts(path: str, overlap: int) -> Iterator[bytes]:
    """The file in pieces; each begins with the end of the one before, one byte more than `overlap`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rest, total = b"", 0
        while total < STATUS_BYTES and (part := os.read(fd, STEP_BYTES)):
            total += len(part)
            yield rest + part
            rest = (rest + part)[-overlap - 1 :]
    except OSError:
        return
    finally:
        os.close(fd)
