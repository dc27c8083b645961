# SPDX-License-Identifier: Apache-2.0
"""The agent as it is started: a channel of its configuration gets what is handed over."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from innerwarden.agent.main import run
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import ChannelConfig, Config, NotifyConfig
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.servers import Answer, http_server, secret_file, wait_until
from tests.unit.agent.support import START_NS, append, finding


def test_the_agent_tells_and_stops_at_once(tmp_path: Path) -> None:
    """From a line of the sensor to the receiver, through ingest, triage and notifier as they are started."""
    now_s = (realtime_ns() - START_NS) / NS  # older ones would be pruned at once
    stop, data_dir = threading.Event(), tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with http_server() as server:
        channel = ChannelConfig(kind="webhook", secret=secret_file(tmp_path, server.url), timeout_s=60)
        config = Config(host="web-1", notify=NotifyConfig(enabled=True, channels={"ops": channel}))
        agent = threading.Thread(target=run, args=(config, data_dir, stop))
        agent.start()
        try:
            append(data_dir, finding(at_s=now_s, severity=Severity.CRITICAL))
            wait_until(lambda: len(server.seen) == 1)
            assert server.seen[0].json()["message"]["severity"] == "critical"
            server.answer = lambda seen: Answer(wait_s=60)
            append(data_dir, finding("reverse_shell", at_s=now_s, severity=Severity.CRITICAL))
            wait_until(lambda: len(server.seen) == 2)
        finally:
            began = time.monotonic()
            stop.set()
            agent.join(20)
        assert not agent.is_alive()
        assert time.monotonic() - began < 2
