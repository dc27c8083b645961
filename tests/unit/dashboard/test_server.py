# SPDX-License-Identifier: Apache-2.0
"""The server: bound at once, stopped at once, and nobody is let in without a token in state.db."""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.dashboard.auth import FAILURES_PER_CLIENT, hash_of
from innerwarden.agent.dashboard.server import serve
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.tokens import AddToken
from innerwarden.agent.state.writer import Writer
from innerwarden.errors import UnavailableError, UsageError


def get(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_serves_checks_tokens_of_the_database_and_stops(data_dir: Path) -> None:
    writer = Writer(paths.state_db(data_dir))
    writer.run(AddToken(sha256=hash_of("stored")))
    writer.close()
    server = serve(lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir), "127.0.0.1:0")
    before = threading.active_count()
    server.start()
    assert get(server.port, "/healthz") == (200, b"ok\n")
    assert get(server.port, "/api/v1/overview")[0] == 401
    assert get(server.port, "/api/v1/overview", Authorization="Bearer stored")[0] == 200
    assert get(server.port, "/api/v1/overview", Authorization="Bearer other")[0] == 401
    assert get(server.port, "/healthz", Host="evil.example")[0] == 421
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    idle.request("GET", "/healthz")
    idle.getresponse().read()  # kept alive: a client that never leaves must not hold up the stop
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2
    with pytest.raises(OSError):
        get(server.port, "/healthz")
    assert threading.active_count() <= before


def test_a_taken_port_is_an_error_with_a_way_out(data_dir: Path) -> None:
    args = (lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir))
    first = serve(*args, "127.0.0.1:0")
    first.start()
    try:
        with pytest.raises(UnavailableError) as caught:
            serve(*args, f"127.0.0.1:{first.port}")
        assert "--listen" in caught.value.remedy
    finally:
        first.stop()


@pytest.mark.parametrize("listen", ["8787", "127.0.0.1:", "127.0.0.1:x", ":80", "127.0.0.1:70000"])
def test_a_wrong_address_is_usage(data_dir: Path, listen: str) -> None:
    with pytest.raises(UsageError):
        serve(lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir), listen)


@pytest.mark.parametrize("public_url", ["", "https://warden.example.org"])
def test_only_a_proxy_of_ours_names_the_client(data_dir: Path, public_url: str) -> None:
    """One client that fails with ever new X-Forwarded-For: without a proxy it is one client all the same."""
    server = serve(
        lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir), "127.0.0.1:0",
        tokens=lambda sha256: False, public_url=public_url,
    )  # fmt: skip
    server.start()
    try:
        headers = [
            {"Authorization": "Bearer guess", "X-Forwarded-For": f"198.51.100.1, 192.0.2.{number}"}
            for number in range(FAILURES_PER_CLIENT + 1)
        ]
        replies = [get(server.port, "/api/v1/overview", **one)[0] for one in headers]
    finally:
        server.stop()
    assert replies == [401] * FAILURES_PER_CLIENT + [401 if public_url else 429]


def test_a_missing_database_is_503_not_a_traceback(tmp_path: Path) -> None:
    server = serve(lambda: Reader(paths.state_db(tmp_path)), paths.sensor_health(tmp_path), "127.0.0.1:0")
    server.start()
    try:
        status, body = get(server.port, "/healthz")
        assert status == 503
        assert b"Traceback" not in body
    finally:
        server.stop()
