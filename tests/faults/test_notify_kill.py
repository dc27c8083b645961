# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the agent while messages go out: none is lost, and at most the one in flight comes twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apsw
import msgspec
import pytest

from innerwarden import paths
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.servers import Answer, Seen, http_server, secret_file, wait_until
from tests.unit.agent.notify.support import store

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 60
SCRIPT = """
import sys, time
from pathlib import Path
import msgspec
from innerwarden import paths
from innerwarden.agent.notify.notifier import Notifier
from innerwarden.agent.state.writer import Writer
from innerwarden.config import NotifyConfig
config = msgspec.json.decode(sys.argv[2], type=NotifyConfig)
notifier = Notifier(Writer(paths.state_db(Path(sys.argv[1]))), config, "web-1")
while True:
    notifier.tick()
    time.sleep(0.05)
"""


def start(data_dir: Path, config: NotifyConfig) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data_dir), msgspec.json.encode(config).decode()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/core"},
        stderr=subprocess.DEVNULL,
    )


def ended(pid: int) -> bool:
    """Gone, or dead and waiting for whoever adopted it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def states(data_dir: Path) -> dict[str, int]:
    """Rows of the outbox by state, read beside the running agent."""
    db = apsw.Connection(str(paths.state_db(data_dir)), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {
            str(state): int(str(n))
            for state, n in db.execute("SELECT state, count(*) FROM notices GROUP BY state")
        }
    finally:
        db.close()


@pytest.mark.fault(
    fault="kill -9 of the agent while messages go out",
    expect="none is lost; at most the one in flight comes twice",
    levels=("agent_down",),
)
@pytest.mark.timeout(180)
def test_kill_nine_between_sending_and_settling(tmp_path: Path) -> None:
    with http_server() as server:
        secret = secret_file(tmp_path, server.url)
        config = NotifyConfig(enabled=True, channels={"ops": ChannelConfig(kind="webhook", secret=secret)})
        with store(tmp_path, config) as one:
            wanted = {one.triage(Severity.CRITICAL) for _ in range(MESSAGES)}
        agents: list[subprocess.Popen[bytes]] = []
        orphans: list[int] = []
        kills = {5, 6, 23, 50}

        def answer(seen: Seen) -> Answer:
            if len(server.seen) in kills:  # it was received, and the agent dies before it knows
                kills.discard(len(server.seen))
                for task in Path(f"/proc/{agents[-1].pid}/task").iterdir():
                    orphans.extend(int(p) for p in (task / "children").read_text().split())
                agents[-1].send_signal(signal.SIGKILL)
                agents[-1].wait(10)
            return Answer()

        server.answer = answer
        agents.append(start(tmp_path, config))
        while kills:
            wait_until(lambda: agents[-1].poll() is not None, 60)
            assert agents[-1].returncode == -signal.SIGKILL
            agents.append(start(tmp_path, config))
        came: Counter[str] = Counter()

        def all_came() -> bool:
            came.clear()
            came.update(seen.json()["message"]["key"] for seen in list(server.seen))
            return set(came) == wanted

        wait_until(all_came, 60)
        wait_until(lambda: states(tmp_path) == {"sent": MESSAGES}, 20)
        agents[-1].send_signal(signal.SIGKILL)
        agents[-1].wait(10)
        assert len(orphans) == 4
        wait_until(lambda: all(ended(pid) for pid in orphans), 10)
    assert sum(came.values()) - MESSAGES <= 4
    assert max(came.values()) <= 5
