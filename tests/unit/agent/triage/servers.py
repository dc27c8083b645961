# SPDX-License-Identifier: Apache-2.0
"""A real server on loopback that answers as a test says, byte by byte."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: Gets the request's head and body, and the connection to answer on.
Behave = Callable[[str, bytes, socket.socket], None]


class Server:
    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = False
        self.requests: list[tuple[str, bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._ended = True
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                if not (got := connection.recv(65536)):
                    return
                data += got
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(h.split(b":")[1])
                    for h in head.split(b"\r\n")
                    if h.lower().startswith(b"content-length")
                ),
                0,
            )
            while len(body) < length:
                body += connection.recv(65536)
            self.requests.append((head.decode(), body))
            self._behave(head.decode(), body, connection)


@contextmanager
def serving(behave: Behave) -> Iterator[Server]:
    server = Server(behave)
    try:
        yield server
    finally:
        server.close()


def reply(body: object, status: int = 200, headers: str = "") -> Behave:
    """Answers with JSON (or bytes as they are)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(_: str, __: bytes, connection: socket.socket) -> None:
        connection.sendall(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{headers}\r\n".encode() + raw
        )

    return behave


def drip(_: str, __: bytes, connection: socket.socket) -> None:
    """One byte now and then, for ever."""
    pause = threading.Event()
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 100_000:
        connection.sendall(bytes((byte,)))
        pause.wait(0.02)


def drip_without_length(_: str, __: bytes, connection: socket.socket) -> None:
    pause = threading.Event()
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" ")
        pause.wait(0.02)


def flood(_: str, __: bytes, connection: socket.socket) -> None:
    """A hundred megabytes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
    for _n in range(1600):
        connection.sendall(b"x" * 65536)


def silence(_: str, __: bytes, ___: socket.socket) -> None:
    """Cuts the connection."""
