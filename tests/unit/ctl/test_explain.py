# SPDX-License-Identifier: Apache-2.0
"""`innerwarden explain`: lines through the real parser and engine, and stored incidents, told with their reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from innerwarden import clock, paths
from innerwarden.config import Config
from innerwarden.ctl.main import build
from innerwarden.errors import UsageError
from innerwarden.model.finding import Finding, Telemetry, TelemetryFields
from innerwarden.model.severity import Severity
from innerwarden.sensor.replay import run
from tests.unit.dashboard import samples
from tests.unit.dashboard.conftest import ingest

RUNNER = CliRunner()
FAILED = "Nov 21 19:00:{:02d} web1 sshd[123]: Failed password for root from 192.0.2.9 port 22 ssh2"
ACCESS = '192.0.2.9 - - [21/Nov/2026:19:00:00 +0000] "{}" 404 5 "-" "curl/8"'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    tmp_path.chmod(0o750)
    path = tmp_path / "config.toml"
    path.write_text(f'[trust]\ndirectory = "{tmp_path}/trust.d"\n')
    return path


def invoke(*arguments: object, stdin: str | None = None) -> tuple[int, str]:
    result = RUNNER.invoke(build(), ["explain", *map(str, arguments)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def story(config: Path, lines: Iterable[str], *arguments: str) -> dict[str, Any]:
    stdin = "".join(line + "\n" for line in lines)
    found: dict[str, Any] = json.loads(invoke("--config", config, "--json", *arguments, stdin=stdin)[1])
    return dict(found["data"]["line"])


def rule(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in told["rules"] if one["rule"] == name]
    return dict(found)


def window(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [w for one in told["rules"] for w in one["windows"] if w["correlation"] == name]
    return dict(found)


def test_a_line_its_event_and_how_far_the_window_is(config: Path) -> None:
    told = story(config, [FAILED.format(n) for n in range(3)])
    assert told["kind"] == "ssh.login_failed"
    assert (told["fields"]["src_ip"], told["fields"]["user"]) == ("192.0.2.9", "root")
    assert rule(told, "ssh_failed_login")["holds"] is True
    found = window(told, "ssh_bruteforce")
    assert (found["held"], found["wanted"], found["timespan_s"]) == (3, 8, 300)
    assert (found["fired"], found["key"]) == (False, {"src_ip": "192.0.2.9"})
    assert told["findings"] == []
    other = story(config, [FAILED.format(0), FAILED.format(1).replace("192.0.2.9", "192.0.2.10")])
    assert window(other, "ssh_bruteforce")["held"] == 1


def test_the_line_that_completes_the_window_fires_and_the_next_round_is_folded(config: Path) -> None:
    told = story(config, [FAILED.format(n) for n in range(8)])
    assert window(told, "ssh_bruteforce")["fired"] is True
    (finding,) = [f for f in told["findings"] if f["detector"] == "ssh_bruteforce"]
    assert (finding["trusted_by"], finding["trust"]) == (None, [])
    again = story(config, [FAILED.format(n) for n in range(16)])
    assert window(again, "ssh_bruteforce")["fired"] is True
    assert [f["detector"] for f in again["findings"]] == []


def test_which_clause_of_a_near_rule_did_not_hold(config: Path) -> None:
    told = story(config, [ACCESS.format("GET /index.html HTTP/1.1")], "--source", "nginx_access")
    assert told["kind"] == "web.request"
    assert told["looked_at"] > 3
    assert not any(one["holds"] for one in told["rules"] if not one["only_counts"])
    near = [one for one in told["rules"] if not one["holds"]]
    assert near
    for one in near:
        clauses = [c for s in one["selections"] for c in s["clauses"]]
        assert any(not c["holds"] for c in clauses) or any(
            s["negated"] and s["holds"] for s in one["selections"]
        )
        assert any(c["holds"] for c in clauses)
    every = story(config, [ACCESS.format("GET /x HTTP/1.1")], "--source", "nginx_access", "--all")
    assert len(every["rules"]) == every["looked_at"]
    one = story(
        config,
        [ACCESS.format("GET /x HTTP/1.1")],
        "--source",
        "nginx_access",
        "--rule",
        every["rules"][-1]["rule"],
    )
    assert every["rules"][-1]["rule"] in {r["rule"] for r in one["rules"]}


def test_text_says_the_same(config: Path) -> None:
    code, out = invoke(FAILED.format(1), "--config", config)
    assert code == 0
    assert "event     ssh.login_failed, read as auth_log" in out
    assert "window ssh_bruteforce: 1 of 8 events in 300 s, for src_ip 192.0.2.9" in out
    assert "+ kind_name: ssh.login_failed" in out
    assert "finding   none" in out
    assert "\x1b" not in invoke(FAILED.format(1) + "\x1b[31m", "--config", config)[1]


def test_a_line_of_another_source_says_whose_it_is(config: Path) -> None:
    code, out = invoke(FAILED.format(1), "--source", "nginx_access", "--config", config)
    assert code == 1
    assert "the parser of nginx_access makes no event of it; that of auth_log" in out
    assert invoke("nothing at all", "--config", config)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("x", "--source", "nosuch"), "unknown source"),
        ((FAILED.format(1), "--rule", "nosuch"), "no rule 'nosuch'"),
        (("a:b:2026-01-01T00:00:00Z",), "state.db"),
    ],
)
def test_usage(config: Path, tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    from innerwarden.errors import InnerWardenError

    with pytest.raises(InnerWardenError, match=word):
        invoke(*arguments, "--config", config, "--data-dir", tmp_path / "none")
    with pytest.raises(UsageError, match="no line"):
        invoke("--config", config, stdin="")


def test_the_trust_entry_that_decided_and_what_the_others_object(config: Path, tmp_path: Path) -> None:
    from innerwarden.trust.edit import add
    from tests.unit.trust.support import entry

    detectors = ("ssh_bruteforce",)
    add(
        tmp_path / "trust.d",
        entry("office", detectors=detectors, networks=("192.0.2.0/24",), up_to=Severity.HIGH),
    )
    add(tmp_path / "trust.d", entry("other", detectors=detectors, networks=("198.51.100.0/24",)))
    told = story(config, [FAILED.format(n) for n in range(8)])
    (finding,) = [f for f in told["findings"] if f["detector"] == "ssh_bruteforce"]
    assert (finding["severity"], finding["trusted_by"]) == ("debug", "office")
    assert finding["found_as"] in ("medium", "high")
    assert {a["entry"]: a["objection"] for a in finding["trust"]} == {
        "office": None,
        "other": "192.0.2.9 is not in its networks",
    }


def test_an_event_line_of_a_capture(config: Path) -> None:
    details = {"pid": 5, "start_ns": 7, "exe_path": "/tmp/x", "argv": ["/tmp/x"], "uid": 0}
    line = json.dumps({"kind": "process.exec", "details": details})
    told = story(config, [line], "--source", "events")
    assert told["kind"] == "process.exec"
    assert told["fields"]["exe_path"] == "/tmp/x"
    assert "suspicious_exec_origin" in told["native"]


def test_an_event_of_several_lines(config: Path) -> None:
    """The audit log's; which reader it is does not matter to the story."""
    head = "msg=audit(1763751600.123:77): "
    lines = [
        f"type=SYSCALL {head}arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=10 pid=11 "
        'auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="id" exe="/usr/bin/id" '
        "key=(null)",
        f'type=EXECVE {head}argc=1 a0="id"',
        f'type=PROCTITLE {head}proctitle="id"',
    ]
    told = story(config, lines, "--source", "auditd")
    assert told["kind"] is not None
    assert told["looked_at"] > 0


def found_in(lines: list[str], source: str, detector: str, tmp_path: Path) -> Finding:
    """A finding of the real replay."""
    path = tmp_path / "log"
    path.write_text("".join(line + "\n" for line in lines))
    (found,) = [f for f in run([path], source, Config()).findings if f.detector == detector]
    return found


def stored(finding: Finding, directory: Path, *more: object) -> Path:
    directory.mkdir()
    lines = [samples.line(finding), *(msgspec.json.encode(one) + b"\n" for one in more)]
    paths.findings(directory).write_bytes(b"".join(lines))
    ingest(directory)
    return directory


def test_a_stored_incident_of_a_count(config: Path, tmp_path: Path) -> None:
    finding = found_in([FAILED.format(n) for n in range(8)], "auth_log", "ssh_bruteforce", tmp_path)
    lost = Telemetry(
        ts=clock.rfc3339(clock.parse_rfc3339(finding.ts) + 30 * clock.NS),
        detector="telemetry",
        severity=Severity.DEBUG,
        fields=TelemetryFields(host="h", period_s=60.0, lost={"ring.bulk": 7}),
    )
    data_dir = stored(finding, tmp_path / "data", lost)
    arguments = (finding.fields.incident_id, "--config", config, "--data-dir", data_dir)
    told = json.loads(invoke(*arguments, "--json")[1])["data"]["incident"]
    assert (told["detector"], told["form"], told["kind"]) == ("ssh_bruteforce", "sigma", "ssh.login_failed")
    assert told["parameters"] == {"timespan_s": 300, "threshold_count": 8}
    assert told["window"].startswith("8 events in ")
    assert told["lost_around"] == {"ring.bulk": 7}
    assert told["blind_spots"]
    assert told["notes"] == []
    (one,) = told["rules"]
    assert (one["rule"], one["holds"]) == ("ssh_failed_login", True)
    assert [(s["name"], s["holds"]) for s in one["selections"]] == [("failed", True)]
    _, out = invoke(*arguments)
    assert "threshold_count = 8" in out
    assert "in its minute: 7 at ring.bulk" in out
    assert "no entry covered it" in out


def test_a_stored_incident_of_a_rule_and_of_a_process(config: Path, tmp_path: Path) -> None:
    from innerwarden.modules.loader import load_modules
    from tests.unit.sensor.detection.test_host import shipped

    modules = load_modules([paths.REPOSITORY / "modules"], Config())
    record, detector = an_exec_that_fires(modules)
    engine, host = shipped()
    (finding,) = [f for f in host.findings(engine.feed(record)) if f.detector == detector]
    data_dir = stored(finding, tmp_path / "data")
    arguments = (finding.fields.incident_id, "--config", config, "--data-dir", data_dir, "--json")
    told = json.loads(invoke(*arguments)[1])["data"]["incident"]
    (one,) = told["rules"]
    assert (one["rule"], one["holds"], told["notes"]) == (detector, True, [])
    assert any(s["holds"] and not s["negated"] for s in one["selections"])


def an_exec_that_fires(modules: Any) -> tuple[bytes, str]:
    """A shipped case of one exec record that a Sigma rule tells of."""
    from innerwarden.modules.cases import read_cases, records_of, split

    for path in sorted((paths.REPOSITORY / "modules").glob("*/tests/*.toml")):
        spec = modules.specs.get(path.stem)
        if (
            spec is None
            or spec.form != "sigma"
            or spec.kinds != ("process.exec",)
            or "timespan_s" in spec.parameters
        ):
            continue
        for case in read_cases(path):
            records = split(records_of(case))
            if case.expect == 1 and len(records) == 1:
                return records[0], spec.id
    raise AssertionError("no such case")


def test_evidence_on_which_the_rule_no_longer_holds_is_said(config: Path, tmp_path: Path) -> None:
    finding = found_in([FAILED.format(n) for n in range(8)], "auth_log", "ssh_bruteforce", tmp_path)
    evidence = [
        msgspec.structs.replace(one, kind="ssh.login_success") if one.kind == "ssh.login_failed" else one
        for one in finding.fields.evidence
    ]
    fields = msgspec.structs.replace(finding.fields, evidence=tuple(evidence))
    data_dir = stored(msgspec.structs.replace(finding, fields=fields), tmp_path / "data")
    arguments = (fields.incident_id, "--config", config, "--data-dir", data_dir, "--json")
    told = json.loads(invoke(*arguments)[1])["data"]["incident"]
    assert [one for one in told["rules"] if one["holds"]] == []


def test_an_incident_of_a_detector_that_is_gone(config: Path, tmp_path: Path) -> None:
    finding = samples.reverse_shell(clock.realtime_ns())
    data_dir = stored(msgspec.structs.replace(finding, detector="gone"), tmp_path / "data")
    arguments = (finding.fields.incident_id, "--config", config, "--data-dir", data_dir)
    code, out = invoke(*arguments)
    assert code == 0
    assert "no detector gone is loaded now" in out
