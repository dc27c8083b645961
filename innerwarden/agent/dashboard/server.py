# SPDX-License-Identifier: Apache-2.0
"""The dashboard's HTTP server: waitress in threads of the agent."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from innerwarden.agent.dashboard.act import Operate
from innerwarden.agent.dashboard.address import split_listen
from innerwarden.agent.dashboard.app import create
from innerwarden.agent.dashboard.auth import TokenCheck
from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.state.read import Reader
from innerwarden.config import ResponderConfig
from innerwarden.errors import UnavailableError

THREADS = 4
LOOP_S = 1.0
MAX_BODY_BYTES = 16384
MAX_HEADER_BYTES = 32768
#: With a proxy on this host before us, the last address that it saw is the client's. Without one nobody is believed.
BEHIND_PROXY: dict[str, Any] = {
    "trusted_proxy": "127.0.0.1",
    "trusted_proxy_count": 1,
    "trusted_proxy_headers": {"x-forwarded-for"},
}


def bind(listen: str) -> socket.socket:
    """A listening socket; raises UnavailableError with the way out when the address cannot be had."""
    host, port = split_listen(listen)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        way_out = "Another program uses that port; choose a free one" if taken else "Choose another address"
        raise UnavailableError(
            f"the dashboard cannot listen on {listen}: {error.strerror or error}", f"{way_out} with --listen"
        ) from error
    return listener


class Server:
    """Bound when made, so that a taken port is an error at once; serves between start and stop."""

    def __init__(
        self,
        context: Context,
        is_valid: TokenCheck,
        listen: str,
        operate: Operate | None = None,
        public_url: str = "",
    ) -> None:
        self._context = context
        self._map: dict[int, Any] = {}
        self._stopping = threading.Event()
        listener = bind(listen)
        self.host, self.port = listener.getsockname()[:2]
        self._server: Any = create_server(
            create(context, is_valid, operate, public_url),
            map=self._map,
            sockets=[listener],
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
            max_request_body_size=MAX_BODY_BYTES,
            max_request_header_size=MAX_HEADER_BYTES,
            connection_limit=100,
            channel_timeout=30,
            **(BEHIND_PROXY if public_url else {}),
        )
        self._thread = threading.Thread(target=self._serve, name="dashboard", daemon=True)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close every connection, end the threads, close the readers; returns within a few seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.pull_trigger()
            self._thread.join(5)
        self._server.task_dispatcher.shutdown(timeout=2)
        self._context.close()

    def _serve(self) -> None:
        """Waitress's own loop ends only with the last client; this one ends when it is told to."""
        while not self._stopping.is_set():
            wasyncore.loop(timeout=LOOP_S, map=self._map, count=1)
        wasyncore.close_all(self._map, ignore_all=True)


def serve(
    reader_factory: Callable[[], Reader],
    health_path: Path,
    listen: str,
    *,
    tokens: TokenCheck | None = None,
    operate: Operate | None = None,
    responder: ResponderConfig = ResponderConfig(),  # noqa: B008 - frozen
    public_url: str = "",
) -> Server:
    """A bound server. `tokens` says whether a token's SHA-256 is valid; by default state.db is asked.
    `operate` takes the commands of pages; None: they only show. `public_url` is where a TLS proxy shows it."""
    context = Context(reader_factory, health_path, responder)

    def stored(sha256: str) -> bool:
        return context.reader().token_is_valid(sha256, context.now_ns())

    return Server(context, tokens or stored, listen, operate, public_url)
