# SPDX-License-Identifier: Apache-2.0
"""What a start begins with, before the rest of the sensor is even imported: the data directory's lock, and the kernel
programs.

The kernel verifies the programs for as long as everything else at the start takes together. It does so on a thread of
its own, while the other one imports, reads the modules and makes the rules ready. Nothing is attached there: from the
moment that a program sees an event, somebody is there to take it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from pathlib import Path

from innerwarden.config import Config
from innerwarden.errors import UnavailableError
from innerwarden.sensor.loader import KernelSource


class Loading:
    """The kernel source, being loaded. One other thread calls its methods."""

    def __init__(self, config: Config) -> None:
        self._source = KernelSource(config.collectors.kernel, responder=config.responder)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load, name="kernel-programs")
        self._thread.start()
        # Until then it makes hundreds of short calls, after each of which it would wait for the interpreter.
        self._source.verifying.wait()

    def _load(self) -> None:
        try:
            self._source.load()
        except BaseException as error:  # told to whoever asks for the result
            self._error = error
        finally:
            self._source.verifying.set()

    def result(self) -> KernelSource:
        """Loaded; waits for it. Raises what KernelSource.load does."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._source

    def close(self) -> None:
        """Free what was loaded, once it is; detached too if it was attached. Safe to call twice."""
        self._thread.join()
        self._source.close()


class Beginning:
    """Holds the data directory for this sensor; `kernel` is None where the configuration switches it off."""

    def __init__(self, config: Config, data_dir: Path) -> None:
        """Raises UnavailableError: another sensor writes there, or nobody can."""
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise UnavailableError(
                f"cannot create the data directory {data_dir}: {error}", "Give --data-dir a writable one"
            ) from error
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # who reads our number from the lock may send it
        self._lock_fd = _lock(data_dir)
        self.kernel = Loading(config) if config.collectors.kernel.enabled else None

    def __enter__(self) -> Beginning:
        return self

    def __exit__(self, *_: object) -> None:
        if self.kernel is not None:
            self.kernel.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def _lock(data_dir: Path) -> int:
    """A descriptor that holds the data directory; a second sensor is refused by name."""
    fd = os.open(data_dir / "sensor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(fd, 32).decode(errors="replace").strip() or "?"
        os.close(fd)
        raise UnavailableError(
            f"another sensor (pid {owner}) already writes to {data_dir}",
            "Stop it first, or give --data-dir another directory",
        ) from None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd
