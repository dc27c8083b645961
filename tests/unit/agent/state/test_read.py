# SPDX-License-Identifier: Apache-2.0
"""Every question of Reader against rows that came through ingest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.agent.state.read import HOUR_NS, Reader
from innerwarden.agent.state.tokens import AddToken
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS
from innerwarden.errors import StateError
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db
from tests.unit.agent.support import START_NS, append, finding, ingest_all, reading

LOW = finding(
    "log_deletion", at_s=0, key="low", severity=Severity.LOW, entities=(EntityRef.path("/var/100%"),)
)
HIGH = finding("reverse_shell", at_s=10, key="high", entities=(EntityRef.ip("::1"), EntityRef.user("eve")))
CRITICAL = finding("ptrace", at_s=7200, key="crit", severity=Severity.CRITICAL, summary="under_score Wanted")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    append(tmp_path, LOW, HIGH, CRITICAL, b"bad\n")
    ingest_all(tmp_path)
    with reading(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, "crit high low"),
        ({"limit": 1}, "crit"),
        ({"limit": 0}, ""),
        ({"limit": -1}, ""),
        ({"since_ns": START_NS + 10 * NS}, "crit high"),
        ({"until_ns": START_NS + 10 * NS}, "low"),
        ({"min_severity": Severity.HIGH}, "crit high"),
        ({"min_severity": Severity.DEBUG}, "crit high low"),
        ({"detector": "ptrace"}, "crit"),
        ({"entity": "eve"}, "high"),
        ({"entity": "user:eve"}, "high"),
        ({"entity": "ip:eve"}, ""),
        ({"entity": "::1"}, "high"),
        ({"entity": "ip:::1"}, "high"),
        ({"entity": "path:/var/100%"}, "low"),
        ({"status": "open"}, "crit high low"),
        ({"status": "closed"}, ""),
        ({"text": "wanted"}, "crit"),
        ({"text": "r_s"}, "crit"),
        ({"text": "%"}, ""),
        ({"text": "'; DROP TABLE incidents; --"}, ""),
        ({"text": "_shell", "min_severity": Severity.HIGH, "entity": "eve"}, "high"),
    ],
)
def test_filters(reader: Reader, question: dict[str, object], expected: str) -> None:
    found = reader.incidents(**question)  # type: ignore[arg-type]
    assert " ".join(row.incident_id.split(":")[1] for row in found) == expected


def test_pages_by_id(reader: Reader) -> None:
    seen, before = [], None
    while page := reader.incidents(limit=2, before_id=before):
        seen += [row.id for row in page]
        before = page[-1].id
    assert seen == [3, 2, 1]


def test_one_incident(reader: Reader) -> None:
    row = reader.incident(HIGH.fields.incident_id)
    assert row is not None
    assert row.fields == HIGH.fields
    assert reader.incident("no such id") is None
    assert reader.related("no such id") == []


def test_counts_agree_with_the_list(reader: Reader) -> None:
    counts = reader.counts(START_NS)
    assert counts.total == len(reader.incidents()) == 3
    assert counts.by_severity == {"low": 1, "high": 1, "critical": 1}
    assert counts.by_detector == {"log_deletion": 1, "ptrace": 1, "reverse_shell": 1}
    hour = START_NS // HOUR_NS * HOUR_NS
    assert counts.by_hour == ((hour, 2), (hour + 2 * HOUR_NS, 1))
    assert reader.counts(START_NS + 1).total == 2


def test_a_reader_sees_what_is_committed_later(tmp_path: Path) -> None:
    append(tmp_path, LOW)
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        append(tmp_path, HIGH)
        ingest_all(tmp_path)
        assert len(reader.incidents()) == 2


def test_an_empty_database_answers_everything(tmp_path: Path) -> None:
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        assert reader.incidents() == reader.tasks() == reader.telemetry_since(0) == []
        assert reader.telemetry_latest() is None
        assert reader.counts(0).total == 0
        assert reader.cursor().file is None


def test_tokens_are_stored_as_digests_only(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    writer.run(AddToken(sha256="a" * 64))
    writer.run(AddToken(sha256="b" * 64, expires_ns=100))
    with pytest.raises(StateError):
        AddToken(sha256="my secret token")
    with reading(tmp_path) as reader:
        assert reader.token_is_valid("a" * 64, 99)
        assert reader.token_is_valid("b" * 64, 99)
        assert not reader.token_is_valid("b" * 64, 100)
        assert not reader.token_is_valid("c" * 64, 99)
        writer.run(AddToken(sha256="c" * 64, only=True))
        assert not reader.token_is_valid("a" * 64, 99)
        assert reader.token_is_valid("c" * 64, 99)
    writer.close()


def test_facts_are_in_no_count(tmp_path: Path) -> None:
    """A fact in an hour of its own, and one beside an incident."""
    append(
        tmp_path,
        finding("first_seen", severity=Severity.DEBUG, key="alone"),
        finding("first_seen", severity=Severity.DEBUG, key="beside", at_s=7200),
        finding("ssh_bruteforce", key="told", at_s=7201),
    )
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        counts = reader.counts(0)
        assert (counts.total, counts.by_severity, counts.by_detector) == (
            1,
            {"high": 1},
            {"ssh_bruteforce": 1},
        )
        assert [count for _hour, count in counts.by_hour] == [1]
        assert reader.detectors(0) == ["ssh_bruteforce"]
