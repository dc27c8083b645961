# SPDX-License-Identifier: Apache-2.0
"""The agent cannot write: it says so, waits, and goes on without a loss when it can again."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.state.read import Reader
from tests.unit.agent.process import end, start
from tests.unit.agent.support import append, finding, wait_until

FINDINGS = 1500
#: More than an empty database, far less than all findings: a write beyond it fails in the kernel.
LIMIT_BYTES = 400_000


@pytest.mark.fault(
    fault="the agent may not make its files larger (RLIMIT_FSIZE)",
    expect="ingest waits, and stores each finding once when it may",
    levels=("ingest_behind",),
)
def test_ingest_waits_for_room_and_loses_nothing(tmp_path: Path) -> None:
    agent = start(tmp_path)
    output = tmp_path / "agent-output"
    try:
        wait_until(lambda: b"agent runs" in output.read_bytes())
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
        append(tmp_path, *(finding(key=str(n), summary="x" * 1000) for n in range(FINDINGS)))
        wait_until(lambda: b"ingest waits" in output.read_bytes())
        with Reader(paths.state_db(tmp_path)) as reader:
            before = reader.counters().get("incidents", 0)
            assert before < FINDINGS
            resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            wait_until(lambda: reader.counters().get("incidents", 0) == FINDINGS)
            assert reader.cursor().duplicates == reader.cursor().bad_lines == 0
            assert len(reader.incidents(limit=10_000)) == FINDINGS
        wait_until(lambda: b"ingest goes on" in output.read_bytes())
    finally:
        assert end(agent) == 0
    text = output.read_text()
    assert text.count("ingest waits") == 1
    assert "Traceback" not in text
