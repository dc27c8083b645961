# SPDX-License-Identifier: Apache-2.0
"""Getting a line to a syslog server: UDP, TCP, TLS or a local socket."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from innerwarden.agent.notify.failure import Failed
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.post import explain
from innerwarden.config import ChannelConfig
from innerwarden.model.severity import Severity

#: authpriv. Source: RFC 5424, 6.2.1.
FACILITY = 10
_LEVEL = {
    Severity.CRITICAL: 2,
    Severity.HIGH: 3,
    Severity.MEDIUM: 4,
    Severity.LOW: 5,
    Severity.INFO: 6,
    Severity.DEBUG: 7,
}
#: Every receiver takes 2048 octets (RFC 5424, 6.1); one datagram is one message.
UDP_LIMIT = 2048


def priority(message: Message) -> int:
    return FACILITY * 8 + _LEVEL[message.severity]


def is_local(channel: ChannelConfig) -> bool:
    return channel.address.startswith("unix:")


def write(channel: ChannelConfig, line: str, *, counted: bool) -> None:
    """Raises Failed. `counted`: on a stream the line's length comes first (RFC 6587, 3.4.1; RFC 5425), else a
    newline ends it. A stream is written and closed; syslog has no answer that says it arrived."""
    data = line.encode("utf-8", "backslashreplace")
    framed = b"%d %b" % (len(data), data) if counted else data + b"\n"
    try:
        _write(channel, data, framed)
    except Failed:
        raise
    except Exception as error:  # the border: one kind of failure, in our own words
        raise Failed(explain(error)) from None


def _write(channel: ChannelConfig, data: bytes, framed: bytes) -> None:
    parts = urlsplit(channel.address)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.settimeout(channel.timeout_s)
            local.connect(parts.path)
            local.send(_fit(data))
        return
    if parts.hostname is None or parts.port is None:
        raise Failed("the address has no host and port", final=True)
    place = (parts.hostname, parts.port)
    if parts.scheme == "udp":
        family, kind, number, _name, where = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, number) as datagram:
            datagram.settimeout(channel.timeout_s)
            datagram.connect(where)
            datagram.send(_fit(data))
        return
    with socket.create_connection(place, channel.timeout_s) as stream:
        if parts.scheme == "tls":
            context = ssl.create_default_context(cafile=channel.ca_file or None)
            with context.wrap_socket(stream, server_hostname=parts.hostname) as secured:
                secured.sendall(framed)
                secured.unwrap()
        else:
            stream.sendall(framed)
            stream.shutdown(socket.SHUT_WR)


def _fit(data: bytes) -> bytes:
    """Cut between characters."""
    return data if len(data) <= UDP_LIMIT else data[:UDP_LIMIT].decode("utf-8", "ignore").encode()
