# SPDX-License-Identifier: Apache-2.0
"""Threat lists: every form of a line, the longest network, refusals with their line, and look-ups from records."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerwarden_core import Engine, Intel

from tests.factory import encode
from tests.unit.core.payload_bytes import RFC_8448_HELLO

JA3 = "de350869b8c85de67a350c8d186f11e6"
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def one(text: str, **options: int) -> Intel:
    return Intel([("list", text.encode())], **options)


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("  192.0.2.7\t# why", "192.0.2.7"),
        ("192.0.2.7,malware,2026", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.255"),
        ("198.51.0.0/16", "198.51.100.7"),
        ("8.0.0.0/8", "8.8.8.8"),
        ("2001:db8::7", "2001:DB8::7"),
        ("2001:DB8:0:7::/64", "2001:db8:0:7:1::1"),
        ("2001:d00::/24", "2001:dff::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.9"),
        ("192.0.2.7\r", "192.0.2.7"),
    ],
)
def test_addresses_and_networks(line: str, address: str) -> None:
    made = one(line)
    assert made.problems == []
    found = made.address(address)
    assert found is not None
    assert found[0] == "list"


@pytest.mark.parametrize("address", ["192.0.1.255", "192.0.3.0", "2001:db8:0:8::", "10.0.0.1"])
def test_neighbours_are_not_listed(address: str) -> None:
    assert one("192.0.2.0/24\n2001:db8:0:7::/64").address(address) is None


def test_the_longest_network_counts_and_then_the_first_list() -> None:
    made = Intel(
        [
            ("wide", b"198.51.0.0/16\n2001:db8::/32"),
            ("close", b"198.51.100.0/24\n2001:db8:1::/48\n198.51.0.0/16"),
        ]
    )
    assert made.address("198.51.100.9") == ("close", 24)
    assert made.address("198.51.101.9") == ("wide", 16)
    assert made.address("2001:db8:1::9") == ("close", 48)
    assert made.address("2001:db8:2::9") == ("wide", 32)
    assert made.counts == {"ipv4": 2, "ipv6": 2, "name": 0, "fingerprint": 0}


def test_names_stand_for_what_lies_under_them() -> None:
    made = one(
        "Bad.Example.NET.\n0.0.0.0 tracker.example.org ads\n127.0.0.1\tlocalhost\n*.wild.example.com\n"
    )
    assert made.problems == []
    assert made.name("bad.example.net") == ("list", "bad.example.net")
    assert made.name("a.b.bad.example.net") == ("list", "bad.example.net")
    assert made.name("notbad.example.net") is None
    assert made.name("example.net") is None
    assert made.name("x.tracker.example.org") == ("list", "tracker.example.org")
    assert made.name("c.wild.example.com") == ("list", "wild.example.com")
    assert made.name("localhost") is None


def test_fingerprints() -> None:
    made = one(f"{JA3.upper()}\n{JA4}\n")
    assert made.counts["fingerprint"] == 2
    assert made.fingerprint(JA3) == made.fingerprint(JA4) == "list"
    assert made.fingerprint(JA3[::-1]) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not an indicator", "is no address"),
        ("192.0.2.256", "is no address"),
        ("192.0.2.0/33", "is no address"),
        ("192.0.2.0/", "is no address"),
        ("192.0.2.0/24x", "is no address"),
        ("192.0.2.1/24", "bits set behind its prefix"),
        ("2001:db8::1/64", "bits set behind its prefix"),
        ("0.0.0.0/0", "so wide"),
        ("::/0", "so wide"),
        ("8.0.0.0/7", "so wide"),
        ("co.uk", "public suffix"),
        ("com", "is no address"),
        ("a..b", "is no address"),
        ("x" * 64 + ".example", "is no address"),
        ("exämple.com", "is no address"),
        ("10.0.0.0/8", "private"),
        ("192.168.1.1", "private"),
        ("127.0.0.1", "private"),
        ("224.0.0.1", "private"),
        ("fe80::1", "private"),
        (JA3[:-1], "is no address"),
        ("y" * 2000, "is longer"),
    ],
)
def test_a_line_that_says_nothing_is_refused_by_its_number(line: str, reason: str) -> None:
    made = Intel([("a", b"192.0.2.1\n"), ("b", f"# head\n\n192.0.2.2\n{line}\n192.0.2.3".encode())])
    ((name, number, why),) = made.problems
    assert (name, number) == ("b", 4)
    assert reason in why
    assert made.refused == {"b": 1}
    assert made.counts["ipv4"] == 3


def test_a_list_of_nonsense_is_told_a_hundred_times_and_counted_in_full() -> None:
    made = one("nonsense\n" * 5000)
    assert len(made.problems) == 100
    assert made.refused == {"list": 5000}


def test_entries_beyond_the_bound_are_refused() -> None:
    made = one("192.0.2.1\n192.0.2.2\n192.0.2.3\n", max_entries=2)
    assert made.counts["ipv4"] == 2
    assert made.problems[0][1] == 3
    assert "max_entries" in made.problems[0][2]


def test_look_ups_agree_with_the_library() -> None:
    pick = random.Random(5)
    networks = []
    for _ in range(400):
        bits = pick.randint(8, 32)
        base = pick.getrandbits(32) & (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF
        networks.append(ipaddress.ip_network((base | 0x08000000, bits), strict=False))
    networks = [n for n in networks if n.is_global and not n.is_multicast]
    made = one("\n".join(map(str, networks)))
    assert made.problems == []
    for _ in range(4000):
        inside = pick.choice(networks)
        address = ipaddress.ip_address(
            pick.choice([int(inside[0]) ^ pick.getrandbits(12), pick.getrandbits(32)])
        )
        holding = [n.prefixlen for n in networks if address in n]
        found = made.address(str(address))
        assert (found[1] if found else None) == (max(holding) if holding else None), address


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    made = Intel([("x", data)])
    assert sum(made.counts.values()) + sum(made.refused.values()) <= data.count(b"\n") + 1


def derived(engine: Engine, kind: str, **fields: str) -> tuple[object, object]:
    values = engine.derive(encode(kind, **fields), ("threat_list", "threat_indicator"))
    return values.get("threat_list"), values.get("threat_indicator")


def test_records_are_held_against_the_lists() -> None:
    engine = Engine()
    assert derived(engine, "network.connect", dst_ip="192.0.2.9") == (None, None)
    engine.use_intel(
        Intel([("feed", b"192.0.2.0/24\nbad.example.net\n2001:db8:7::/48\n"), ("ja", f"{JA4}\n".encode())])
    )
    listed = ("feed", "192.0.2.0/24")
    assert derived(engine, "network.connect", src_ip="198.51.100.1", dst_ip="192.0.2.9") == listed
    assert derived(engine, "network.connect", src_ip="192.0.2.9", dst_ip="198.51.100.1") == (None, None)
    assert derived(engine, "network.accept", src_ip="192.0.2.9", dst_ip="198.51.100.1") == listed
    assert derived(engine, "ssh.login_failed", src_ip="192.0.2.9") == listed
    assert derived(engine, "web.request", src_ip="192.0.2.9") == listed
    assert derived(engine, "firewall.packet", src_ip="10.0.0.1", dst_ip="192.0.2.9") == listed
    assert derived(engine, "network.connect", dst_ip="2001:db8:7::1") == ("feed", "2001:db8:7::/48")
    named = ("feed", "bad.example.net")
    assert derived(engine, "network.dns", dst_ip="10.0.0.53", dns_query="x.bad.example.net") == named
    assert derived(engine, "network.tls", dst_ip="198.51.100.1", tls_sni="bad.example.net") == named
    engine.use_intel(None)
    assert derived(engine, "network.connect", dst_ip="192.0.2.9") == (None, None)


def test_a_hello_is_held_against_fingerprints() -> None:
    engine = Engine()
    names = ("tls_ja3", "tls_ja4", "threat_list", "threat_indicator")
    record = encode("network.tls", dst_ip="198.51.100.1", tls_sni="good.example", tls_hello=RFC_8448_HELLO)
    own = engine.derive(record, names)
    for key in ("tls_ja3", "tls_ja4"):
        engine.use_intel(Intel([("prints", f"{own[key]}\n".encode())]))
        found = engine.derive(record, names)
        assert (found["threat_list"], found["threat_indicator"]) == ("prints", own[key])
