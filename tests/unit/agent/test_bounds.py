# SPDX-License-Identifier: Apache-2.0
"""Nothing that the running agent holds grows with what happens: every container of the process is looked at."""

from __future__ import annotations

import functools
import gc
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.agent.main import run
from innerwarden.agent.state.read import Reader
from innerwarden.config import AgentConfig, Config
from innerwarden.errors import StateError
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding
from innerwarden.paths import state_db
from tests.unit.agent.support import append, finding, process, wait_until

#: More than any table of the agent needs, far less than the findings of a step.
MOST = 2000
DETECTORS = ("ssh_brute_force", "suspicious_login", "suspicious_exec_origin", "sudo_abuse", "reverse_shell")


def one(n: int) -> Finding:
    """Every finding names an address, a user, a path and a process that no other does."""
    address = f"198.{18 + (n >> 16 & 1)}.{n >> 8 & 255}.{n & 255}"
    entities = (EntityRef.ip(address), EntityRef.user(f"user{n}"), EntityRef.path(f"/tmp/{n}"))
    return finding(
        DETECTORS[n % len(DETECTORS)],
        key=f"{n}",
        at_s=n / 50,
        entities=entities,
        process=process(10_000 + n, 5_000 + n, user=f"user{n}"),
    )


def large() -> dict[int, object]:
    """Containers with more than MOST elements, by id."""
    gc.collect()
    return {id(o): o for o in gc.get_objects() if isinstance(o, dict | list | set | deque) and len(o) > MOST}


def caches() -> Iterator[str]:
    """Caches of ours that may grow without end and have."""
    for o in gc.get_objects():
        ours = isinstance(o, functools._lru_cache_wrapper) and o.__module__.startswith("innerwarden")
        if ours and o.cache_info().currsize > MOST:
            yield f"{o.__module__}.{o.__name__}"


def stored(data_dir: Path) -> int:
    try:
        with Reader(state_db(data_dir)) as reader:
            return reader.counters().get("incidents", 0)
    except StateError:
        return 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_container_grows_with_a_hundred_thousand_findings(tmp_path: Path) -> None:
    stop = threading.Event()
    # Nothing of 2026-01 is young enough for retention otherwise.
    config = Config(host="web-1", agent=AgentConfig(poll_ms=5, retention_days=36_500, anchor_minutes=0))
    agent = threading.Thread(target=run, args=(config, tmp_path, stop))
    agent.start()
    try:
        append(tmp_path, *map(one, range(1000)))
        wait_until(lambda: stored(tmp_path) == 1000, 60)
        before = large()
        for start in range(1000, 100_000, 9900):
            append(tmp_path, *map(one, range(start, start + 9900)))
            wait_until(lambda until=start + 9900: stored(tmp_path) >= until, 300)
        grown = [
            f"{type(o).__name__} of {len(o)}: {str(o)[:200]}"
            for key, o in large().items()
            if key not in before
        ]  # type: ignore[arg-type]
        assert grown == []
        assert list(caches()) == []
    finally:
        stop.set()
        agent.join(30)
    assert not agent.is_alive()
