# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the responder's socket."""

from __future__ import annotations

import os
import socket

import msgspec

from innerwarden.errors import UnavailableError
from innerwarden.model.responder import (
    PACKET_BYTES,
    Answer,
    AnyReply,
    AnyRequest,
    Check,
    Do,
    Listing,
    Live,
    Problem,
    Undo,
)
from innerwarden.model.responder import List as ListRequest
from innerwarden.peer import peer_of
from innerwarden.unreadable import UNREADABLE

#: The slowest answer is a block whose programs all take as long as they may.
TIMEOUT_S = 60.0
#: Rule of an answer that says nothing of the effect.
PROBLEM = "problem"
_REPLY: msgspec.json.Decoder[AnyReply] = msgspec.json.Decoder(AnyReply)
_ENCODER = msgspec.json.Encoder()


class Away(UnavailableError):
    """The responder does not answer; the same request may be sent again later, it is one effect."""


class Client:
    """One thread uses it; the connection stays, so that the responder knows our process."""

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._link: socket.socket | None = None

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def ask(self, request: AnyRequest) -> AnyReply:
        """Raises Away."""
        packet = _ENCODER.encode(request)
        if self._link is not None:
            try:
                return self._exchange(self._link, packet)
            except TimeoutError as error:
                raise self._away("it does not answer") from error
            except OSError:
                self.close()  # it was started anew: one more try
        try:
            self._link = self._connect()
            return self._exchange(self._link, packet)
        except TimeoutError as error:
            raise self._away("it does not answer") from error
        except OSError as error:
            raise self._away(error.strerror or str(error)) from error

    def answer(self, request: Do | Undo | Check) -> Answer:
        """A request that the responder could not handle is a failure with the rule PROBLEM. Raises Away."""
        reply = self.ask(request)
        if isinstance(reply, Answer):
            return reply
        detail = reply.detail if isinstance(reply, Problem) else "the responder answered something else"
        return Answer(request_id=request.request_id, state="failed", rule=PROBLEM, detail=detail)

    def live(self) -> list[Live]:
        """All that is in effect. Raises Away."""
        found: list[Live] = []
        while True:
            page = self.ask(ListRequest(after=found[-1].number if found else 0))
            if not isinstance(page, Listing):
                raise self._away("it does not list what is in effect")
            found += page.live
            if not page.more or not page.live:
                return found

    def _connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            link.settimeout(self._timeout_s)
            link.connect(self._path)
            uid = peer_of(link).uid
            if uid not in (0, os.geteuid()):
                raise self._away(f"uid {uid} listens there")
        except BaseException:
            link.close()
            raise
        return link

    def _exchange(self, link: socket.socket, packet: bytes) -> AnyReply:
        link.send(packet)
        reply = link.recv(PACKET_BYTES)
        if not reply:
            raise ConnectionResetError("it closed the connection")
        try:
            return _REPLY.decode(reply)
        except UNREADABLE as error:
            raise self._away(f"it said something that is no reply: {error}") from error

    def _away(self, reason: str) -> Away:
        self.close()
        return Away(
            f"the responder at {self._path} cannot be asked: {reason}", "Start it: innerwarden responder"
        )
