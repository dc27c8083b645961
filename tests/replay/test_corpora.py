# SPDX-License-Identifier: Apache-2.0
"""The judge of third-party corpora judges: on a corpus of our own, in their format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from innerwarden.errors import UnavailableError
from tests.replay.corpora import __main__ as command
from tests.replay.corpora import report
from tests.replay.corpora.report import failed_gates, judge
from tests.replay.corpora.truth import Outcome

A = "192.0.2.7"
LINES = [
    f"Nov  2 10:00:00 web sshd[7]: Failed password for root from {A} port 1 ssh2",
    f"Nov  2 10:00:01 web sshd[8]: Accepted password for kim from {A} port 1 ssh2",
    f"web sshd[9]: Failed password for root from {A} port 1 ssh2",
    f"Nov  2 10:00:03 web sshd[7]: Connection closed by {A} port 1",
]


def corpus(directory: Path, name: str, lines: list[str], rows: list[dict[str, Any]]) -> Path:
    (directory / name).mkdir(parents=True)
    (directory / name / "log").write_text("\n".join(lines) + "\n")
    cases = [
        {"corpus": name, "case": str(number), "collector": "auth_log", "kind": "k", "input": f"{name}/log"}
        | row
        for number, row in enumerate(rows)
    ]
    (directory / name / "truth.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return directory


def line(number: int, event: bool | None, host: str | None = None) -> dict[str, Any]:
    return {"lines": [number], "expect": {"event": event, "host": host}}


def outcomes(directory: Path) -> list[str]:
    return [str(one.outcome) for one in judge(directory)]


def test_line_and_source_are_judged(tmp_path: Path) -> None:
    rows = [
        line(1, True, A), line(1, True, "192.0.2.8"), line(1, False), line(2, False), line(2, True, A),
        line(3, True, A), line(4, None),
    ]  # fmt: skip
    found = outcomes(corpus(tmp_path, "fail2ban", LINES, rows))
    assert found == ["agree", "disagree", "disagree", "agree", "disagree", "agree", "skipped"]


def test_what_nothing_reads_is_skipped_with_a_reason(tmp_path: Path) -> None:
    row = line(1, True, A) | {"collector": "suricata_eve"}
    (one,) = judge(corpus(tmp_path, "fail2ban", LINES, [row]))
    assert one.outcome is Outcome.SKIPPED and "Suricata" in one.why


def test_sources_that_are_read_in_python_are_judged_too(tmp_path: Path) -> None:
    """One document a case: a login of the account's owner alerts, a list of what there is does not."""
    say = {
        "eventVersion": "1.08",
        "eventTime": "2026-11-02T10:00:00Z",
        "awsRegion": "x",
        "sourceIPAddress": A,
    }
    root = say | {
        "eventName": "ConsoleLogin", "eventSource": "signin.amazonaws.com",
        "userIdentity": {"type": "Root", "accountId": "1", "arn": "arn:aws:iam::1:root"},
        "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
    }  # fmt: skip
    plain = say | {
        "eventName": "DescribeInstances", "eventSource": "ec2.amazonaws.com",
        "userIdentity": {"type": "IAMUser", "userName": "kim", "accountId": "1", "arn": "arn:aws:iam::1:user/kim"},
    }  # fmt: skip
    rows = []
    (tmp_path / "panther").mkdir()
    for number, (event, alert) in enumerate(((root, True), (plain, False), (plain, True))):
        (tmp_path / "panther" / f"{number}.json").write_text(json.dumps(event, indent=1))
        rows.append({
            "corpus": "panther", "case": str(number), "collector": "cloudtrail", "kind": "rule",
            "input": f"panther/{number}.json", "expect": {"alert": alert},
        })  # fmt: skip
    (tmp_path / "panther" / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert outcomes(tmp_path) == ["agree", "agree", "disagree"]


def test_alerted_sources_are_judged_with_the_corpus_own_threshold(tmp_path: Path) -> None:
    storm = [
        f"Nov  2 10:0{n}:00 web sshd[{n}]: Failed password for root from {A} port 1 ssh2" for n in range(5)
    ]
    rows = [{"expect": {"alert": alert, "source": A}} for alert in (True, False)]
    assert outcomes(corpus(tmp_path, "loghub", storm, rows)) == ["agree", "disagree"]


def test_scenarios_and_parsers(tmp_path: Path) -> None:
    storm = [f"Nov  2 10:00:0{n} mx postfix/smtpd[7]: warning: unknown[{A}]: SASL LOGIN authentication failed: x"
             for n in range(6)]  # fmt: skip
    rows = [
        {"kind": "scenario", "expect": {"sources": [A]}},
        {"kind": "scenario", "expect": {"sources": [A, "192.0.2.8"]}},
        {"kind": "scenario", "expect": {"sources": []}},
        {"kind": "parse", "lines": [1], "expect": {"event": True, "source_ip": A}},
        {"kind": "parse", "lines": [1], "expect": {"event": False}},
    ]
    found = outcomes(corpus(tmp_path, "crowdsec", storm, rows))
    assert found == ["agree", "disagree", "disagree", "agree", "disagree"]


def test_fewer_agreements_than_recorded_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = corpus(tmp_path / "c", "fail2ban", LINES, [line(1, True, A), line(1, False)])
    gate = tmp_path / "gates.toml"
    monkeypatch.setattr(report, "GATES", gate)
    monkeypatch.setattr("sys.argv", ["corpora", "--corpora", str(directory), "--show", "5"])
    for least, code in ((1, 0), (2, 1)):
        gate.write_text(f"[fail2ban]\nagree = {least}\n")
        assert len(failed_gates(judge(directory))) == code == command.main()
    assert "expected nothing, got ssh.login_failed" in capsys.readouterr().out


def test_nothing_given_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CORPORA", raising=False)
    monkeypatch.setattr("sys.argv", ["corpora"])
    assert command.main() == 0 and "none given" in capsys.readouterr().out


def test_a_directory_without_a_corpus_and_a_torn_truth(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no corpus"):
        judge(tmp_path)
    directory = corpus(tmp_path, "fail2ban", LINES, [line(1, True, A)])
    with (directory / "fail2ban" / "truth.jsonl").open("a") as file:
        file.write("{torn\n")
    with pytest.raises(UnavailableError, match=r"truth\.jsonl:2"):
        judge(directory)
