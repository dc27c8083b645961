# SPDX-License-Identifier: Apache-2.0
"""What compiles, what is refused and where the message points."""

from __future__ import annotations

import pytest

from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.program import RuleSource

HEAD = """\
title: A rule
id: 0b7f4a52-2c55-4c4e-8f6e-0d7b8f3a9c11
name: a_rule
logsource: {{category: {category}, product: linux}}
detection:
{detection}
level: low
innerwarden: {{summary: s, checks: [c], blind_spots: [b]}}
"""


def compiled(detection: str, category: str = "process_creation") -> Compiled:
    indented = "\n".join("  " + line for line in detection.strip().splitlines())
    text = HEAD.format(category=category, detection=indented)
    return compile_sources([RuleSource(name="r.yml", stem="a_rule", text=text)])


def one_problem(result: Compiled) -> str:
    assert len(result.problems) == 1, result.problems
    assert not result.rules
    return result.problems[0]


def test_a_plain_rule_compiles_to_one_test() -> None:
    rule = compiled("s: {Image|endswith: [/a, /b]}\ncondition: s").rules[0]
    assert rule.kinds == ("process.exec",)
    assert [(p.field, p.operator, p.literals) for p in rule.predicates] == [
        ("exe_path", "endswith", (b"/a", b"/b"))
    ]
    assert rule.nodes == ((0, -1, -2),)


def test_regular_expressions_are_asked_last() -> None:
    rule = compiled("s: {Image|re: 'a.b', CommandLine: x}\ncondition: s").rules[0]
    first, _, _ = rule.nodes[0]
    assert rule.predicates[first].operator == "equals"


@pytest.mark.parametrize(
    ("detection", "line", "words"),
    [
        ("t:\n  Image|re: 'a(?=b)'\ncondition: t", 7, "linear time"),
        ("t:\n  Image|re: '*a'\ncondition: t", 7, "nothing before it at character 1"),
        ("o:\n  pid: 5\nt:\n  pid: bash\ncondition: t or o", 9, "is a number"),
        ("t:\n  pid|re: '1'\ncondition: t", 7, "needs text"),
        ("t:\n  Imagee: /a\ncondition: t", 7, "Did you mean 'Image'"),
        ("t:\n  comand_line: a\ncondition: t", 7, "Did you mean 'command_line'"),
        ("t:\n  dst_port: 22\ncondition: t", 7, "never part of process.exec"),
        ("t:\n  Image|contains: Größe\ncondition: t", 7, "cased"),
        ("t:\n  Image: ''\ncondition: t", 7, "Use null"),
        ("t:\n  pid: bash\ncondition: t", 7, "is a number"),
        ("t:\n  exec_flags: stdin_pip\ncondition: t", 7, "Did you mean 'stdin_pipe'"),
        ("t:\n  User: alice\ncondition: t", 7, "root"),
        ("t: {Image: /a}\nu: {Image: /b}\ncondition: t", 7, "no condition uses 'u'"),
        ("t: {Image: /a}\ncondition: nosuch", 7, "nosuch"),
        ("t: [some, words]\ncondition: t", 1, "keywords"),
        ("t: {kind_name: file.open}\ncondition: t", 1, "can match"),
        ("t:\n  pid|fieldref: Image\ncondition: t", 7, "one type"),
        ("t:\n  Image|expand: '%x%'\ncondition: t", 7, "no list 'x'"),
        ("t:\n  pid: -1\ncondition: t", 7, "outside"),
    ],
)
def test_what_is_not_exact_is_refused_with_file_line_and_remedy(
    detection: str, line: int, words: str
) -> None:
    problem = one_problem(compiled(detection))
    assert words in problem
    assert problem.startswith(f"r.yml:{line}:"), problem


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("title: x\n  bad: [", 2, ""),
        ("title: x\ntitle: y\n", 2, "given twice"),
        ("- a\n", 1, "mapping"),
        ("", 1, "no Sigma document"),
        ("title: x\ninnerwarden: {colour: red}\n", 1, "colour"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, line: int, words: str) -> None:
    problem = one_problem(compile_sources([RuleSource(name="r.yml", stem="r", text=text)]))
    assert problem.startswith(f"r.yml:{line}:"), problem
    assert words in problem


def test_one_bad_rule_does_not_take_another_with_it() -> None:
    good = HEAD.format(category="process_creation", detection="  s: {Image: /a}\n  condition: s")
    result = compile_sources(
        [
            RuleSource(name="bad.yml", stem="bad", text="[]"),
            RuleSource(name="a.yml", stem="a_rule", text=good),
        ]
    )
    assert [rule.owner for rule in result.rules] == ["a_rule"]
    assert len(result.problems) == 1


def test_kinds_that_can_not_match_are_dropped() -> None:
    rule = compiled("s: {old_path: /a}\ncondition: s", "file_event").rules[0]
    assert rule.kinds == ("file.rename", "file.link")


def test_initiated_is_always_true_here() -> None:
    detection = "s: {{Initiated: {}, DestinationPort: 22}}\ncondition: s"
    assert compiled(detection.format("true"), "network_connection").rules[0].predicates[0].field == "dst_port"
    assert compiled(detection.format("'true'"), "network_connection").rules
    assert "can match" in one_problem(compiled(detection.format("false"), "network_connection"))


CORRELATION = """\
---
title: Many
correlation:
  type: {type}
  rules: [{rules}]
  group-by: [pid]
  timespan: {timespan}
  condition: {condition}
level: high
innerwarden: {{id: many, summary: s}}
"""


def correlated(**values: str) -> Compiled:
    defaults = {"type": "event_count", "rules": "a_rule", "timespan": "5m", "condition": "{gte: 3}"}
    base = HEAD.format(category="process_creation", detection="  s: {Image: /a}\n  condition: s")
    base = base.replace("innerwarden: {", "innerwarden: {id: a_rule, ")
    text = base + CORRELATION.format(**{**defaults, **values})
    return compile_sources([RuleSource(name="r.yml", stem="many", text=text)])


def test_a_count_compiles() -> None:
    one = correlated().correlations[0]
    assert (one.kind, one.rules, one.group_by, one.timespan_s) == (
        "event_count",
        ("a_rule",),
        (("pid",),),
        300,
    )
    assert (one.operator, one.threshold) == ("ge", 3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"type": "value_sum", "condition": "{gte: 3, field: pid}"}, "not supported"),
        ({"condition": "{lt: 3}"}, "not decidable"),
        ({"condition": "{gte: 0}"}, "always true"),
        ({"condition": "{gte: 1.5}"}, "not decidable"),
        ({"rules": "nosuch"}, "unknown rule 'nosuch'"),
        ({"rules": "a_rul"}, "Did you mean 'a_rule'"),
        ({"timespan": "2d"}, "timespan"),
        ({"timespan": "soon"}, "imespan"),
        ({"type": "value_count"}, "field"),
        ({"type": "temporal", "condition": "{gte: 1}"}, "temporal"),
    ],
)
def test_a_correlation_that_a_stream_can_not_decide_is_refused(values: dict[str, str], words: str) -> None:
    result = correlated(**values)
    assert len(result.problems) == 1
    assert words in result.problems[0]
    assert result.problems[0].startswith("r.yml:")
    assert not result.correlations


def test_aliases_name_another_field_for_each_rule() -> None:
    base = HEAD.format(category="process_creation", detection="  s: {Image: /a}\n  condition: s")
    base = base.replace("innerwarden: {", "innerwarden: {id: a_rule, ")
    second = base.replace("name: a_rule", "name: b_rule").replace("id: a_rule", "id: b_rule")
    second = second.replace("0b7f4a52", "0b7f4a53")
    text = (
        base
        + "---\n"
        + second
        + """---
title: Two
correlation:
  type: temporal_ordered
  rules: [a_rule, b_rule]
  group-by: [who]
  timespan: 10s
  aliases:
    who: {a_rule: pid, b_rule: ppid}
level: high
innerwarden: {id: two, summary: s}
"""
    )
    result = compile_sources([RuleSource(name="r.yml", stem="two", text=text)])
    assert not result.problems, result.problems
    assert result.correlations[0].group_by == (("pid",), ("ppid",))
    assert result.correlations[0].kind == "temporal_ordered"


@pytest.mark.parametrize(
    ("kinds", "test", "field"),
    [
        (("process.exec",), "Image|endswith: /a", "exe_path"),
        (("process.exec", "file.open"), "CommandLine: a", "command_line"),
        (("file.delete",), "TargetFilename: /a", "path"),
        (("network.connect",), "DestinationPort: 22", "dst_port"),
        (("sudo.command",), "USER: root", "method"),
        (("process.exec",), "TargetFilename: /a", None),
        (("ssh.login_failed",), "Image: /a", None),
    ],
)
def test_a_prefilter_knows_sigmas_names_by_its_kinds(
    kinds: tuple[str, ...], test: str, field: str | None
) -> None:
    source = RuleSource(name="d.py", stem="d", text=f"s:\n  {test}\ncondition: s\n", kinds=kinds)
    result = compile_sources([source])
    if field is None:
        assert "unknown field" in result.problems[0]
    else:
        assert [p.field for p in result.rules[0].predicates] == [field], result.problems
