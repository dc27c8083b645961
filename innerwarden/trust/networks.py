# SPDX-License-Identifier: Apache-2.0
"""Networks by longest prefix: one table of exact prefixes for each length that is in use.

A look-up asks as many tables as there are different lengths (33 or 129 at most), whatever the number of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, TypeVar

T = TypeVar("T")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Networks(Generic[T]):
    """Values by network. IPv4-mapped IPv6 addresses count as IPv4."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], dict[int, list[T]]] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}

    def add(self, network: Network, value: T) -> None:
        key = (network.version, network.prefixlen)
        if key not in self._tables:
            self._tables[key] = {}
            self._lengths[network.version] = sorted(
                [*self._lengths[network.version], network.prefixlen], reverse=True
            )
        shift = network.max_prefixlen - network.prefixlen
        self._tables[key].setdefault(int(network.network_address) >> shift, []).append(value)

    def matches(self, address: Address) -> Iterator[tuple[int, T]]:
        """(prefix length, value) of every network that holds the address, the longest first."""
        number = int(address)
        for length in self._lengths[address.version]:
            found = self._tables[address.version, length].get(number >> (address.max_prefixlen - length), ())
            for value in found:
                yield length, value


def address_of(text: str) -> Address | None:
    """An address as it is compared, or None when the text is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def of_packed(packed: bytes) -> Address:
    """An address of 4 or 16 bytes in network order, as it is compared. Raises ValueError for other lengths."""
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def network_of(text: str) -> Network:
    """Raises ValueError for what is no network or has bits beyond its prefix."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
