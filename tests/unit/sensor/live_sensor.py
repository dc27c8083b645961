# SPDX-License-Identifier: Apache-2.0
"""A real sensor process that reads one log file, and the commands that switch its modules."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.health import ModulesHealth, SensorHealth, read
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, load_modules
from innerwarden.modules.state import ModuleState

CONFIG = """\
[collectors.kernel]
enabled = false
[collectors.journald]
enabled = false
[collectors.auth_log]
path = "{log}"
[collectors.inventory.memory_maps]
enabled = false
"""


def wait_for(what: Callable[[], Any], why: str, timeout_s: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)
    return value


@functools.cache
def compiled() -> bytes:
    """What ships, compiled once for all tests: the rule cache of a sensor that ran before."""
    with tempfile.TemporaryDirectory() as directory:
        cache = Path(directory) / "rules.cache"
        live = Live(state=ModuleState(), workers=Workers())
        load_modules(list(paths.shipped_modules()), Config(), cache=cache, live=live)
        return (cache if cache.exists() else paths.checkout_rules()).read_bytes()


class LiveSensor:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.modules = directory / "installed"
        self.data_dir = directory / "data"
        self.log = directory / "auth.log"
        self.log.write_text("")
        self.config = directory / "config.toml"
        self.config.write_text(CONFIG.format(log=self.log))
        self.data_dir.mkdir()
        paths.rule_cache(self.data_dir).write_bytes(compiled())
        self.environment = {**os.environ, "INNERWARDEN_MODULES": str(self.modules)}
        self.messages = (directory / "messages").open("w+")
        self.process: subprocess.Popen[bytes] | None = None
        self._lines = 0

    def start(self) -> LiveSensor:
        self.process = subprocess.Popen(
            [*self._command("sensor"), "--config", str(self.config)],
            stdout=self.messages,
            stderr=self.messages,
            env=self.environment,
        )
        wait_for(self.health, "no report of the sensor")
        wait_for(lambda: any(c.id == "auth_log" for c in self.report().collectors), "no log source")
        return self

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "innerwarden", *words, "--data-dir", str(self.data_dir)]

    def module(self, *words: str) -> tuple[int, str]:
        """`innerwarden module ...`: its code and both its outputs."""
        command = [sys.executable, "-m", "innerwarden", "module", *words]
        if words[0] in ("enable", "disable", "list"):
            command += ["--data-dir", str(self.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        return done.returncode, done.stdout + done.stderr

    def health(self) -> SensorHealth | None:
        return read(self.data_dir / "sensor-health.json")

    def report(self) -> SensorHealth:
        found = self.health()
        assert found is not None
        return found

    def switched(self) -> ModulesHealth:
        return self.report().modules

    def fail(self, count: int, *, user: str = "root", address: str = "192.0.2.77") -> None:
        """Failed logins, now."""
        with self.log.open("a") as log:
            for _ in range(count):
                self._lines += 1
                log.write(
                    f"{time.strftime('%b %d %H:%M:%S')} host sshd[{20000 + self._lines}]: "
                    f"Failed password for {user} from {address} port {30000 + self._lines} ssh2\n"
                )

    def read_lines(self) -> None:
        """Wait until the sensor has seen every line, and what it found has been written."""
        wait_for(
            lambda: self.report().totals.get("ssh.login_failed", 0) >= self._lines,
            "the sensor did not read the log",
        )
        time.sleep(0.3)

    def findings(self, detector: str) -> list[dict[str, Any]]:
        path = self.data_dir / "findings.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if row["detector"] == detector]

    def told(self) -> str:
        return Path(self.messages.name).read_text()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.messages.close()
        return code
