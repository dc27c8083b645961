# SPDX-License-Identifier: Apache-2.0
"""One HTTP request: no redirect is followed, no proxy, no cookie; errors in our own words."""

from __future__ import annotations

import http.client
import json
import math
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from innerwarden import __version__
from innerwarden.agent.notify.failure import Failed

#: A provider may ask for so much patience at most.
MAX_RETRY_AFTER_S = 6 * 3600.0
LOCAL = ("127.0.0.1", "::1", "localhost")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout_s` counts for each step: connect, TLS, each read."""

    url: str
    body: bytes
    timeout_s: float
    ca_file: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    max_answer: int = 65536
    """What lies behind so many bytes of the answer is not read."""


def post(request: Request) -> bytes:
    """The body of a 2xx answer. Raises Failed for everything else."""
    try:
        status, retry_after, body = _exchange(request)
    except Failed:
        raise
    except Exception as error:  # the border: a library's own words may hold the URL
        raise Failed(explain(error)) from None
    if 200 <= status < 300:
        return body
    if status in (429, 503):
        raise Failed(f"answered HTTP {status}", retry_after_s=_patience(retry_after, body))
    if 300 <= status < 400:
        raise Failed(f"answered HTTP {status}; a redirect is not followed", final=True)
    raise Failed(f"answered HTTP {status}", final=400 <= status < 500 and status not in (408, 425))


def _exchange(request: Request) -> tuple[int, str | None, bytes]:
    parts = urlsplit(request.url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Failed("the file holds no https:// URL", final=True)
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise Failed("the URL is http://, which shows the secret to the network; use https://", final=True)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=request.ca_file or None)
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=request.timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=request.timeout_s)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"InnerWarden/{__version__}",
            "Connection": "close",
            **request.headers,
        }
        connection.request("POST", target, request.body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read(request.max_answer)
    finally:
        connection.close()


def explain(error: Exception) -> str:
    """Without the error's own text."""
    for kind, text in (
        (ssl.SSLCertVerificationError, "the server's certificate is not trusted"),
        (ssl.SSLError, "TLS failed"),
        (TimeoutError, "timed out"),
        (ConnectionRefusedError, "connection refused"),
        (ConnectionError, "the connection was cut"),
        (socket.gaierror, "the server's name was not found"),
        (FileNotFoundError, "ca_file or socket is not there"),
        (PermissionError, "permission denied"),
        (http.client.HTTPException, "the answer is no HTTP"),
    ):
        if isinstance(error, kind):
            return text
    return f"failed ({type(error).__name__})"


def _patience(header: str | None, body: bytes) -> float:
    """Retry-After in seconds or as a date (RFC 9110, 10.2.3); Telegram and Discord say it in the body, too."""
    wait_s = 0.0
    if header is not None:
        try:
            wait_s = float(header)
        except ValueError:
            try:
                wait_s = parsedate_to_datetime(header).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                wait_s = 0.0
    try:
        answer = json.loads(body)
        for place in (answer, answer.get("parameters")):
            wait_s = max(wait_s, float((place or {}).get("retry_after", 0)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return min(max(wait_s, 1.0), MAX_RETRY_AFTER_S) if math.isfinite(wait_s) else MAX_RETRY_AFTER_S
