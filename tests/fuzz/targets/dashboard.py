# SPDX-License-Identifier: Apache-2.0
"""Requests to the dashboard as the HTTP server hands them on: any method, path, query, header and body."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from innerwarden import paths
from tests.fuzz.framing import framed, pieces_of
from tests.fuzz.target import Judge, Target, must

METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
HEADERS = ("HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_SEC_FETCH_SITE", "CONTENT_TYPE", "HTTP_ACCEPT", "HTTP_AUTHORIZATION",
           "HTTP_HOST", "HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_FORWARDED")  # fmt: skip
#: The mode's bit for: with the token, so that what is behind the door is asked.
WITH_TOKEN = 128
TOKEN = "t" * 43
WORDS = (b"/api/v1/incidents", b"/api/v1/incident/", b"/api/v1/responses", b"/api/v1/sensor", b"/static/", b"/act/",
         b"severity=", b"since=", b"entity=", b"before=", b"limit=", b"text=", b"%00", b"%ff", b"..", b"%2e%2e",
         b"http://[", b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
         b"token=", b"Basic ", b"Bearer ", b"bytes=0-", b"99999999999999999999", b"iw_session=")  # fmt: skip


def fill(directory: Path) -> None:
    """A data directory in which every page has something to show."""
    from innerwarden.agent.state.writer import Writer
    from innerwarden.clock import NS, realtime_ns
    from tests.unit.dashboard import samples
    from tests.unit.dashboard.conftest import Extras, ingest

    now = realtime_ns()
    findings = [samples.brute_force(now - n * 600 * NS, n) for n in range(5, 0, -1)]
    lines = [samples.line(one) for one in (*findings, samples.reverse_shell(now))]
    paths.findings(directory).write_bytes(
        b"".join(lines) + samples.line(samples.telemetry(now)) + b"not json\n"
    )
    paths.sensor_health(directory).write_bytes(msgspec.json.encode(samples.health(now)))
    ingest(directory)
    writer = Writer(paths.state_db(directory))
    writer.run(Extras())
    writer.close()


def _dashboard() -> Judge:
    from innerwarden.agent.dashboard.app import create
    from innerwarden.agent.dashboard.auth import hash_of
    from innerwarden.agent.dashboard.context import Context
    from innerwarden.agent.state.read import Reader
    from innerwarden.model.command import Answer

    directory = tempfile.TemporaryDirectory()
    place = Path(directory.name)
    fill(place)
    context = Context(lambda: Reader(paths.state_db(place)), paths.sensor_health(place))
    app = create(
        context,
        lambda sha256: sha256 == hash_of(TOKEN),
        lambda who, command: Answer(done=True, text=command.id),
    )

    session = _session(app)

    def judge(data: bytes) -> None:
        environ = _environ(data, session)
        told: list[Any] = []
        chunks = app(environ, lambda status, headers, error=None: told.append((status, headers)))
        body = b"".join(chunks)
        status, headers = told[0][0], {name.lower(): value for name, value in told[0][1]}
        must(not status.startswith("5") or status.startswith("501"), f"{status} for {environ['PATH_INFO']!r}")
        must("content-security-policy" in headers, "an answer without its policy")
        for name, value in headers.items():
            must(
                "\n" not in f"{name}{value}" and "\r" not in f"{name}{value}",
                f"a header of two lines: {name}",
            )
        if environ["PATH_INFO"].startswith("/api/") and body:
            msgspec.json.decode(body)

    judge.keep = (directory, context)  # type: ignore[attr-defined]
    return judge


def _session(app: Any) -> str:
    """The cookie of somebody who is logged in."""
    told: list[tuple[str, str]] = []
    form = framed(1, [b"/login", b"token=" + TOKEN.encode(), b"\3application/x-www-form-urlencoded"])
    list(app(_environ(form), lambda status, headers, error=None: told.extend(headers)))
    return next(value.partition(";")[0] for name, value in told if name.lower() == "set-cookie")


def _environ(data: bytes, session: str = "") -> dict[str, Any]:
    """Path and query as waitress splits them; pieces: target, body, then a header number and its value each."""
    mode, pieces = pieces_of(data)
    target, body = (*pieces, b"", b"")[:2]
    path, _, query = target.partition(b"?")
    environ = {
        "REQUEST_METHOD": METHODS[(mode & 127) % len(METHODS)],
        "PATH_INFO": "/" + unquote_to_bytes(path).decode("latin-1").lstrip("/"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8787",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8787",
        "SCRIPT_NAME": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    for piece in pieces[2:10]:
        if piece:
            value = piece[1:].decode("latin-1").strip()
            environ[HEADERS[piece[0] % len(HEADERS)]] = value.replace("\n", "").replace("\r", "")
    if mode & WITH_TOKEN:
        environ["HTTP_COOKIE"] = session
    return environ


def _seeds() -> Iterator[bytes]:
    from innerwarden.agent.dashboard.view import find

    for view in find():
        for path in (view.path, view.api_path):
            yield framed(WITH_TOKEN, [path.replace("{incident_id:path}", "a/b").encode(), b""])
    query = (
        b"/api/v1/incidents?severity=high&since=24h&entity=ip:192.0.2.1&text=a&limit=5&before=9&detector=x"
    )
    yield framed(WITH_TOKEN, [query, b""])
    yield framed(WITH_TOKEN, [b"/api/v1/openapi.json", b""])
    yield framed(
        1, [b"/login", b"token=x", b"\3application/x-www-form-urlencoded", b"\0http://127.0.0.1:8787"]
    )
    yield framed(1, [b"/login", b'{"token": "x"}', b"\3application/json"])
    form = b"\3application/x-www-form-urlencoded"
    yield framed(WITH_TOKEN | 1, [b"/act/block", b"address=1.2.3.4&ttl_s=60", form, b"\2same-origin"])
    yield framed(0, [b"/static/app.js", b"", b"\7bytes=0-10"])


def targets() -> Iterator[Target]:
    yield Target(
        name="dashboard",
        make=_dashboard,
        seeds=_seeds,
        packages=("innerwarden.agent.dashboard",),
        words=WORDS,
        max_bytes=4096,
    )
