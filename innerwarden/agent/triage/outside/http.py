# SPDX-License-Identifier: Apache-2.0
"""One bounded HTTP exchange: TLS except to this host itself, no redirect, no proxy, an end in time and in bytes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import msgspec

from innerwarden import __version__

LATE = "no answer in time"


class OutsideError(Exception):
    """Why there is no answer, in words of our own: never with a key or with what the server said."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout_s` is for all of it, from the connection to the last byte. `body` None: GET. `ca_file`: whom TLS
    trusts instead of the system's authorities."""

    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 5.0
    max_bytes: int = 262_144
    accept: tuple[int, ...] = (200,)
    ca_file: str = ""


def checked_url(url: str) -> SplitResult:
    """Raises OutsideError for a URL that must not be asked."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise OutsideError("the URL is none") from None
    if parts.scheme not in ("http", "https") or not host:
        raise OutsideError("the URL must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise OutsideError("the URL holds a user name or password")
    if parts.scheme == "http" and not _is_this_host(host):
        raise OutsideError("plain http goes to this host itself only; use https://")
    return parts


def _is_this_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def fetch(request: Request) -> tuple[int, bytes]:
    """Status (one of `accept`) and body. Raises OutsideError for everything else."""
    parts = checked_url(request.url)
    ends = time.monotonic() + request.timeout_s
    try:
        with contextlib.ExitStack() as stack:
            clock = _Clock(ends)
            stack.callback(clock.stop)
            connection = _connect(parts, request, clock)
            stack.callback(connection.close)
            answer = _exchange(connection, parts, request)
    except OutsideError:
        if time.monotonic() >= ends:
            raise OutsideError(LATE) from None
        raise
    except Exception as error:  # the border: the library's own words may hold what the server said
        late = time.monotonic() >= ends or isinstance(error, TimeoutError)
        raise OutsideError(LATE if late else _plain(error)) from None
    if time.monotonic() >= ends:
        raise OutsideError(LATE)  # a body without a length looks whole when it is cut
    return answer


class _Clock:
    """Cuts a connection at its end: a server that sends a byte now and then outlives every timeout of one read."""

    def __init__(self, ends: float) -> None:
        self._ends = ends
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def watch(self, raw: socket.socket) -> None:
        self._handle = raw.dup()  # TLS takes the socket itself away
        self._timer = threading.Timer(max(0.0, self._ends - time.monotonic()), self._cut, (self._handle,))
        self._timer.daemon = True
        self._timer.start()

    @staticmethod
    def _cut(handle: socket.socket) -> None:
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        if self._timer is not None and self._handle is not None:
            self._timer.cancel()
            self._timer.join()
            self._handle.close()


def _connect(parts: SplitResult, request: Request, clock: _Clock) -> http.client.HTTPConnection:
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    raw = socket.create_connection((host, port), request.timeout_s)
    clock.watch(raw)
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, port)
    connection.sock = raw
    if secure:
        context = ssl.create_default_context(cafile=request.ca_file or None)
        try:
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise
    return connection


def _exchange(
    connection: http.client.HTTPConnection, parts: SplitResult, request: Request
) -> tuple[int, bytes]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "User-Agent": f"InnerWarden/{__version__}",
        "Accept": "application/json",
        "Connection": "close",
        **request.headers,
    }
    connection.request("GET" if request.body is None else "POST", target, request.body, headers)
    answer = connection.getresponse()
    if answer.status not in request.accept:
        raise OutsideError(f"answered HTTP {answer.status}")
    body = answer.read(request.max_bytes + 1)
    if len(body) > request.max_bytes:
        raise OutsideError(f"answered more than {request.max_bytes} bytes")
    if answer.length:
        raise OutsideError("the answer was cut")
    return answer.status, body


def _plain(error: Exception) -> str:
    for kind, text in (
        (ssl.SSLCertVerificationError, "the server's certificate is not trusted"),
        (ssl.SSLError, "TLS failed"),
        (ConnectionRefusedError, "connection refused"),
        (socket.gaierror, "the server's name was not found"),
        (http.client.HTTPException, "the answer is no HTTP"),
        (OSError, "the connection failed"),
    ):
        if isinstance(error, kind):
            return text
    return f"failed ({type(error).__name__})"
