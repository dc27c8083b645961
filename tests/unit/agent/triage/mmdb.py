# SPDX-License-Identifier: Apache-2.0
"""A writer of tiny IPv4 databases in MaxMind's format 2.0. Source: maxmind.github.io/MaxMind-DB."""

from __future__ import annotations

from ipaddress import IPv4Network


def _value(value: object) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        head = (2 << 5 | len(raw),) if len(raw) < 29 else (2 << 5 | 29, len(raw) - 29)
        return bytes(head) + raw
    if isinstance(value, int):
        return _number(6, value)
    if isinstance(value, tuple):
        return _number(*value)
    if isinstance(value, dict):
        return bytes((7 << 5 | len(value),)) + b"".join(_value(k) + _value(v) for k, v in value.items())
    assert isinstance(value, list)
    return bytes((len(value), 11 - 7)) + b"".join(map(_value, value))


def _number(kind: int, value: int) -> bytes:
    """uint16 is 5, uint32 6, uint64 9; kinds above 7 stand in a byte of their own."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    head = (kind << 5 | len(raw),) if kind < 8 else (len(raw), kind - 7)
    return bytes(head) + raw


def database(networks: dict[str, dict[str, object]]) -> bytes:
    """Networks that do not overlap, with what is known of each."""
    nodes: list[list[int | None]] = [[None, None]]
    data, places = b"", {}
    for text, value in networks.items():
        places[text] = len(data)
        data += _value(value)
    leaves: dict[tuple[int, int], int] = {}
    for text in networks:
        network, node = IPv4Network(text), 0
        bits = [int(network.network_address) >> (31 - n) & 1 for n in range(network.prefixlen)]
        for bit in bits[:-1]:
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit] or 0
        leaves[node, bits[-1]] = places[text]
    tree = b""
    for number, node in enumerate(nodes):
        for bit in (0, 1):
            place = leaves.get((number, bit))
            record = len(nodes) if node[bit] is None else node[bit]
            tree += (record if place is None else len(nodes) + 16 + place).to_bytes(3, "big")
    meta = {
        "binary_format_major_version": (5, 2), "binary_format_minor_version": (5, 0), "build_epoch": (9, 1_700_000_000),
        "database_type": "Test", "description": {"en": "test"}, "ip_version": (5, 4), "languages": ["en"],
        "node_count": len(nodes), "record_size": (5, 24),
    }  # fmt: skip
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _value(meta)
