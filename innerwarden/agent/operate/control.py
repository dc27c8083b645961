# SPDX-License-Identifier: Apache-2.0
"""The agent's command socket: one command a packet, from root or the agent's own user."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.errors import UnavailableError
from innerwarden.model.command import Answer, AnyCommand
from innerwarden.peer import peer_of
from innerwarden.unreadable import UNREADABLE
from innerwarden.users import Users

logger = logging.getLogger(__name__)

MAX_BYTES = 65536
MAX_CLIENTS = 16
#: Without a free descriptor the listener stays ready and would be asked again at once.
ACCEPT_PAUSE_S = 0.2
_NO_LOGIN = 0xFFFFFFFF
_DECODER = msgspec.json.Decoder(AnyCommand)

#: Carries out a command of a named person.
Run = Callable[[str, AnyCommand], Answer]


class Control:
    """Listens from the start; `close` ends it and removes the socket."""

    def __init__(self, path: Path, run: Run) -> None:
        self._path = path
        self._run = run
        self._users = Users()
        self._selector = selectors.DefaultSelector()
        self._clients = 0
        self._refusing = False
        self._listener = _listen(path)
        self._waker, wake = os.pipe2(os.O_CLOEXEC)
        self._wake = wake
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake, b"\0")
        self._thread.join(5)
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()
        os.close(self._waker)
        os.close(self._wake)

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == self._waker:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._answer(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:  # no descriptor is left: who connected waits in the queue
            if not self._refusing:
                logger.error("cannot take a connection error=%s", error)
            self._refusing = True
            time.sleep(ACCEPT_PAUSE_S)
            return
        self._refusing = False
        if self._clients >= MAX_CLIENTS or not _may_speak(client):
            client.close()
            return
        client.setblocking(False)
        self._clients += 1
        self._selector.register(client, selectors.EVENT_READ)

    def _answer(self, client: socket.socket) -> None:
        try:
            data = client.recv(MAX_BYTES)
            if not data:
                self._drop(client)
                return
            answer = self._judge(client, data)
            client.send(msgspec.json.encode(answer))
        except OSError:
            self._drop(client)

    def _judge(self, client: socket.socket, data: bytes) -> Answer:
        try:
            command = _DECODER.decode(data)
        except UNREADABLE as error:
            return Answer(done=False, text=f"not a command: {error}")
        try:
            return self._run(self._who(client), command)
        except Exception:  # the border: a command that fails must not end the socket
            logger.exception("a command failed command=%s", command.id)
            return Answer(done=False, text="it failed; the agent's log says why")

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        self._clients -= 1
        client.close()

    def _who(self, client: socket.socket) -> str:
        """The name that was logged in with: the kernel keeps it through sudo and su."""
        pid, uid = peer_of(client)
        with suppress(OSError, ValueError):
            login = int(Path(f"/proc/{pid}/loginuid").read_text())
            uid = uid if login == _NO_LOGIN else login
        return self._users.name(uid) or str(uid)


def _may_speak(client: socket.socket) -> bool:
    uid = peer_of(client).uid
    if uid in (0, os.geteuid()):
        return True
    logger.warning("a command socket client was refused uid=%d", uid)
    return False


def _listen(path: Path) -> socket.socket:
    """Only one agent uses a data directory, so a socket file that is there is a dead one's."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(MAX_CLIENTS)
    except OSError as error:
        listener.close()
        raise UnavailableError(
            f"the command socket {path} cannot be made: {error.strerror or error}",
            "Give another --data-dir (at most 100 characters long)",
        ) from error
    return listener
