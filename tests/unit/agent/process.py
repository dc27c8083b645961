# SPDX-License-Identifier: Apache-2.0
"""The agent as a process of its own, started and ended by the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from pathlib import Path
from innerwarden import log
from innerwarden.agent.main import run
from innerwarden.config import AgentConfig, Config
from innerwarden.errors import InnerWardenError
log.setup("agent")
try:
    # The findings of tests are of a fixed day.
    run(Config(agent=AgentConfig(poll_ms=int(sys.argv[2]), retention_days=36500)), Path(sys.argv[1]))
except InnerWardenError as error:
    sys.exit(str(error))
"""


def start(data_dir: Path, poll_ms: int = 100) -> subprocess.Popen[bytes]:
    with (data_dir / "agent-output").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(data_dir), str(poll_ms)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/core"},
            stderr=output,
            stdout=output,
        )


def end(agent: subprocess.Popen[bytes], number: int = signal.SIGTERM, timeout_s: float = 10) -> int:
    if agent.poll() is None:
        agent.send_signal(number)
    return agent.wait(timeout_s)
