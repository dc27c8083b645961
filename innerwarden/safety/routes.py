# SPDX-License-Identifier: Apache-2.0
"""Own addresses and gateways of this network namespace, from the kernel's routing tables.

All tables count, not only `main`: policy routing and VRFs keep theirs elsewhere. Source: rtnetlink(7), RFC 5549.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from innerwarden.errors import UnavailableError
from innerwarden.trust.networks import Address, of_packed

_GETROUTE, _NEWROUTE, _ERROR, _DONE = 26, 24, 2, 3
_REQUEST_DUMP = 0x301
_DST, _GATEWAY, _MULTIPATH, _VIA = 1, 5, 9, 18
_LOCAL, _BROADCAST, _ANYCAST = 2, 3, 4
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")
_TIMEOUT_S = 5.0


def own_and_gateways() -> tuple[frozenset[Address], frozenset[Address]]:
    """(addresses that are this host's, its broadcast addresses included; next hops).

    Raises UnavailableError: without them nothing may be acted on.
    """
    own: set[Address] = set()
    gateways: set[Address] = set()
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind, attributes in _routes(family):
                if kind in (_LOCAL, _BROADCAST, _ANYCAST):
                    own |= {of_packed(value) for name, value in attributes if name == _DST}
                else:
                    gateways |= set(_hops(attributes))
    except (OSError, struct.error) as error:
        raise UnavailableError(
            f"the kernel's routes cannot be read: {error}", "Nothing is acted on"
        ) from error
    return frozenset(own), frozenset(gateways)


def _routes(family: int) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """(type, attributes) of every route."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
        kernel.settimeout(_TIMEOUT_S)
        kernel.bind((0, 0))
        body = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _GETROUTE, _REQUEST_DUMP, 1, 0) + body)
        while True:
            data, sender = kernel.recvfrom(1 << 18)
            if sender[0] != 0:
                continue  # only the kernel is believed
            for kind, payload in _messages(data):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", payload)[0]
                    raise OSError(number, os.strerror(number))
                if kind == _NEWROUTE:
                    yield _ROUTE.unpack_from(payload)[7], _attributes(payload[_ROUTE.size :])


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            raise OSError("a netlink message without a length")
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 4 <= len(data):
        length, name = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found.append((name & 0x3FFF, data[at + 4 : at + length]))
        at += (length + 3) & ~3
    return found


def _hops(attributes: list[tuple[int, bytes]]) -> Iterator[Address]:
    for name, value in attributes:
        if name == _GATEWAY:
            yield of_packed(value)
        elif name == _VIA:
            yield of_packed(value[2:])
        elif name == _MULTIPATH:
            at = 0
            while at + _NEXT_HOP.size <= len(value):
                length = _NEXT_HOP.unpack_from(value, at)[0]
                if length < _NEXT_HOP.size:
                    break
                yield from _hops(_attributes(value[at + _NEXT_HOP.size : at + length]))
                at += (length + 3) & ~3
