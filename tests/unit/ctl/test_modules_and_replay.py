# SPDX-License-Identifier: Apache-2.0
"""A new module is valid and works from the first moment; replay finds, counts and repeats itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.ctl.main import build
from innerwarden.errors import UnavailableError, UsageError

RUNNER = CliRunner()


def invoke(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(build(), list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_new_module_validates_and_its_cases_pass(tmp_path: Path) -> None:
    module = str(tmp_path / "my-detections")
    assert invoke("module", "new", module)[0] == 0
    code, out = invoke("module", "validate", module, "--json")
    assert json.loads(out)["data"]["problems"] == []
    assert code == 0
    code, out = invoke("module", "test", module, "--json")
    results = json.loads(out)["data"]["results"]
    assert code == 0
    assert [(r["expected"], r["found"]) for r in results] == [(1, 1), (0, 0)]


def test_a_wrong_case_and_a_wrong_field_are_found(tmp_path: Path) -> None:
    module = tmp_path / "my-detections"
    invoke("module", "new", str(module))
    cases = module / "tests" / "my_detections.toml"
    cases.write_text(cases.read_text().replace("expect = 1", "expect = 2"))
    code, out = invoke("module", "test", str(module), "--json")
    assert code == 1
    assert [r["passed"] for r in json.loads(out)["data"]["results"]] == [False, True]
    rule = module / "detectors" / "my_detections.yml"
    rule.write_text(rule.read_text().replace("CommandLine|", "ComandLine|"))
    code, out = invoke("module", "validate", str(module))
    assert code == 1
    assert str(rule) in out
    assert "ComandLine" in out


@pytest.mark.parametrize("name", ["My_Module", "x--y", "-x"])
def test_a_module_needs_a_good_id(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        invoke("module", "new", str(tmp_path / name)) if not name.startswith("-") else invoke(
            "module", "new", "--", str(tmp_path / name)
        )
    assert "my-detections" in caught.value.remedy


def test_a_module_is_never_written_over(tmp_path: Path) -> None:
    module = tmp_path / "my-detections"
    invoke("module", "new", str(module))
    with pytest.raises(UsageError):
        invoke("module", "new", str(module))


def test_list_names_our_modules() -> None:
    _, out = invoke("module", "list", "--json")
    listed = {module["id"]: module for module in json.loads(out)["data"]["modules"]}
    assert "ssh_bruteforce" in listed["ssh-protection"]["detectors"]


def auth_log(path: Path) -> Path:
    path.write_text(
        "".join(
            f"2026-01-02T03:04:{n:02d}+00:00 web sshd[{4000 + n}]: "
            f"Failed password for root from 203.0.113.50 port {50000 + n} ssh2\n"
            for n in range(20)
        )
    )
    return path


def test_replay_finds_by_event_time_and_twice_the_same(tmp_path: Path) -> None:
    log = auth_log(tmp_path / "auth.log")
    code, first = invoke("replay", str(log), "--json")
    assert code == 1
    findings = [json.loads(line) for line in first.splitlines()]
    assert findings
    assert all(finding["ts"].startswith("2026-01-02T03:04:") for finding in findings)
    assert invoke("replay", str(log), "--json") == (code, first)


def test_replay_of_nothing_bad_is_fine(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_text(
        "2026-01-02T03:04:05+00:00 web CRON[1]: pam_unix(cron:session): session opened for user root\n"
    )
    assert invoke("replay", str(log), "--json") == (0, "")


def test_replay_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        invoke("replay", str(tmp_path / "none.log"))
    with pytest.raises(UsageError):
        invoke("replay", str(auth_log(tmp_path / "auth.log")), "--source", "no_such_source")
