# SPDX-License-Identifier: Apache-2.0
"""What begins before the rest of the sensor is there: it refuses, waits and frees as if it came one after another."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.config import CollectorsConfig, Config, KernelConfig
from innerwarden.errors import LayoutError, UnavailableError
from innerwarden.sensor import beginning
from innerwarden.sensor.beginning import Beginning, Loading

WITHOUT_KERNEL = Config(collectors=CollectorsConfig(kernel=KernelConfig(enabled=False)))
LONG_S = 20.0


class Source:
    """A kernel source whose verifier takes until `go`."""

    go = threading.Event()
    problem: Exception | None = None
    closed = 0

    def __init__(self, *_: object, **__: object) -> None:
        self.verifying = threading.Event()

    def load(self) -> None:
        if self.problem is not None:
            raise self.problem
        self.verifying.set()
        assert self.go.wait(LONG_S)

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Source]]:
    class Own(Source):
        go = threading.Event()

    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr(beginning, "KernelSource", Own)
    yield Own
    Own.go.set()
    signal.signal(signal.SIGUSR1, before)


def test_the_result_waits_for_the_kernel(source: type[Source]) -> None:
    loading = Loading(Config())  # returns while the kernel verifies
    threading.Timer(0.05, source.go.set).start()
    assert isinstance(loading.result(), source) and source.go.is_set()


@pytest.mark.parametrize("problem", [UnavailableError("no BTF", "none"), LayoutError("other size", "make")])
def test_what_the_load_raises_is_raised_to_who_asks(source: type[Source], problem: Exception) -> None:
    source.problem = problem
    loading = Loading(Config())
    for _ in range(2):
        with pytest.raises(type(problem)) as caught:
            loading.result()
        assert caught.value is problem


def test_a_start_that_fails_meanwhile_frees_the_programs(tmp_path: Path, source: type[Source]) -> None:
    threading.Timer(0.05, source.go.set).start()
    with pytest.raises(RuntimeError), Beginning(Config(), tmp_path):
        raise RuntimeError("the trust files cannot be read")
    assert source.closed == 1 and source.go.is_set()
    Beginning(WITHOUT_KERNEL, tmp_path).__exit__()  # the directory is free again


def test_a_second_sensor_is_refused_by_name_and_loads_nothing(
    tmp_path: Path, source: type[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "Loading", None)
    with Beginning(WITHOUT_KERNEL, tmp_path) as begun:
        assert begun.kernel is None
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        with pytest.raises(UnavailableError, match=rf"another sensor \(pid {os.getpid()}\) already writes"):
            Beginning(Config(), tmp_path)
        assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
        with begun:  # left twice, as the command line and `run` do
            pass
        with Beginning(WITHOUT_KERNEL, tmp_path):
            pass


def test_who_reads_our_number_may_send_the_signal(tmp_path: Path, source: type[Source]) -> None:
    with Beginning(WITHOUT_KERNEL, tmp_path):
        os.kill(int((tmp_path / "sensor.lock").read_text()), signal.SIGUSR1)
