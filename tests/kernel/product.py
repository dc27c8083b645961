# SPDX-License-Identifier: Apache-2.0
"""The whole product as a user starts it, for tests that act on this machine and read incidents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A TCP port that was free on 127.0.0.1 a moment ago."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], timeout_s: float, why: str) -> Any:
    """Poll until `what()` is truthy and return it; fail with `why` after the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{why}: not within {timeout_s} s")
        time.sleep(0.05)


#: What other programs of this machine have mapped already is no act of a test.
ACTS_ONLY = "[collectors.inventory.memory_maps]\nenabled = false\n"


class Product:
    """`innerwarden run` with its own data directory, ended by SIGINT like Ctrl-C."""

    def __init__(self, directory: Path, config: str = ACTS_ONLY) -> None:
        self.data_dir = directory / "data"
        self.config = directory / "config.toml"
        self.config.write_text(config)
        self.port = free_port()
        self.log = (directory / "run.log").open("w+")
        self.process: subprocess.Popen[str] | None = None

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "innerwarden", *words]

    def start(self) -> Product:
        command = self.command(
            "run",
            "--data-dir",
            str(self.data_dir),
            "--config",
            str(self.config),
            "--listen",
            f"127.0.0.1:{self.port}",
        )
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, cwd=REPOSITORY, text=True
        )
        wait_for(self.ready, 30, "the product did not get ready:\n" + self.output())
        return self

    def ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError("run ended early:\n" + self.output())
        health = self.data_dir / "sensor-health.json"
        return health.exists() and (self.data_dir / "state.db").exists()

    def output(self) -> str:
        return Path(self.log.name).read_text()

    def incidents(self, *arguments: str) -> list[dict[str, Any]]:
        """What `innerwarden incidents --json` prints of the sensor's, newest first. Acts of a test come from one
        process tree, so the agent's stories of that tree grow beside them."""
        done = subprocess.run(
            self.command("incidents", "--data-dir", str(self.data_dir), "--json", *arguments),
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return [row for row in json.loads(done.stdout)["data"] if row["source"] == "sensor"]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
        self.log.close()


def end(child: subprocess.Popen[Any]) -> None:
    """End a process that the test started."""
    if child.poll() is None:
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
