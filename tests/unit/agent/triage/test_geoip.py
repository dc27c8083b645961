# SPDX-License-Identifier: Apache-2.0
"""Where an address is, from a database file as MaxMind's library reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.outside.geoip import GeoIp
from innerwarden.errors import UnavailableError
from tests.unit.agent.support import append
from tests.unit.agent.triage.mmdb import database
from tests.unit.agent.triage.support import ATTACKER, decision, guessing, triage_all

WORLD = {
    "203.0.113.0/24": {
        "country": {"iso_code": "NL", "names": {"en": "Netherlands"}}, "city": {"names": {"en": "Delft"}}
    },
    "198.51.100.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Exa\x1b[2Jmple"},
    "192.0.2.0/24": {"country": {"iso_code": "FR"}},
    "192.88.99.0/24": {"country": "damaged"},
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.mmdb"
    path.write_bytes(database(WORLD))
    return path


def test_places_are_named_and_outside_text_is_made_safe(world: Path) -> None:
    geoip = GeoIp(world)
    assert geoip.place("203.0.113.9") == "203.0.113.9 is in Delft, Netherlands"
    assert geoip.place("192.0.2.1") == "192.0.2.1 is in FR"
    assert geoip.place("198.51.100.1") == "198.51.100.1 is in AS64500, Exa\\x1b[2Jmple"
    for unknown in ("192.88.99.1", "8.8.8.8", "2001:db8::1", "nonsense"):
        assert geoip.place(unknown) is None
    geoip.close()


def test_a_place_is_told_and_changes_no_number(tmp_path: Path, world: Path) -> None:
    append(tmp_path, one := guessing())
    triage_all(tmp_path, sources=Sources(place=GeoIp(world).place))
    row = decision(tmp_path, one)
    assert f"{ATTACKER} is in Delft, Netherlands" in row.reason and row.confidence == 0.45


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, world: Path) -> None:
    for data in (b"", b"nonsense" * 1000):
        (tmp_path / "bad.mmdb").write_bytes(data)
        with pytest.raises(UnavailableError, match=r"bad\.mmdb"):
            GeoIp(tmp_path / "bad.mmdb")
    with pytest.raises(UnavailableError):
        GeoIp(tmp_path / "none.mmdb")
    good = world.read_bytes()
    for cut in range(40, 200, 7):  # a damaged tree or data section is no answer, never an end of triage
        (tmp_path / "bad.mmdb").write_bytes(good[:cut] + b"\xff" * 16 + good[cut + 16 :])
        try:
            geoip = GeoIp(tmp_path / "bad.mmdb")
        except UnavailableError:
            continue
        assert geoip.place("203.0.113.9") is None or "203.0.113.9" in (geoip.place("203.0.113.9") or "")
