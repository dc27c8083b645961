# SPDX-License-Identifier: Apache-2.0
"""The real daemons over one data directory, and what a person sees of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from innerwarden import paths
from tests.kernel.product import free_port
from tests.unit.sensor.live_sensor import compiled

ROOT = Path(__file__).resolve().parents[2]
FAILURES = 20
T = TypeVar("T")

#: Logs alone: the kernel source needs root, and what else happens on this machine is no part of a test.
CONFIG = """
[collectors.kernel]
enabled = {kernel}
[collectors.journald]
enabled = false
[collectors.docker]
enabled = false
[collectors.podman]
enabled = false
[collectors.auth_log]
path = "{log}"
[collectors.inventory.memory_maps]
enabled = false
[trust]
directory = "{trust}"
"""


def until(what: Callable[[], T], seconds: float, why: Callable[[], str] | str) -> T:
    """Poll until `what()` is truthy, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, (
            f"not within {seconds} s: {why if isinstance(why, str) else why()}"
        )
        time.sleep(0.1)
    return value


class Host:
    """Sensor and agent of a host of the test's own. `inside`: argv by which a process gets where they live; `data_dir`
    is there, and `seen` is the same directory for the test."""

    def __init__(
        self,
        directory: Path,
        *,
        data_dir: Path | None = None,
        seen: Path | None = None,
        inside: Sequence[str] = (),
        more: str = "",
        kernel: bool = False,
    ) -> None:
        self.directory = directory
        self.data_dir = data_dir or directory / "data"
        self.seen = seen or self.data_dir
        self.inside = list(inside)
        self.seen.mkdir(exist_ok=True)
        paths.rule_cache(self.seen).write_bytes(compiled())
        self.log = directory / "auth.log"
        self.log.touch()
        self.trust = directory / "trust.d"
        self.trust.mkdir(exist_ok=True)
        self.modules = directory / "modules"
        self.config = directory / "config.toml"
        switch = "true" if kernel else "false"
        self.config.write_text(CONFIG.format(log=self.log, trust=self.trust, kernel=switch) + more)
        self.config.chmod(0o644)
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT}/core",
            "INNERWARDEN_MODULES": str(self.modules),
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.attacks = 0

    def start(self, daemon: str) -> subprocess.Popen[bytes]:
        """Start `sensor` or `agent` and wait until it works; what it says goes to `<daemon>.out`."""
        listen = ["--listen", f"127.0.0.1:{free_port()}", "--no-token"] if daemon == "agent" else []
        before = self._stamp()
        with (self.directory / f"{daemon}.out").open("ab") as out:
            begin = out.tell()
            child = subprocess.Popen(
                [*self.inside, *self._command(daemon), "--config", str(self.config), *listen],
                stdout=out, stderr=out, cwd=ROOT, env=self.environment,
            )  # fmt: skip
        self.running[daemon] = child
        words = {"agent": b"agent runs", "responder": b"responder runs"}

        def works() -> bool:
            assert child.poll() is None, f"{daemon} ended with {child.returncode}: {self.said(daemon)}"
            if daemon == "sensor":
                return self._stamp() != before
            return words[daemon] in self.said(daemon).encode()[begin:]

        until(works, 60, lambda: self.said(daemon))
        return child

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "innerwarden", *words, "--data-dir", str(self.data_dir)]

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = paths.sensor_health(self.seen).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def said(self, daemon: str) -> str:
        return (self.directory / f"{daemon}.out").read_text(errors="replace")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the CLI to its end."""
        return subprocess.run(
            [*self.inside, *self._command(*words)],
            capture_output=True, text=True, cwd=ROOT, env=self.environment, check=False, timeout=60,
        )  # fmt: skip

    def module(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`innerwarden module ...`, without waiting for a sensor."""
        return subprocess.run(
            [sys.executable, "-m", "innerwarden", "module", *words],
            capture_output=True, text=True, cwd=ROOT, env=self.environment, check=False, timeout=60,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """What `innerwarden status --json` says; each level is in the text form too."""
        done = self.run("status", "--json")
        assert done.returncode in (0, 1), done.stderr
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        data["exit_code"] = done.returncode
        return data

    def levels(self) -> dict[str, str]:
        """Name -> detail of the levels that hold now."""
        return {one["name"]: one["detail"] for one in self.status()["levels"]}

    def until_levels(self, *names: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until `status` names these, or none at all where none is given; both its forms say so."""
        found: dict[str, Any] = {}

        def all_named() -> bool:
            found.clear()
            found.update(self.status())
            for daemon, child in self.running.items():
                assert child.poll() is None, f"{daemon} ended with {child.returncode}: {self.said(daemon)}"
            named = {one["name"] for one in found["levels"]}
            if not named >= set(names) or bool(named) != bool(names):
                return False
            text = self.run("status").stdout
            return all(name in text for name in names)

        until(all_named, seconds, lambda: f"levels {found['levels']} {found['trouble']}, wanted {names}")
        return found

    def attack(self, at_s: float | None = None) -> str:
        """A brute force in the log, one address more each time; its address."""
        self.attacks += 1
        address = f"198.51.100.{self.attacks}"
        now = time.time() if at_s is None else at_s
        with self.log.open("a") as log:
            for number in range(FAILURES):
                at = now - (FAILURES - number) / 10
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(at)))
                log.write(
                    f"{stamp}.{int(at % 1 * 1e6):06d}+00:00 web sshd[{1000 + self.attacks}]: Failed password for"
                    f" root from {address} port {20000 + number} ssh2\n"
                )
        return address

    def told(self) -> Counter[str]:
        """Stored brute force incidents by address."""
        done = self.run("incidents", "--detector", "ssh_bruteforce", "--limit", "10000", "--json")
        if done.returncode not in (0, 1):
            return Counter()
        return Counter(row["fields"]["entities"][0]["value"] for row in json.loads(done.stdout)["data"])

    def until_told(self, *addresses: str, seconds: float = 60) -> None:
        """Wait until the incidents of all are stored; each exactly once, and no other."""
        wanted = dict.fromkeys(addresses, 1)
        until(lambda: self.told().keys() >= wanted.keys(), seconds, lambda: f"{self.told()}, wanted {wanted}")
        assert self.told() == wanted

    def end(self, daemon: str, how: int = signal.SIGTERM, seconds: float = 30) -> int:
        child = self.running.pop(daemon)
        if child.poll() is None:
            child.send_signal(how)
        return child.wait(seconds)

    def close(self) -> None:
        for child in self.running.values():
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait(30)
        self.running.clear()
