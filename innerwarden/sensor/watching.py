# SPDX-License-Identifier: Apache-2.0
"""What the kernel watches: the product's own table and the files that the loaded rules name."""

from __future__ import annotations

import logging

from innerwarden.rules.watch import Watch, names_of
from innerwarden.sensor.kernel_watch import CHANGE, DIR, READ, default_names

logger = logging.getLogger(__name__)


def watched_names(watch: Watch) -> dict[bytes, int]:
    """Name component -> flags of kernel_watch.

    The table's own entries stay as they are: they were chosen so that a common name counts only in the right
    directories. A rule's test that names no component is logged: the kernel cannot look for it.
    """
    table = default_names()
    names: dict[bytes, int] = {}
    wanted, without = names_of(watch)
    for one in wanted:
        name = one.name.encode("utf-8", "surrogateescape")
        flags = (READ if one.read else CHANGE) | (DIR if one.directory else 0)
        names[name] = names.get(name, 0) | flags
    for test in without:
        logger.info("the kernel does not watch files for a test that gives no whole name test=%s", test)
    return {**names, **table}
