# SPDX-License-Identifier: Apache-2.0
"""backtest: what the rules of now would have done about what is stored, twice the same, and nothing is touched."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.tx import NewIncident
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import parse_rfc3339
from innerwarden.ctl.commands import backtest as command
from innerwarden.errors import StateError
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity
from tests.unit.agent.state.test_writer import Do
from tests.unit.agent.support import append, finding, ingest_all
from tests.unit.agent.triage.support import ATTACKER, about, guessing, landed, triage_all
from tests.unit.ctl.test_reading_commands import invoke

ALL = "2026-01-01T00:00:00Z"
OTHER = "203.0.113.77"
UNASKED = """
[[rule]]
id = "password-guessing"
why = "the operator has seen enough"
detectors = ["ssh_bruteforce"]
verb = "block_address"
entity = "ip"
ttl_s = 3600
auto_execute = true
"""


def config(tmp_path: Path, responder: str = "", rules: str = "") -> str:
    directory = tmp_path / "triage.d"
    directory.mkdir()
    if rules:
        (directory / "mine.toml").write_text(rules)
    path = tmp_path / "config.toml"
    path.write_text(f'[triage]\nrules_directory = "{directory}"\n[responder]\n{responder}\n')
    return str(path)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An attacker who guesses for hours and gets in, another who guesses twice, and everyday findings."""
    directory = tmp_path / "data"
    directory.mkdir()
    findings = [guessing(at_s=hour * 3600.0) for hour in range(6)]
    findings += [guessing(OTHER, at_s=100.0), guessing(OTHER, at_s=200.0)]
    findings += [landed(at_s=5 * 3600.0 + 30)]
    findings += [finding(key=f"n{n}", at_s=n * 60.0, severity=Severity.LOW) for n in range(250)]
    append(directory, *sorted(findings, key=lambda one: one.ts))
    ingest_all(directory)
    return directory


def run(data_dir: Path, *options: str) -> dict[str, Any]:
    code, out = invoke("backtest", "--data-dir", str(data_dir), "--since", ALL, "--json", *options)
    assert code == 0
    data: dict[str, Any] = json.loads(out)["data"]
    return data


def test_it_proposes_what_the_agent_itself_proposes(data_dir: Path) -> None:
    found = run(data_dir)
    triage_all(data_dir)
    with Reader(paths.state_db(data_dir)) as reader:
        live = {row.verb.key() for row in reader.responses(limit=10_000)}
        outcomes = reader.funnel().outcomes
    assert {f"{a['verb']['verb']}:ip:{a['verb']['address']}" for a in found["acts"]} == {
        key for key in live if key.startswith("block_address")
    }
    assert not [act for act in found["acts"] if act["unasked"]]
    assert found["finding_count"] == 259
    assert set(found["funnel"]["outcomes"]) == set(outcomes)


def test_actions_end_in_event_time_and_are_counted_again(data_dir: Path, tmp_path: Path) -> None:
    both = "enabled = true\ndry_run = false"
    found = run(data_dir, "--config", config(tmp_path, both, UNASKED))
    acts = {act["verb"]["address"]: act for act in found["acts"]}
    assert acts[ATTACKER]["unasked"] and acts[OTHER]["unasked"]
    assert acts[ATTACKER]["by"] == "rule:password-guessing"
    assert "the operator has seen enough" in acts[ATTACKER]["reason"]
    # Six guesses, an hour apart: an hour, then four, then a day. The other's second comes while its block lasts.
    assert acts[ATTACKER]["count"] == 3
    assert acts[OTHER]["count"] == 1
    assert acts[ATTACKER]["first"].startswith("2026-01-02T03:04:05")
    assert found["funnel"]["ordered"] == 4


def test_the_hourly_cap_counts_event_time(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    addresses = [f"203.0.113.{n}" for n in range(1, 11)]
    append(directory, *(guessing(a, at_s=n * 60.0) for n, a in enumerate(addresses)))
    append(directory, *(guessing(f"198.51.100.{n}", at_s=7200.0 + n) for n in range(1, 3)))
    ingest_all(directory)
    options = "enabled = true\ndry_run = false\nhourly_cap = 4"
    found = run(directory, "--config", config(tmp_path, options, UNASKED))
    unasked = [act["verb"]["address"] for act in found["acts"] if act["unasked"]]
    assert unasked == [*addresses[:4], "198.51.100.1", "198.51.100.2"]


def test_two_runs_say_the_same_and_nothing_is_touched(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = {path.name: path.read_bytes() for path in data_dir.iterdir()}
    assert run(data_dir) == run(data_dir)
    assert {path.name: path.read_bytes() for path in data_dir.iterdir() if "-" not in path.name} == before
    assert list(scratch.iterdir()) == []


def test_it_runs_beside_the_agent(data_dir: Path) -> None:
    writer = Writer(paths.state_db(data_dir))
    found = run(data_dir)
    writer.close()
    assert found["acts"]


def test_correlation_is_done_anew(tmp_path: Path) -> None:
    """Stories that were told then are not taken over; those that today's rules tell are."""
    directory = tmp_path / "data"
    directory.mkdir()
    seen = EntityRef.ip(ATTACKER)
    append(
        directory,
        guessing(at_s=0.0),
        landed(at_s=60.0),
        about("reverse_shell", seen, at_s=90.0, severity=Severity.HIGH),
    )
    ingest_all(directory)
    with Reader(paths.state_db(directory)) as reader:
        stored = reader.incidents(limit=100)
    chains = [row for row in stored if row.source != "sensor"]
    found = run(directory)
    assert found["finding_count"] == 3
    assert found["funnel"]["came_in"] == len(stored)
    assert len(chains) == len(stored) - 3


def test_what_only_the_agent_could_know_is_taken_as_it_was_said(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    append(directory, guessing())
    ingest_all(directory)
    said = [
        about("baseline_login_hour", EntityRef.ip(OTHER)),
        about("killchain_progress", EntityRef.ip(OTHER)),
    ]
    writer = Writer(paths.state_db(directory))
    for one in said:
        fields = msgspec.json.encode(one.fields)
        new = NewIncident(finding=one, ts_ns=parse_rfc3339(one.ts), fields=fields, source="agent")
        writer.run(Do(lambda tx, new=new: tx.insert_incident(new)))
    writer.close()
    found = run(directory)
    assert found["finding_count"] == 2
    assert found["funnel"]["came_in"] == 2


def test_since_limits_what_is_looked_at(data_dir: Path) -> None:
    code, out = invoke("backtest", "--data-dir", str(data_dir), "--since", "2026-01-02T07:00:00Z", "--json")
    found = json.loads(out)["data"]
    assert code == 0
    assert 0 < found["finding_count"] < 259
    assert {act["verb"]["address"] for act in found["acts"]} == {ATTACKER}
    assert invoke("backtest", "--data-dir", str(data_dir), "--since", "1h")[1] == ""


def test_people_read_whom_and_why_and_the_funnel(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = invoke("backtest", "--data-dir", str(data_dir), "--since", ALL)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("259 findings from 2026-01-02T03:04:05 to ")
    rows = [line.split() for line in lines if "block_address" in line]
    assert {(row[2], row[4]) for row in rows} == {("propose", ATTACKER), ("propose", OTHER)}
    assert any(line.startswith(f"{OTHER}: passwords are guessed from there") for line in lines)
    assert any(line.startswith("dedupe") for line in lines)
    assert any(line.startswith("decided ") for line in lines)


def test_a_long_run_says_how_far_it_is(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PROGRESS_S", 0.0)
    told: list[str] = []
    monkeypatch.setattr(command, "note", told.append)
    run(data_dir)
    assert told[-1] == "259 of 259 findings"
    assert len(told) > 3


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not exist"):
        invoke("backtest", "--data-dir", str(tmp_path))
