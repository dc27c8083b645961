# SPDX-License-Identifier: Apache-2.0
"""Make an input that shows a fault smaller, as long as it shows the same one. Each try is a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.running import environment
from tests.fuzz.target import ROOT, Judge, Target, bounded

SECONDS = 30.0
#: A try that takes longer hangs.
TRY_S = 20
#: How a try in a forked child ends.
SAME, OTHER = 7, 0


def smaller(target: Target, data: bytes, library: Path | None) -> bytes:
    """In a process like the one that found it. What cannot be repeated comes back as it is."""
    with tempfile.NamedTemporaryFile() as given:
        given.write(data)
        given.flush()
        command = [sys.executable, "-m", "tests.fuzz.minimise", target.name, given.name]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(target, library),
                capture_output=True,
                timeout=SECONDS * 4,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return data
        return Path(given.name).read_bytes() if done.returncode == 0 else data


def signature(judge: Judge, data: bytes) -> str:
    """Of the fault: the exception's type and where it was raised; empty when there is none."""
    try:
        judge(data)
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
        return f"{type(error).__name__} {where}"
    return ""


def _same(target: Target, data: bytes, wanted: str) -> bool:
    """Tried in a child, which may die of it, and which makes its own judge: threads do not survive a fork."""
    child = os.fork()
    if child == 0:
        signal.alarm(TRY_S)
        os._exit(SAME if _tried(target, data) == wanted else OTHER)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code == SAME if wanted else code not in (SAME, OTHER)


def _tried(target: Target, data: bytes) -> str:
    return signature(bounded(target, target.make()), data)


def _shrunk(target: Target, data: bytes, wanted: str) -> bytes:
    """Take pieces out, half of it first, then ever smaller ones."""
    deadline = time.monotonic() + SECONDS
    size = max(1, len(data) // 2)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(data) and time.monotonic() < deadline:
            shorter = data[:at] + data[at + size :]
            if len(shorter) < len(data) and _same(target, shorter, wanted):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def main() -> int:
    from tests.fuzz import targets

    name, path = sys.argv[1], Path(sys.argv[2])
    target = targets.find()[name]
    data = path.read_bytes()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            signal.alarm(TRY_S)
            os.write(said.fileno(), _tried(target, data).encode())
            os._exit(OTHER)
        os.waitpid(child, 0)
        said.seek(0)
        wanted = said.read().decode()
    if not wanted and not _same(target, data, ""):
        return 1
    path.write_bytes(_shrunk(target, data, wanted))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
