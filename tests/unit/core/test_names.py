# SPDX-License-Identifier: Apache-2.0
"""Registered domains by the public suffix list, and labels that carry data beside labels that name something."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerwarden_core import Engine, registered_domain
from innerwarden_core.view import encoded_count

from tests.factory import encode

#: From the list's own test data, which is in the public domain (https://publicsuffix.org/list/, test_psl.txt).
PUBLISHED = {
    "com": None,
    "example.com": "example.com",
    "b.example.com": "example.com",
    "example": None,
    "a.b.example.example": "example.example",
    "biz": None,
    "b.domain.biz": "domain.biz",
    "uk.com": None,
    "a.b.example.uk.com": "example.uk.com",
    "mm": None,
    "c.mm": None,
    "a.b.c.mm": "b.c.mm",
    "ac.jp": None,
    "www.test.ac.jp": "test.ac.jp",
    "ide.kyoto.jp": None,
    "b.ide.kyoto.jp": "b.ide.kyoto.jp",
    "c.kobe.jp": None,
    "a.b.c.kobe.jp": "b.c.kobe.jp",
    "city.kobe.jp": "city.kobe.jp",
    "www.city.kobe.jp": "city.kobe.jp",
    "ck": None,
    "b.test.ck": "b.test.ck",
    "www.ck": "www.ck",
    "www.www.ck": "www.ck",
    "k12.ak.us": None,
    "www.test.k12.ak.us": "test.k12.ak.us",
    "xn--85x722f.com.cn": "xn--85x722f.com.cn",
    "xn--55qx5d.cn": None,
    "www.xn--85x722f.xn--55qx5d.cn": "xn--85x722f.xn--55qx5d.cn",
}


@pytest.mark.parametrize(("name", "registered"), PUBLISHED.items())
def test_the_lists_own_examples(name: str, registered: str | None) -> None:
    assert registered_domain(name) == registered


def test_a_dot_inside_a_label_separates_nothing() -> None:
    assert registered_domain("a\\.co.uk") == "a\\.co.uk"
    assert registered_domain("x.a\\\\.co.uk") == "a\\\\.co.uk"


@pytest.mark.parametrize("name", [".", "", "..", "...a", "a..b", "." * 200])
def test_names_that_no_one_registered(name: str) -> None:
    registered_domain(name)
    assert encoded_count(name) == 0


def labels(kind: str, size: int, count: int) -> list[str]:
    pick = random.Random(size)
    made = []
    for _ in range(count):
        raw = pick.randbytes(64)
        text = {
            "hex": raw.hex(),
            "base32": base64.b32encode(raw).decode(),
            "base64": base64.urlsafe_b64encode(raw).decode(),
        }[kind]
        made.append(text[:size].lower())
    return made


@pytest.mark.parametrize("kind", ["hex", "base32", "base64"])
@pytest.mark.parametrize(("size", "share"), [(16, 0.97), (24, 0.99), (32, 0.995), (63, 0.999)])
def test_encoded_labels_are_told(kind: str, size: int, share: float) -> None:
    """A threshold on the entropy of single characters misses all of the hexadecimal ones: 16 of them hold 4 bits."""
    made = labels(kind, size, 1000)
    told = sum(encoded_count(f"{label}.t.example.co.uk") > 0 for label in made)
    assert told >= share * len(made)


NAMING = """
    www mail smtp imap autodiscover autoconfig lyncdiscover security deb archive snapshot ftp ns1 ns2 vpn gateway
    internal-production-eu-west-1-load-balancer-1234567890 ip-10-0-12-34 ec2-203-0-113-25 host-198-51-100-7 node-0042
    prod-apt-mirror01 staging-postgres-replica-02 monitoring grafana prometheus-kube-state-metrics registry-1
    llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch donaudampfschifffahrtsgesellschaft kubernetes
    xn--bcher-kva xn--80ak6aa92e xn--0zwm56d 20261121 1732212000 2 0 127 255 _443 _tcp _dmarc selector1 google
    s3-eu-central-1 us-east-2 objectstorage debian-security-updates windowsupdate download fonts static assets
    analytics telemetry-incoming incoming detectportal safebrowsing clientservices accounts connectivity-check
    entwicklungsumgebung bibliotheksverwaltung universidad informatica ventesprivees etudiants wiadomosci
""".split()  # noqa: SIM905


@pytest.mark.parametrize("label", NAMING)
def test_labels_that_name_something(label: str) -> None:
    assert encoded_count(f"{label}.example.com") == 0


def test_only_what_lies_before_the_registered_domain_counts() -> None:
    data = "nbswy3dpeb3w64tmmqqhi2djomqgs4za"
    assert encoded_count(f"{data}.example.com") == 32
    assert encoded_count(f"a.{data}.{data}.example.co.uk") == 64
    assert encoded_count(f"{data}.com") == 0
    assert encoded_count(f"{data}.blogspot.com") == 0, "a suffix of the list's private part"


def test_bytes_that_are_no_characters_are_data() -> None:
    assert encoded_count("\\200\\201\\202\\203ab.t.example.com") == 6
    assert encoded_count("\\032x.example.com") == 0


@given(st.text(alphabet="abc019.-_\\", max_size=300))
def test_the_registered_domain_is_an_end_of_the_name(name: str) -> None:
    found = registered_domain(name)
    assert found is None or name.endswith(found)
    assert 0 <= encoded_count(name) <= len(name)


def test_records_carry_both() -> None:
    engine = Engine()
    record = encode("network.dns", dns_query="nbswy3dpeb3w64tmmqqhi2djomqgs4za.a.example.co.uk")
    derived = engine.derive(record, ("dns_domain", "dns_encoded_count"))
    assert derived == {"dns_domain": "example.co.uk", "dns_encoded_count": 32}
    assert engine.derive(encode("network.tls"), ("dns_domain", "dns_encoded_count")) == {}
