# SPDX-License-Identifier: Apache-2.0
"""Longest prefix first, against asking every network one by one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.trust.networks import Networks, address_of, network_of


def drawn(version: int) -> st.SearchStrategy[str]:
    bits = 32 if version == 4 else 128
    return st.tuples(st.integers(0, (1 << bits) - 1), st.integers(0, bits)).map(
        lambda pair: f"{ip_address(pair[0] if version == 4 else pair[0] | 1 << 127)}/{pair[1]}"
    )


@given(st.lists(st.one_of(drawn(4), drawn(6)), max_size=40), st.data())
def test_the_same_as_one_by_one(texts: list[str], data: st.DataObject) -> None:
    networks = [ip_network(text, strict=False) for text in texts]
    table: Networks[int] = Networks()
    for number, network in enumerate(networks):
        table.add(network, number)
    if networks and data.draw(st.booleans()):
        chosen = data.draw(st.sampled_from(networks))
        address = chosen.network_address + data.draw(st.integers(0, chosen.num_addresses - 1))
    else:
        address = ip_address(data.draw(st.integers(0, (1 << 32) - 1)))
    found = list(table.matches(address))
    expected = {n for n, one in enumerate(networks) if one.version == address.version and address in one}
    assert {number for _, number in found} == expected
    lengths = [length for length, _ in found]
    assert lengths == sorted(lengths, reverse=True)
    assert all(networks[number].prefixlen == length for length, number in found)


def test_a_mapped_address_is_the_v4_one() -> None:
    assert address_of("::ffff:192.0.2.1") == ip_address("192.0.2.1")
    assert network_of("::ffff:192.0.2.0/120") == ip_network("192.0.2.0/24")
    assert address_of("web1") is None


def test_bits_beyond_the_prefix_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="host bits"):
        network_of("192.0.2.1/24")
