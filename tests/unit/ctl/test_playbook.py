# SPDX-License-Identifier: Apache-2.0
"""`playbook list` and `playbook test`, and what `status` and `incident` say of triage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.errors import RuleError, UsageError
from tests.unit.agent.support import append, ingest_all
from tests.unit.agent.triage.support import guessing, landed, triage_all
from tests.unit.ctl.test_reading_commands import invoke


def test_it_says_what_each_would_do_and_does_nothing(tmp_path: Path) -> None:
    append(tmp_path, one := landed())
    ingest_all(tmp_path)
    before = paths.state_db(tmp_path).read_bytes()
    code, out = invoke("playbook", "test", one.fields.incident_id, "--data-dir", str(tmp_path), "--json")
    found = {row["playbook"]: row for row in json.loads(out)["data"]["playbooks"]}
    assert code == 0
    assert found["ransomware"]["objection"] == "no trigger holds"
    steps = {step["step"]: step for step in found["ssh-intrusion"]["steps"]}
    assert steps["block"]["target"] == "203.0.113.9"
    assert "responder.verbs does not name it" in steps["suspend-sudo"]["answer"]
    assert paths.state_db(tmp_path).read_bytes() == before
    with pytest.raises(UsageError):
        invoke("playbook", "test", guessing().fields.incident_id, "--data-dir", str(tmp_path))


def test_an_operators_playbook_is_listed_or_refused(tmp_path: Path) -> None:
    config, books = tmp_path / "config.toml", tmp_path / "books"
    books.mkdir()
    config.write_text(f'[triage]\nplaybooks_directory = "{books}"\n')
    text = (
        '[[playbook]]\nid = "mine"\ntitle = "t"\n[[playbook.triggers]]\ndetector = "ssh_bruteforce"\n'
        '[[playbook.steps]]\nid = "a"\nverb = "block_address"\n'
    )
    (books / "a.toml").write_text(text)
    code, out = invoke("playbook", "list", "--config", str(config), "--json")
    assert code == 0 and "mine" in {row["id"] for row in json.loads(out)["data"]}
    (books / "a.toml").write_text(text.replace("ssh_bruteforce", "ssh_brute"))
    with pytest.raises(RuleError, match="no detector is called 'ssh_brute'"):
        invoke("playbook", "list", "--config", str(config))


def test_status_and_incident_tell_of_it(tmp_path: Path) -> None:
    append(tmp_path, one := landed())
    triage_all(tmp_path)
    _, out = invoke("status", "--data-dir", str(tmp_path), "--json")
    funnel = json.loads(out)["data"]["triage"]
    assert (funnel["came_in"], funnel["proposed"], funnel["executed"]) == (1, 2, 0)
    assert [gate["gate"] for gate in funnel["gates"]][:2] == ["dedupe", "trust"]
    _, out = invoke("incident", one.fields.incident_id, "--data-dir", str(tmp_path), "--json")
    assert json.loads(out)["data"]["triage"]["outcome"] == "propose"
