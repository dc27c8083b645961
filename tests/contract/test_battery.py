# SPDX-License-Identifier: Apache-2.0
"""What every shipped detector must pass, whatever its form."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from innerwarden_core import Engine

from innerwarden import paths
from innerwarden.clock import parse_rfc3339
from innerwarden.config import Config
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity
from innerwarden.modules.cases import Case, read_cases, records_of, run_case, split
from innerwarden.modules.factory import BOOT_BASE_NS, REAL_BASE_NS
from innerwarden.modules.loader import load_modules
from innerwarden.modules.log_sources import feed_text
from innerwarden.modules.python import import_problems
from innerwarden.modules.validator import check_spec, validate
from innerwarden.sensor.detection.host import DetectionHost

ROOT = paths.REPOSITORY / "modules"
MODULES = load_modules([ROOT], Config())
SPECS = sorted(MODULES.specs.values(), key=lambda spec: spec.id)
ALL_CASES = [
    pytest.param(spec, case, id=f"{spec.id}: {case.name}")
    for spec in SPECS
    for case in read_cases(ROOT / spec.module / "tests" / f"{spec.id}.toml")
]

#: Units, or a statement (a switch), or a number of generations.
UNIT = re.compile(r"_(count|points|s|ns|bytes|pct|port)$|^include_|^levels$")

#: What the operator must see exactly once; the rest of a test's events may give building blocks only.
MUST_EXIST = {
    "ssh_bruteforce",
    "credential_stuffing",
    "login_after_failures",
    "download_pipe_shell",
    "web_server_shell",
    "new_suid_execution",
    "cron_persistence",
    "systemd_persistence",
    "authorized_keys_change",
    "kernel_module_load",
    "log_deletion",
    "password_file_change",
    "crypto_miner",
    "reverse_shell",
    "sensitive_read_then_connect",
    "suspicious_exec_origin",
}
BUILDING_BLOCKS = {"download_tool", "chmod_executable"}

#: Two facts about one attack that are worth two incidents: a list of accounts is also many failures,
#: the connection is the second step of a chain that began with the shell, and a program from a doubtful place that
#: calls somebody, once or again and again, reads secrets or starts a set-user-id program has done more than start.
#: So has a tunnel's program that sends, and a shell of a web server that leaves a page behind.
COMPANIONS = {
    "credential_stuffing": {"ssh_bruteforce"},
    "wordlist_scan": {"web_exploit_probe"},
    "shell_network_connect": {"web_server_shell", "c2_callback"},
    "web_shell": {"web_server_shell"},
    "tls_from_writable_place": {"suspicious_exec_origin"},
    "shadow_file_read": {"suspicious_exec_origin"},
    "secret_file_read": {"suspicious_exec_origin"},
    "browser_store_read": {"suspicious_exec_origin"},
    "execution_guard": {"history_disabled"},
    "dns_null_query": {"c2_protocol_tunneling"},
    "setuid_exploit_pattern": {"suspicious_exec_origin"},
    "reverse_shell": {"c2_port_connect"},
    "c2_callback": {"suspicious_exec_origin"},
    "exploit_sequence": {
        *(
            "reverse_shell",
            "executable_stack",
            "code_from_memory_file",
            "ptrace_injection",
            "process_memory_write",
        ),
        "c2_non_standard_port",
    },
    "c2_port_connect": {"suspicious_exec_origin"},
    "imds_access": {"suspicious_exec_origin"},
    "c2_non_standard_port": {"suspicious_exec_origin"},
    "chmod_executable": {"file_permission_mod"},
    "outbound_port_sweep": {"nmap_scan"},
}
#: Where a program lies and whose name it bears is told at its start, before anybody knows what it will do.
STARTS = {"host_drift", "masquerading"}


def test_the_promised_detectors_ship() -> None:
    assert set(MODULES.specs) >= MUST_EXIST | BUILDING_BLOCKS


@pytest.mark.parametrize(
    "directory", sorted(p.parent for p in ROOT.glob("*/module.toml")), ids=lambda p: p.name
)
def test_module_validates(directory: Path) -> None:
    assert validate(directory, run_cases=False) == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_spec_is_complete(spec) -> None:
    assert check_spec(spec, spec.id) == []
    assert spec.maturity != "stable", "nothing starts as stable"
    assert spec.cooldown_s > 0
    assert all(UNIT.search(name) for name in spec.parameters), "a parameter's name ends with its unit"


@pytest.mark.parametrize(("spec", "case"), ALL_CASES)
def test_case(spec, case: Case) -> None:
    result = run_case(MODULES, spec, case)
    assert result.findings == case.expect, (result.hits, result.others)
    assert result.passed, (result.severities, result.errors)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_cases_hold_a_benign_and_a_firing_one(spec) -> None:
    cases = read_cases(ROOT / spec.module / "tests" / f"{spec.id}.toml")
    assert any(case.expect == 0 for case in cases)
    assert any(case.expect == 1 for case in cases)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_every_detector_can_fire(spec) -> None:
    """Dead-rule lint: the compiled form exists, and a correlation's parts do too."""
    rules = {rule.owner: rule for rule in MODULES.compiled_rules}
    correlations = {c.owner: c for c in MODULES.compiled_correlations}
    if spec.id in correlations:
        assert set(correlations[spec.id].rules) <= set(rules)
    elif spec.form != "native":
        assert rules[spec.id].kinds


def findings_of(case: Case) -> list[Finding]:
    """The case through the detection host, as the product tells it."""
    engine = Engine(boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS)
    engine.configure(MODULES.rules, MODULES.correlations, MODULES.natives)
    engine.use_intel(case.intel())
    host = DetectionHost(
        MODULES.specs,
        engine,
        host_name="test",
        boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS,
        python={name: type(one)(one.parameters) for name, one in MODULES.python.items()},
    )
    found: list[Finding] = []
    if case.lines:
        chunk = "".join(line + "\n" for line in case.lines).encode()
        found += host.findings(feed_text(engine, case.source, chunk, 1_800_000_000, MODULES.recipes))
    for record in split(records_of(case)):
        found += host.findings(engine.feed(record))
    assert host.errors == 0
    return found


@pytest.mark.parametrize(
    ("spec", "case"), [param for param in ALL_CASES if param.values[1].expect and param.values[1].expect > 0]
)
def test_a_finding_is_one_story_that_a_person_can_read(spec, case: Case) -> None:
    found = findings_of(case)
    mine = [finding for finding in found if finding.detector == spec.id]
    assert len(mine) == case.expect
    own = {spec.id} | COMPANIONS.get(spec.id, set()) | STARTS
    others = [f for f in found if f.detector not in own and f.severity.at_least(Severity.MEDIUM)]
    assert others == [], "one attack is one incident"
    for finding in mine:
        fields = finding.fields
        assert "(not known)" not in fields.summary, fields.summary
        assert "{" not in fields.summary.replace(spec.summary, "")
        assert fields.attack or spec.severity is Severity.DEBUG, "a fact is no attack"
        assert fields.evidence
        assert fields.recommended_checks
        assert fields.incident_id.startswith(f"{spec.id}:")
        assert parse_rfc3339(finding.ts) > 0


def test_shipped_python_imports_only_the_sdk() -> None:
    for path in ROOT.glob("*/detectors/*.py"):
        assert import_problems(path, path.read_text("utf-8")) == []


def test_no_shipped_detector_trusts_a_process_name() -> None:
    """comm is whatever the process says; no rule and no Python detector may look at it."""
    for rule in MODULES.compiled_rules:
        assert not {"comm", "parent_comm"} & {predicate.field for predicate in rule.predicates}, rule.owner
    for path in ROOT.glob("*/detectors/*.py"):
        names = {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
        assert "comm" not in names, path
