# SPDX-License-Identifier: Apache-2.0
"""What sensor and agent weigh after a short real run: `python -m bench.memory`."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("sensor", "agent")


def children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += children(int(child))
    return found


def status_mib(pid: int) -> dict[str, float]:
    """VmRSS and RssAnon in MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", text, re.MULTILINE)
    return {name: int(kib) / 1024 for name, kib in found}


def weigh(pid: int) -> dict[str, dict[str, float]]:
    """role -> memory, for the roles found in the command lines below `pid`."""
    weights = {}
    for each in children(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{each}/cmdline").read_bytes().decode(errors="replace").split("\0")
            for role in ROLES:
                if role in words[1:5]:
                    weights[role] = status_mib(each)
    return weights


def end(product: subprocess.Popen[str]) -> str:
    """Ask it to stop, make it after 15 s; what it wrote to its standard error."""
    product.send_signal(signal.SIGTERM)
    try:
        return product.communicate(timeout=15)[1]
    except subprocess.TimeoutExpired:
        product.kill()
        return product.communicate()[1]


def report(seconds: float) -> str:
    """Start the product, let it run for `seconds`, and say what each process weighs."""
    with tempfile.TemporaryDirectory(prefix="iw-memory-") as directory:
        command = [
            sys.executable,
            "-m",
            "innerwarden",
            "run",
            "--data-dir",
            directory,
            "--listen",
            "127.0.0.1:0",
        ]
        product = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        weights: dict[str, dict[str, float]] = {}
        deadline = time.monotonic() + seconds + 10
        settled = None
        try:
            while time.monotonic() < deadline and product.poll() is None:
                weights = weigh(product.pid) or weights
                working = (Path(directory) / "sensor-health.json").exists()
                if settled is None and working and len(weights) == len(ROLES):
                    settled = time.monotonic() + seconds
                if settled is not None and time.monotonic() >= settled:
                    break
                time.sleep(0.1)
        finally:
            error = end(product)
    if settled is None:
        last = error.strip().splitlines()[-1:] or ["it ended without a word"]
        return f"memory not measured: {last[0]}"
    parts = [f"{role} {w['VmRSS']:.1f} MiB RSS ({w['RssAnon']:.1f} anonymous)" for role, w in weights.items()]
    return f"memory after {seconds:.0f} s: " + ", ".join(parts)


if __name__ == "__main__":
    print(report(3.0))
