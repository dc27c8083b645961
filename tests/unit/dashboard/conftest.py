# SPDX-License-Identifier: Apache-2.0
"""A data directory filled by the agent's own ingest, and the application over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import falcon.testing
import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.dashboard.app import create
from innerwarden.agent.dashboard.auth import hash_of
from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.responses import Order, intend
from innerwarden.agent.state.rows import TaskRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, realtime_ns
from innerwarden.model.record import Decided, Outcome
from innerwarden.model.verb import BlockAddress
from tests.unit.dashboard import samples

TOKEN = "a-token-that-was-printed-once"
HOST = {"Host": "127.0.0.1:8787"}


def ingest(data_dir: Path) -> None:
    """Read what findings.jsonl holds by now into state.db."""
    writer = Writer(paths.state_db(data_dir))
    reading = Ingest(paths.findings(data_dir), writer, lambda tx, stored: 0)
    while reading.step() is not None:
        pass
    reading.close()
    writer.close()


class Extras(msgspec.Struct, frozen=True):
    """Operation: a task's status, and the first incident as a chain that holds the last."""

    durable: bool = False

    def apply(self, tx: Tx) -> None:
        task = TaskRow(
            name="prune_incidents", cadence_s=3600.0, budget_ms=500, state="waiting", runs=3, overruns=1,
            failures=1, last_ns=tx.now_ns, last_ms=2.5, last_error="OSError: <b>disk</b>",
        )  # fmt: skip
        tx.save_task(task)
        tx.add_members(1, [(1, 6)])
        for number, (state, address) in enumerate(samples.RESPONSES.items(), 1):
            verb = BlockAddress(address=address)
            decided = Decided(
                incident_id="", outcome=Outcome.ACT, by="rule:<b>work</b>", reason=samples.SCRIPT, verb=verb
            )
            intend(tx, Order(decided=decided, verb=verb, ttl_s=600, incident=6))
            tx.db.execute(
                "UPDATE responses SET state = ?, expires_ns = ?, detail = ? WHERE id = ?",
                (state, tx.now_ns, samples.HIDDEN, number),
            )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    now = realtime_ns()
    findings = [samples.brute_force(now - n * 600 * NS, n) for n in range(5, 0, -1)]
    lines = [samples.line(one) for one in (*findings, samples.reverse_shell(now))]
    paths.findings(tmp_path).write_bytes(
        b"".join(lines) + samples.line(samples.telemetry(now)) + b"not json\n"
    )
    paths.sensor_health(tmp_path).write_bytes(msgspec.json.encode(samples.health(now)))
    ingest(tmp_path)
    writer = Writer(paths.state_db(tmp_path))
    writer.run(Extras())
    writer.close()
    return tmp_path


@pytest.fixture
def context(data_dir: Path) -> Iterator[Context]:
    made = Context(lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir))
    yield made
    made.close()


def log_in(client: falcon.testing.TestClient, token: str = TOKEN) -> falcon.testing.Result:
    """Send the form as a browser does."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.simulate_post("/login", body=urlencode({"token": token}), headers=form)


@pytest.fixture
def stranger(context: Context) -> falcon.testing.TestClient:
    """Not logged in."""
    return falcon.testing.TestClient(create(context, lambda sha256: sha256 == hash_of(TOKEN)), headers=HOST)


@pytest.fixture
def client(context: Context) -> falcon.testing.TestClient:
    """Logged in."""
    app = create(context, lambda sha256: sha256 == hash_of(TOKEN))
    reply = log_in(falcon.testing.TestClient(app, headers=HOST))
    session = reply.cookies["iw_session"].value
    return falcon.testing.TestClient(app, headers={**HOST, "Cookie": f"iw_session={session}"})
