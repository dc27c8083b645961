# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the agent while findings stream in and rotate: every incident and every story exactly once."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.state.read import Reader
from innerwarden.errors import StateError
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding
from innerwarden.sensor.sinks.findings import FindingsSink
from tests.unit.agent.process import end, start
from tests.unit.agent.support import finding, process, wait_until

FINDINGS = 5000
STORIES = 200
KILLS = 8


def stream() -> list[Finding]:
    """Plain findings with the steps of STORIES web shells spread among them, in order of event time."""
    found = []
    for n in range(FINDINGS - 2 * STORIES):
        entities = (EntityRef.ip(f"10.1.{n // 250}.{n % 250}"), EntityRef.user("ana"))
        found.append(finding("password_file_change", at_s=n / 10, key=f"plain{n}", entities=entities))
    last_s = (FINDINGS - 2 * STORIES) / 10
    for n in range(STORIES):
        acting = process(100_000 + n, 400)
        at_s = n * last_s / STORIES
        found.append(finding("web_server_shell", at_s=at_s, key=f"shell{n}", process=acting))
        found.append(finding("reverse_shell", at_s=at_s + 20.05, key=f"out{n}", process=acting))
    return sorted(found, key=lambda one: one.ts)


def written(sink: FindingsSink, findings: list[Finding]) -> Iterator[int]:
    """Write in small groups; yields how many are written."""
    for start_at in range(0, len(findings), 25):
        group = findings[start_at : start_at + 25]
        sink.write(group)
        yield start_at + len(group)


def stored(data_dir: Path) -> int:
    try:
        with Reader(paths.state_db(data_dir)) as reader:
            return reader.counters().get("incidents", 0)
    except StateError:
        return 0


@pytest.mark.fault(
    fault="kill -9 of the agent, eight times, while findings stream in and rotate",
    expect="each incident and each story exactly once",
    levels=("agent_down",),
)
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_nine_loses_nothing_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    findings = stream()
    sink = FindingsSink(paths.findings(tmp_path), max_bytes=200_000, keep=50)
    stops = sorted(chance.sample(range(200, FINDINGS - 200), KILLS))
    agent = start(tmp_path, poll_ms=1)
    killed = 0
    try:
        for count in written(sink, findings):
            if stops and count >= stops[0]:
                # Somewhere between nothing and all of what is written, as chance has it.
                behind = chance.randrange(0, 200)
                wait_until(lambda at=count - behind: stored(tmp_path) >= at, 60)
                assert end(agent, signal.SIGKILL) == -signal.SIGKILL
                killed += 1
                stops.pop(0)
                agent = start(tmp_path, poll_ms=1)
        wait_until(lambda: stored(tmp_path) >= FINDINGS, 60)
    finally:
        assert end(agent) == 0
        sink.close()
    assert killed == KILLS
    _check(tmp_path, findings)


def _check(data_dir: Path, findings: list[Finding]) -> None:
    assert len(list(data_dir.glob("findings.jsonl.*"))) >= 5
    with Reader(paths.state_db(data_dir)) as reader:
        rows = reader.incidents(limit=10_000)
        cursor, counters = reader.cursor(), reader.counters()
        chains = [row for row in rows if row.source == "correlation"]
        for chain in chains:
            assert len(reader.related(chain.incident_id)) == 2
    assert Counter(row.incident_id for row in rows if row.source == "sensor") == Counter(
        one.fields.incident_id for one in findings
    )
    assert Counter(row.detector for row in chains) == {"web_shell_outbound": STORIES}
    assert len({row.incident_id for row in chains}) == STORIES
    assert {"web_shell_outbound"} <= {rule.id for rule in find_rules()}
    assert (cursor.bad_lines, cursor.duplicates, cursor.restarts, cursor.missed_files) == (0, 0, 0, 0)
    assert (counters["incidents"], counters["correlations"]) == (FINDINGS, STORIES)
    by_id = {row.incident_id: row for row in rows}
    for one in findings:
        assert msgspec.json.encode(by_id[one.fields.incident_id].fields) == msgspec.json.encode(one.fields)
