# SPDX-License-Identifier: Apache-2.0
"""One started kernel source for the whole session; its rings are emptied before each test.

Records of files have two ways to arise: hooks on the kernel's objects, or the system calls where those are not
attached. `way` runs a test with each that this kernel takes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import KernelConfig
from innerwarden.model._wire import Flag
from innerwarden.sensor.kernel_hooks import FENTRY, HOOKS
from innerwarden.sensor.loader import KernelSource, sample
from tests.conftest import kernel_obstacle
from tests.kernel.reader import Decoded, Witness


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


@dataclass(frozen=True)
class Way:
    """A started source; `text`: names come from the calls' arguments and not from the kernel's objects."""

    source: KernelSource
    witness: Witness
    text: bool

    @property
    def flags(self) -> int:
        """Header flags of a record whose path a call named."""
        return Flag.PATH_FROM_ARG if self.text else 0

    def all(self, kind: str, pid: int) -> list[Decoded]:
        return [r for r in self.witness.drain() if r.kind == kind and r.pid == pid]

    def only(self, kind: str, pid: int, below: Path) -> list[Decoded]:
        """Records of that process whose path is below a directory."""
        head = os.fsencode(below) + b"/"
        return [r for r in self.all(kind, pid) if r.path is not None and r.path.startswith(head)]


OBJECTS = {hook.name for hook in HOOKS if hook.attach == FENTRY and hook.name.startswith("object_")}


@functools.cache
def ways() -> list[str]:
    """Where a kernel takes no programs on its functions there is one way."""
    if kernel_obstacle() is not None:
        return ["calls"]
    (first,) = [hook for hook in HOOKS if hook.name == "object_open"]
    return ["calls"] if sample(paths.bpf_object().read_bytes(), first) else ["objects", "calls"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "session_way" in metafunc.fixturenames:
        metafunc.parametrize("session_way", ways(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def session_way(request: pytest.FixtureRequest, source: KernelSource) -> Iterator[Way]:
    attached = {hook.name for hook in source.hooks if hook.state == "attached"}
    started = source
    if request.param == "calls" and attached & OBJECTS:
        started = KernelSource(KernelConfig(), without=OBJECTS)
        started.start()
    witness = Witness(started.rings)
    yield Way(started, witness, text=request.param == "calls")
    witness.close()
    if started is not source:
        started.close()


@pytest.fixture
def way(session_way: Way) -> Way:
    session_way.witness.drain()
    return session_way
