# SPDX-License-Identifier: Apache-2.0
"""A directory of rules from elsewhere, in the shapes of Sigma's Linux taxonomy: what fires, what does not, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from innerwarden.rules.check import FIRES, IN_PART, REFUSED, Checked, check
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.files import sources_below
from innerwarden.rules.program import RuleSource

UUID = "0b7f4a52-2c55-4c4e-8f6e-0d7b8f3a9c11"


def document(logsource: dict[str, str], detection: dict[str, Any], **more: Any) -> dict[str, Any]:
    source = {"product": "linux", **logsource}
    return {"title": "t", "id": UUID, "logsource": source, "detection": detection, "level": "low", **more}


def one(logsource: dict[str, str], selection: Any, **more: Any) -> Checked:
    text = yaml.safe_dump(document(logsource, {"s": selection, "condition": "s"}, **more))
    (row,) = check([RuleSource(name="a/r.yml", stem="r", text=text)]).rules
    return row


PROCESS, FILE = {"category": "process_creation"}, {"category": "file_event"}


@pytest.mark.parametrize(
    ("logsource", "selection", "state", "reason"),
    [
        (PROCESS, {"Image|endswith": "/x", "ParentImage|endswith": "/y", "User": "root"}, FIRES, ""),
        (PROCESS, {"CommandLine|contains|all": ["a", "b"], "CurrentDirectory|startswith": "/tmp"}, FIRES, ""),
        (PROCESS, {"LogonId": 5}, REFUSED, "unknown field 'LogonId'"),
        (PROCESS, {"CommandLine|re": "a(?!b)"}, REFUSED, "look-ahead"),
        (FILE, {"TargetFilename": "/etc/x.conf"}, FIRES, ""),
        (FILE, {"TargetFilename|startswith": "/etc/x.d/"}, FIRES, ""),
        (FILE, {"TargetFilename|endswith": ".sh"}, IN_PART, "names no file by a whole component"),
        (
            FILE,
            {"TargetFilename|contains": ["/a/", "b"]},
            IN_PART,
            "some of its files have no whole component",
        ),
        (FILE, {"Image|endswith": "/x"}, IN_PART, "names no file by a whole component"),
        ({"category": "network_connection"}, {"DestinationPort": 4444, "Initiated": "true"}, FIRES, ""),
        ({"category": "network_connection"}, {"DestinationHostname": "x"}, REFUSED, "unknown field"),
        ({"category": "registry_set"}, {"TargetObject": "x"}, REFUSED, "unknown log source category"),
        ({"product": "windows", **PROCESS}, {"Image": "x"}, REFUSED, "not Linux"),
        ({"service": "sudo"}, {"USER": ["#-*", "root"]}, FIRES, ""),
        ({"service": "sudo"}, {"COMMAND|contains": "vi"}, FIRES, ""),
        ({"service": "sshd"}, ["Failed password"], IN_PART, "only those that the log parser knows"),
        ({"service": "auth"}, ["pkexec"], IN_PART, "no events of log.line"),
        ({}, ["/dev/tcp/"], IN_PART, "no events of log.line"),
        ({"service": "cron"}, ["REPLACE"], REFUSED, "nothing reads log service 'cron'"),
        ({"service": "auditd"}, {"type": "PATH", "name": "/x"}, FIRES, ""),
        ({"service": "auditd"}, {"type": "SYSCALL", "SYSCALL": "execve", "uid": "0", "cwd": "/x"}, FIRES, ""),
        ({"service": "auditd"}, {"type": "SYSCALL", "syscall": 135, "a0": 40000}, FIRES, ""),
        ({"service": "auditd"}, {"type": "SYSCALL", "key": "k", "success": "yes", "auid|neq": 0}, FIRES, ""),
        ({"service": "auditd"}, {"type": "USER_AUTH", "res": "maybe"}, REFUSED, "res is one of"),
        ({"service": "auditd"}, ["insmod"], FIRES, ""),
        ({"product": "aws", "service": "cloudtrail"}, {"eventName": "x", "errorCode": "y"}, FIRES, ""),
        ({"product": "aws", "service": "cloudtrail"}, {"requestParameters.a.b|contains": "y"}, FIRES, ""),
        ({"product": "aws", "service": "cloudtrail"}, {"nosuch": "y"}, REFUSED, "unknown field 'nosuch'"),
        ({"product": "aws", "service": "sshd"}, {"user": "y"}, REFUSED, "is not Linux"),
        ({"service": "cloudtrail"}, {"eventName": "y"}, REFUSED, "is not Linux"),
        ({"service": "auditd"}, {"type": "EXECVE", "a0|contains": "x", "a1|startswith": "-i"}, FIRES, ""),
        ({"service": "auditd"}, {"a0": "x", "a9": "y"}, REFUSED, "without `type: EXECVE`"),
        ({"service": "auditd"}, {"type": "EXECVE", "a10": "y"}, REFUSED, "unknown field 'a10'"),
        ({"service": "nosuch"}, ["x"], REFUSED, "unknown log source service"),
    ],
)
def test_what_a_rule_is_worth(logsource: dict[str, str], selection: Any, state: str, reason: str) -> None:
    row = one(logsource, selection)
    assert row.state == state, row
    assert reason in " ".join(row.reasons)
    assert bool(reason) == bool(row.reasons)


def test_a_refusal_is_at_its_line() -> None:
    row = one(PROCESS, {"Image": "/a", "Imagee": "/b"})
    text = yaml.safe_dump(document(PROCESS, {"s": {"Image": "/a", "Imagee": "/b"}, "condition": "s"}))
    assert "Imagee" in text.splitlines()[row.line - 1]


@pytest.mark.parametrize("key", ["filter", "action"])
def test_documents_that_change_other_rules_are_refused(key: str) -> None:
    assert repr(key) in one(PROCESS, {"Image": "/a"}, **{key: "x"}).reasons[0]


def test_a_file_of_a_rule_and_its_correlation_needs_no_ids_of_ours() -> None:
    rule = document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"})
    correlation = {"type": "event_count", "rules": [UUID], "timespan": "1m", "condition": {"gte": 2}}
    other = {"title": "many", "correlation": {**correlation, "group-by": ["User"]}, "level": "high"}
    text = yaml.safe_dump(rule) + "---\n" + yaml.safe_dump(other)
    source = RuleSource(name="many.yml", stem="many", text=text)
    first, second = check([source]).rules
    assert [(row.id, row.state) for row in (first, second)] == [(f"many_{UUID[:8]}", FIRES), ("many", FIRES)]
    assert [spec.id for spec in compile_sources([source]).specs] == ["many"]


def test_a_correlation_is_worth_what_its_rules_are() -> None:
    rule = document({"service": "sshd"}, {"s": ["Failed"], "condition": "s"}, name="failed")
    correlation = {"type": "event_count", "rules": ["failed"], "timespan": "1m", "condition": {"gte": 2}}
    text = (
        yaml.safe_dump(rule)
        + "---\n"
        + yaml.safe_dump({"title": "c", "correlation": correlation, "level": "high"})
    )
    rows = check([RuleSource(name="c.yml", stem="c", text=text)]).rules
    assert [(row.id, row.state, row.source) for row in rows] == [
        ("failed", IN_PART, "sshd"),
        ("c", IN_PART, "correlation"),
    ]


@pytest.mark.parametrize("broken", [0, 1])
def test_a_refused_document_leaves_the_others_of_its_file(broken: int) -> None:
    documents = [
        document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"}, name=f"n{i}", id=None) for i in (0, 1)
    ]
    documents[broken]["detection"]["s"]["Nosuch"] = 1
    rows = check([RuleSource(name="r.yml", stem="r", text=yaml.safe_dump_all(documents))]).rules
    assert [row.state for row in rows] == [REFUSED if i == broken else FIRES for i in (0, 1)]


def test_a_part_of_a_refused_correlation_is_worth_little() -> None:
    rule = document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"}, name="part")
    correlation = {"type": "event_count", "rules": ["part"], "timespan": "1m", "condition": {"lt": 2}}
    text = yaml.safe_dump_all([rule, {"title": "c", "correlation": correlation, "level": "high"}])
    rows = check([RuleSource(name="c.yml", stem="c", text=text)]).rules
    assert [row.state for row in rows] == [IN_PART, REFUSED]
    assert "no correlation that compiles" in rows[0].reasons[0]


def test_several_nameless_documents_are_refused() -> None:
    rule = document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"})
    del rule["id"]
    text = yaml.safe_dump(rule) + "---\n" + yaml.safe_dump(rule)
    (row,) = check([RuleSource(name="r.yml", stem="r", text=text)]).rules
    assert (row.state, row.line) == (REFUSED, 1)
    assert "no innerwarden.id, name or id" in row.reasons[0]


def test_reasons_are_grouped_and_sources_counted() -> None:
    texts = [document(PROCESS, {"s": {"Nosuch": number}, "condition": "s"}, id=None) for number in range(3)]
    texts.append(document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"}))
    texts.append(document({"service": "cron"}, {"s": ["x"], "condition": "s"}, id=None))
    rows = [
        RuleSource(name=f"{n}.yml", stem=f"r{n}", text=yaml.safe_dump(text)) for n, text in enumerate(texts)
    ]
    report = check(rows)
    assert report.by_source == {
        "cron": {FIRES: 0, IN_PART: 0, REFUSED: 1},
        "process_creation": {FIRES: 1, IN_PART: 0, REFUSED: 3},
    }
    assert [(group.count, group.reason) for group in report.groups] == [
        (3, "unknown field 'Nosuch'"),
        (1, "nothing reads log service 'cron' here"),
    ]
    assert len(report.groups[0].files) == 3


def test_files_below_a_directory(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    for name in ("b.yml", "deep/er/a.yaml", "deep/x.txt", "deep/y.yml.bak"):
        (tmp_path / name).write_bytes(b"title: \xff\n")
    assert [source.name for source in sources_below(tmp_path, relative=True)] == ["b.yml", "deep/er/a.yaml"]
    assert [source.name for source in sources_below(tmp_path / "b.yml", relative=True)] == ["b.yml"]
    assert sources_below(tmp_path)[0].name == str(tmp_path / "b.yml")
    assert [row.state for row in check(sources_below(tmp_path)).rules] == [REFUSED, REFUSED]


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["*", "s", "%x%"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["Image", "Image|re", "pid|gt", "Image|cidr", "a|b|c", "|all", "condition", "s", ""]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
KEYS = (
    "title",
    "id",
    "name",
    "logsource",
    "detection",
    "level",
    "correlation",
    "tags",
    "innerwarden",
    "status",
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=3))
def test_no_document_breaks_the_compiler(change: dict[str, Any]) -> None:
    """Whatever a stranger writes is a rule or a refusal with its file and line."""
    tree = document(PROCESS, {"s": {"Image": "/a"}, "condition": "s"}) | change
    if isinstance(change.get("detection"), dict):
        tree["detection"] = {"s": {"Image": "/a"}, "condition": "s", **change["detection"]}
    source = RuleSource(name="r.yml", stem="r", text=yaml.safe_dump(tree))
    report = check([source])
    assert report.rules
    for problem in compile_sources([source]).problems:
        assert problem.startswith("r.yml:"), problem
