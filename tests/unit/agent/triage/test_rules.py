# SPDX-License-Identifier: Apache-2.0
"""The table of rules: what ships can fire, what an operator writes wrong is refused by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent import derived
from innerwarden.agent.state.read import Reader
from innerwarden.agent.triage.compose import settings_of
from innerwarden.agent.triage.detectors import known_detectors
from innerwarden.agent.triage.gates.posture import SSH_GUESSING
from innerwarden.agent.triage.gather import LANDING
from innerwarden.agent.triage.playbook import load_playbooks
from innerwarden.agent.triage.rule import load_rules
from innerwarden.agent.triage.targets import ENTITIES_OF
from innerwarden.config import Config, TriageConfig
from innerwarden.errors import RuleError
from innerwarden.model.verb import VERB_IDS
from innerwarden.modules.loader import load_modules
from tests.unit.agent.process import end, start
from tests.unit.agent.support import append, wait_until
from tests.unit.agent.triage.support import CHAINS, decision, guessing, yes

NOWHERE = Path("/nonexistent")
GOOD = """
[[rule]]
id = "mine"
why = "because"
detectors = ["ssh_bruteforce"]
verb = "block_address"
entity = "ip"
"""


def really_there() -> frozenset[str]:
    """What the compiled modules report, not what their files are called."""
    return frozenset({*load_modules([paths.REPOSITORY / "modules"], Config()).specs, *CHAINS})


def test_what_ships_names_only_detectors_that_report_and_never_acts_unasked() -> None:
    known, chains = really_there(), frozenset(CHAINS)
    assert not [rule.id for rule in load_rules(NOWHERE, known) if rule.auto_execute]
    playbooks = load_playbooks(NOWHERE, known, chains)
    assert not [playbook.id for playbook in playbooks if playbook.auto_execute]
    assert len(playbooks) >= 3
    assert known >= SSH_GUESSING and known >= LANDING


def test_detectors_known_by_their_files_are_those_that_report() -> None:
    assert really_there() <= known_detectors(Config(), CHAINS)


def test_every_verb_has_its_entity() -> None:
    assert set(ENTITIES_OF) == set(VERB_IDS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("ssh_bruteforce", "ssh_brutforce"), "no detector is called 'ssh_brutforce'"),
        (('verb = "block_address"', 'verb = "reboot"'), "`verb` 'reboot' does not act on"),
        (('entity = "ip"', 'entity = "user"'), "does not act on a user"),
        (('entity = "ip"', 'entity = "ip"\noutcome = "watch"'), "either `verb` or `outcome`"),
        (('entity = "ip"', 'entity = "ip"\nttl_s = 1'), "ttl_s"),
        (('entity = "ip"', 'entity = "ip"\nmin_confidence = 2.0'), "min_confidence"),
        (('entity = "ip"', 'entity = "ip"\nauto = true'), "auto"),
        (("[[rule]]", "[[rules]]"), "[[rule]]"),
        (('id = "mine"', "id = ["), "line"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    known = known_detectors(Config(), CHAINS)
    assert load_rules(tmp_path, known)[0].id == "mine"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(RuleError) as refused:
        load_rules(tmp_path, known)
    assert said in str(refused.value) and f"{path}:" in str(refused.value)


def test_the_operators_rule_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    known = known_detectors(Config(), CHAINS)
    (tmp_path / "a.toml").write_text(GOOD.replace("mine", "password-guessing"))
    found = [rule for rule in load_rules(tmp_path, known) if rule.id == "password-guessing"]
    assert [rule.why for rule in found] == ["because"]
    (tmp_path / "a.toml").write_text(GOOD.replace("mine", "password-guessing") + "disabled = true\n")
    assert not [rule for rule in load_rules(tmp_path, known) if rule.id == "password-guessing"]


def test_what_the_agent_itself_reports_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.replace("ssh_bruteforce", "killchain_progress"))
    config = Config(triage=TriageConfig(rules_directory=str(tmp_path)))
    assert settings_of(config, yes, CHAINS, derived.ids()).rules[0].id == "mine"
    with pytest.raises(RuleError):
        settings_of(config, yes, CHAINS)


def test_the_running_agent_decides(tmp_path: Path) -> None:
    """The composition root itself, in a process of its own."""
    append(tmp_path, one := guessing())
    agent = start(tmp_path)
    try:
        wait_until(lambda: b"agent runs" in (tmp_path / "agent-output").read_bytes(), 20)
        wait_until(lambda: _decided(tmp_path, one.fields.incident_id), 20)
    finally:
        assert end(agent) == 0
    assert decision(tmp_path, one).by == "rule:password-guessing"


def _decided(data_dir: Path, incident_id: str) -> bool:
    with Reader(paths.state_db(data_dir)) as reader:
        return reader.triage(incident_id) is not None
