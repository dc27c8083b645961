# SPDX-License-Identifier: Apache-2.0
"""Entries, and a directory of root's in which only root writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from innerwarden.trust import Entry, Placed, TrustSet

DAY = datetime(2026, 1, 1, tzinfo=UTC)
NOW_NS = int(DAY.timestamp()) * 1_000_000_000 + 3_600_000_000_000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of root's: run `sudo make test`")


def entry(entry_id: str = "one", **fields: Any) -> Entry:
    usual: dict[str, Any] = {
        "id": entry_id,
        "detectors": ("all",),
        "reason": "because",
        "owner": "ana",
        "created": DAY,
        "no_expiry": "expires" not in fields,
    }
    return Entry(**(usual | fields))


def trust(*entries: Entry) -> TrustSet:
    return TrustSet([Placed(entry=one, file="t.toml", line=n) for n, one in enumerate(entries, 1)])


@contextmanager
def roots_own() -> Iterator[Path]:
    """Everything above it belongs to root and is closed to others; /tmp is not."""
    path = Path(tempfile.mkdtemp(prefix="innerwarden-test-", dir="/opt" if Path("/opt").is_dir() else "/usr"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def text(**changes: str) -> str:
    """A good entry as TOML; a change of None leaves the line out."""
    lines = {
        "id": '"one"',
        "detectors": '["all"]',
        "reason": '"because"',
        "owner": '"ana"',
        "created": "2026-01-01T00:00:00Z",
        "expires": "2026-02-01T00:00:00Z",
        "networks": '["192.0.2.0/24"]',
    }
    lines |= changes
    return "[[trust]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
