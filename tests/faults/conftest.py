# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemons import Host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Daemons on an ordinary disk; not started."""
    one = Host(tmp_path)
    yield one
    one.close()
