# SPDX-License-Identifier: Apache-2.0
"""One started kernel source for the whole session; its rings are emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from innerwarden.config import KernelConfig
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Witness


@pytest.fixture(scope="session")
def source() -> Iterator[KernelSource]:
    started = KernelSource(KernelConfig())
    started.start()
    yield started
    started.close()


@pytest.fixture(scope="session")
def session_witness(source: KernelSource) -> Iterator[Witness]:
    witness = Witness(source.rings)
    yield witness
    witness.close()


@pytest.fixture
def witness(session_witness: Witness) -> Witness:
    session_witness.drain()
    return session_witness
