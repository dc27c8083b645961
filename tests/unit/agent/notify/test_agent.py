# SPDX-License-Identifier: Apache-2.0
"""The agent as it is started: a channel of its configuration gets what is handed over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from innerwarden.agent.main import run
from innerwarden.agent.state.writer import Writer
from innerwarden.config import ChannelConfig, Config, NotifyConfig
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.servers import Answer, http_server, secret_file, wait_until
from tests.unit.agent.notify.support import Triaged
from tests.unit.agent.support import finding


def test_the_agent_tells_and_stops_at_once(tmp_path: Path) -> None:
    stop, writers = threading.Event(), []

    def serve(writer: Writer) -> Callable[[], None]:
        writers.append(writer)
        return lambda: None

    with http_server() as server:
        channel = ChannelConfig(kind="webhook", secret=secret_file(tmp_path, server.url), timeout_s=60)
        config = Config(host="web-1", notify=NotifyConfig(enabled=True, channels={"ops": channel}))
        data_dir = tmp_path / "data"
        agent = threading.Thread(target=run, args=(config, data_dir, stop, serve))
        agent.start()
        try:
            wait_until(lambda: bool(writers))
            writers[0].run(Triaged(finding=finding(severity=Severity.CRITICAL)))
            wait_until(lambda: len(server.seen) == 1)
            assert server.seen[0].json()["message"]["severity"] == "critical"
            server.answer = lambda seen: Answer(wait_s=60)
            writers[0].run(Triaged(finding=finding(key="two", severity=Severity.CRITICAL)))
            wait_until(lambda: len(server.seen) == 2)
            began = time.monotonic()
        finally:
            stop.set()
            agent.join(20)
        assert not agent.is_alive()
        assert time.monotonic() - began < 2
