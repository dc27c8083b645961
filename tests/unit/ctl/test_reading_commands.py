# SPDX-License-Identifier: Apache-2.0
"""incidents, incident, status and dashboard token over a state.db that the agent's ingest made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden import clock, paths
from innerwarden.agent.state.read import Reader
from innerwarden.ctl.main import build
from tests.unit.dashboard import samples
from tests.unit.dashboard.conftest import ingest

RUNNER = CliRunner()


def invoke(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(build(), list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    now = clock.realtime_ns()
    findings = [samples.brute_force(now - 7200 * clock.NS, 1), samples.reverse_shell(now)]
    paths.findings(tmp_path).write_bytes(b"".join(map(samples.line, findings)))
    ingest(tmp_path)
    return tmp_path


def test_incidents_json_is_versioned_and_whole(data_dir: Path) -> None:
    code, out = invoke("incidents", "--data-dir", str(data_dir), "--json")
    reply = json.loads(out)
    assert code == 0
    assert (reply["version"], reply["command"]) == (1, "incidents")
    assert [row["detector"] for row in reply["data"]] == ["reverse_shell", "ssh_brute_force"]
    newest = reply["data"][0]
    assert newest["severity"] == "critical"
    assert newest["fields"]["attack"] == ["T1059.004", "T1071"]
    assert [a["pid"] for a in newest["fields"]["process"]["ancestors"]] == [4100, 871, 1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--since", "1h"], ["reverse_shell"]),
        (["--since", "3h"], ["reverse_shell", "ssh_brute_force"]),
        (["--severity", "critical"], ["reverse_shell"]),
        (["--detector", "ssh_brute_force"], ["ssh_brute_force"]),
        (["--entity", "ana"], ["reverse_shell"]),
        (["--text", "failed 10 times"], ["ssh_brute_force"]),
        (["--limit", "1"], ["reverse_shell"]),
    ],
)
def test_filters(data_dir: Path, options: list[str], expected: list[str]) -> None:
    _, out = invoke("incidents", "--data-dir", str(data_dir), "--json", *options)
    assert [row["detector"] for row in json.loads(out)["data"]] == expected


def test_plain_lists_have_no_escape_sequences(data_dir: Path) -> None:
    _, out = invoke("incidents", "--data-dir", str(data_dir))
    assert "reverse_shell" in out
    assert "\x1b" not in out


def test_incident_tells_the_story_in_order(data_dir: Path) -> None:
    incident_id = samples.reverse_shell(0).fields.incident_id
    with Reader(paths.state_db(data_dir)) as reader:
        incident_id = reader.incidents(limit=1)[0].incident_id
    code, out = invoke("incident", incident_id, "--data-dir", str(data_dir))
    assert code == 0
    parts = [
        "Shell wired",
        "Process tree",
        "systemd",
        "sshd",
        "<- acted",
        "Evidence",
        "Next checks",
        "could not see",
    ]
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    assert samples.SCRIPT in out  # text stays text
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_incident_json_has_the_same_shape_as_in_the_list(data_dir: Path) -> None:
    _, listed = invoke("incidents", "--data-dir", str(data_dir), "--json")
    row = json.loads(listed)["data"][0]
    _, told = invoke("incident", row["incident_id"], "--data-dir", str(data_dir), "--json")
    data = json.loads(told)["data"]
    assert (data.pop("related"), data.pop("triage")) == ([], None)
    assert data == row


def test_status_says_that_nothing_runs(data_dir: Path) -> None:
    code, out = invoke("status", "--data-dir", str(data_dir), "--json")
    data = json.loads(out)["data"]
    assert code == 1
    assert data["sensor"]["alive"] is False
    assert data["agent"]["alive"] is False
    assert data["health"] is None
    assert data["level"] == "down"
    assert {"sensor_down", "agent_down"} <= {one["name"] for one in data["levels"]}


def test_status_without_any_state_is_an_answer_not_an_error(tmp_path: Path) -> None:
    code, out = invoke("status", "--data-dir", str(tmp_path / "none"), "--json")
    assert code == 1
    assert "does not exist" in json.loads(out)["data"]["trouble"][0]


def test_a_new_dashboard_token_is_stored_only_as_its_hash(data_dir: Path) -> None:
    code, out = invoke("dashboard", "token", "--data-dir", str(data_dir), "--json")
    token = json.loads(out)["data"]["token"]
    assert code == 0
    digest = hashlib.sha256(token.encode()).hexdigest()
    with Reader(paths.state_db(data_dir)) as reader:
        assert reader.token_is_valid(digest, clock.realtime_ns())
        assert not reader.token_is_valid(digest, clock.realtime_ns() + 31 * 86400 * clock.NS)
    assert token.encode() not in b"".join(p.read_bytes() for p in data_dir.iterdir() if p.is_file())


def test_only_ends_the_other_tokens(data_dir: Path) -> None:
    first = json.loads(invoke("dashboard", "token", "--data-dir", str(data_dir), "--json")[1])["data"][
        "token"
    ]
    invoke("dashboard", "token", "--data-dir", str(data_dir), "--only")
    with Reader(paths.state_db(data_dir)) as reader:
        assert not reader.token_is_valid(hashlib.sha256(first.encode()).hexdigest(), clock.realtime_ns())
