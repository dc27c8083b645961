# SPDX-License-Identifier: Apache-2.0
"""The socket: SOCK_SEQPACKET, one request a packet, one reply each; the kernel says who asks."""

from __future__ import annotations

import grp
import logging
import os
import pwd
import select
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.errors import UnavailableError
from innerwarden.log import safe
from innerwarden.model.responder import PACKET_BYTES, AnyReply, AnyRequest, Problem
from innerwarden.peer import peer_of
from innerwarden.unreadable import UNREADABLE

logger = logging.getLogger(__name__)

#: The agent's user, and the group that may open the socket.
AGENT = "innerwarden"
MAX_CLIENTS = 16
#: Without a free descriptor the listener stays ready and would be asked again at once.
ACCEPT_PAUSE_S = 0.2
#: unix(7): the address of a unix socket, with its end.
MAX_PATH = 107
_REQUEST = msgspec.json.Decoder(AnyRequest)
_ENCODER = msgspec.json.Encoder()

Handle = Callable[[AnyRequest, int], AnyReply]


def allowed_uids() -> frozenset[int]:
    """Root, whoever runs this, and the agent's user where there is one."""
    found = {0, os.geteuid()}
    with suppress(KeyError):
        found.add(pwd.getpwnam(AGENT).pw_uid)
    return frozenset(found)


class Client:
    """A connection. `uid` and `pid` are those of who connected, from the kernel."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.pid, self.uid = peer_of(link)
        self.last = time.monotonic()


class Server:
    """One thread calls `serve`. No request, however broken, ends it."""

    def __init__(self, path: Path, uids: frozenset[int], handle: Handle) -> None:
        self._path = path
        self._uids = uids
        self._handle = handle
        self._clients: dict[int, Client] = {}
        self._poll = select.poll()
        self.strangers = self.bad_packets = 0
        self._refusing = False
        self._listener = _listen(path)
        self._poll.register(self._listener, select.POLLIN)

    def close(self) -> None:
        for client in list(self._clients.values()):
            self._drop(client)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def pids(self) -> set[int]:
        """Who is connected."""
        return {client.pid for client in self._clients.values()}

    def serve(self, wait_s: float) -> None:
        """Answer what comes within `wait_s`; returns after the first that came."""
        for fd, _events in self._poll.poll(wait_s * 1000):
            if fd == self._listener.fileno():
                self._accept()
            elif client := self._clients.get(fd):
                self._take(client)

    def _accept(self) -> None:
        try:
            link, _address = self._listener.accept()
        except OSError as error:  # no descriptor is left: who connected waits in the queue
            if not self._refusing:
                logger.error("cannot take a connection error=%s", error)
            self._refusing = True
            time.sleep(ACCEPT_PAUSE_S)
            return
        self._refusing = False
        client = Client(link)
        if client.uid not in self._uids:
            self.strangers += 1
            logger.warning("refused to talk to uid=%d pid=%d", client.uid, client.pid)
            link.close()
            return
        if len(self._clients) >= MAX_CLIENTS:  # the one that was silent longest makes room
            self._drop(min(self._clients.values(), key=lambda one: one.last))
        link.setblocking(False)
        self._clients[link.fileno()] = client
        self._poll.register(link, select.POLLIN)

    def _take(self, client: Client) -> None:
        try:
            packet, _ancillary, flags, _from = client.link.recvmsg(PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        if not packet:
            self._drop(client)
            return
        client.last = time.monotonic()
        reply = self._reply(packet, bool(flags & socket.MSG_TRUNC), client)
        try:
            client.link.send(_ENCODER.encode(reply))
        except OSError as error:  # gone, or it does not read
            logger.warning("a client was dropped pid=%d error=%s", client.pid, error)
            self._drop(client)

    def _reply(self, packet: bytes, cut: bool, client: Client) -> AnyReply:
        try:
            if cut:
                raise msgspec.ValidationError(f"a request has at most {PACKET_BYTES} bytes")
            request = _REQUEST.decode(packet)
        except UNREADABLE as error:
            self.bad_packets += 1
            logger.warning("bad request uid=%d pid=%d error=%s", client.uid, client.pid, safe(str(error)))
            return Problem(detail=safe(str(error)))
        try:
            return self._handle(request, client.uid)
        except Exception as error:  # the border of a request
            logger.exception("request failed")
            return Problem(detail=f"{type(error).__name__}: {safe(str(error))}")

    def _drop(self, client: Client) -> None:
        fd = client.link.fileno()
        self._poll.unregister(fd)
        del self._clients[fd]
        client.link.close()


def _make_directory(path: Path) -> None:
    """For root and the agent's group. Raises OSError."""
    if path.is_dir():
        return
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    with suppress(KeyError):
        os.chown(path, -1, grp.getgrnam(AGENT).gr_gid)


def _listen(path: Path) -> socket.socket:
    """A socket that only its group may open. Raises UnavailableError when another responder has it."""
    if len(os.fsencode(path)) > MAX_PATH:
        raise UnavailableError(f"{path} is too long for a socket", "Set responder.socket to a shorter path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        _make_directory(path.parent)
        _remove_stale(path)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        with suppress(KeyError):
            os.chown(path, -1, grp.getgrnam(AGENT).gr_gid)
        path.chmod(0o660)
        listener.listen(MAX_CLIENTS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise UnavailableError(
            f"cannot listen at {path}: {error.strerror or error}", "Run as root, or set responder.socket"
        ) from error
    return listener


def _remove_stale(path: Path) -> None:
    """A socket that nobody listens at is from a process that was killed."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise UnavailableError(f"{path} is there and no socket", "Remove it, or set responder.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise UnavailableError(
                f"cannot ask who listens at {path}: {error.strerror}", "Remove it"
            ) from error
    raise UnavailableError(f"another responder listens at {path}", "Stop it first")
