# SPDX-License-Identifier: Apache-2.0
"""Compiled rules fire exactly where the plain Python oracle does, with and without the indexes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Rule

from innerwarden.model._wire import Kind
from tests.factory import encode
from tests.oracles.rules import Test, Value, holds, matches

TEXT_FIELDS = (
    *("exe_path", "filename", "cwd", "command_line", "exe_name", "parent_exe_path"),
    *("argv", "arg0", "arg1", "kind_name", "path"),
)
NUMBER_FIELDS = ("uid", "exe_nlink", "exec_flags")
TEXT_OPERATORS = ("equals", "contains", "startswith", "endswith", "glob")
NUMBER_OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "bit_all", "bit_any")
WORDS = (
    "curl",
    "CURL",
    "/usr/bin/",
    "a",
    "ab",
    "aba",
    "Sh",
    "/tmp/x",
    "b*",
    "??",
    "\u00e9",
    " ",
    "-o",
    "abab",
)
KINDS = [Kind.PROCESS_EXEC]
#: Of rules only: arguments end in a zero byte each, and the kind's name is known before any record.
RULE_WORDS = (*WORDS, "\0", "\0-o", "a\0", "process.exec", "file.open")

word = st.sampled_from(WORDS)
wanted = st.lists(st.sampled_from(RULE_WORDS), max_size=4).map("".join)
phrase = st.lists(word, max_size=4).map("".join)
glob = st.lists(st.sampled_from([*WORDS, "*", "?", "\\*", "\\?", "\\\\"]), min_size=1, max_size=5).map(
    "".join
)


@st.composite
def field_tests(draw: st.DrawFn) -> Test:
    which = draw(st.integers(0, 9))
    if which < 6:
        operator = draw(st.sampled_from(TEXT_OPERATORS))
        source = glob if operator == "glob" else wanted
        literals = tuple(text.encode() for text in draw(st.lists(source, min_size=1, max_size=3)))
        return Test(draw(st.sampled_from(TEXT_FIELDS)), operator, literals, draw(st.booleans()))
    if which < 8:
        numbers = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=2)))
        return Test(draw(st.sampled_from(NUMBER_FIELDS)), draw(st.sampled_from(NUMBER_OPERATORS)), numbers)
    if which == 8:
        return Test(
            draw(st.sampled_from(TEXT_FIELDS + NUMBER_FIELDS)),
            draw(st.sampled_from(("exists", "is_null"))),
            (),
        )
    return Test(
        draw(st.sampled_from(TEXT_FIELDS)),
        "field_equals",
        (draw(st.sampled_from(TEXT_FIELDS)),),
        draw(st.booleans()),
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[tuple[Test, ...], tuple[tuple[int, int, int], ...]]:
    predicates = tuple(draw(st.lists(field_tests(), min_size=1, max_size=4)))
    count = draw(st.integers(1, 6))

    def target(node: int) -> int:
        return int(draw(st.sampled_from([-1, -2, *range(node + 1, count)])))

    nodes = tuple(
        (draw(st.integers(0, len(predicates) - 1)), target(node), target(node)) for node in range(count)
    )
    return predicates, nodes


@st.composite
def execs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Value]]:
    """(arguments of encode, what the fields then are)"""
    given: dict[str, Any] = {"uid": draw(st.integers(0, 4)), "exe_nlink": draw(st.integers(0, 4))}
    given["exec_flags"] = draw(st.integers(0, 4))
    for name in ("exe_path", "filename", "cwd"):
        text = draw(phrase)
        given[name] = text.encode()
    given["argv"] = draw(st.lists(phrase, max_size=3))
    fields: dict[str, Value] = {n: given[n] for n in NUMBER_FIELDS}
    fields |= {n: given[n] or None for n in ("exe_path", "filename", "cwd")}
    joined = "\0".join(given["argv"]).encode() if given["argv"] else None
    fields["command_line"] = joined.replace(b"\0", b" ") if joined is not None else None
    if given["exe_path"]:
        fields["exe_name"] = given["exe_path"].rsplit(b"/", 1)[-1]
    fields["parent_exe_path"] = b"/usr/bin/Bash"
    arguments = [argument.encode() for argument in given["argv"]]
    fields["argv"] = b"".join(argument + b"\0" for argument in arguments) or None
    fields |= {f"arg{number}": argument for number, argument in enumerate(arguments[:2])}
    fields["kind_name"] = b"process.exec"
    return given, fields


def predicate(test: Test) -> Predicate:
    literals = tuple(FIELDS[x] if isinstance(x, str) else x for x in test.literals)
    return Predicate(FIELDS[test.field], OPERATORS[test.operator], literals, test.cased)


def rule_of(owner: str, graph: tuple[tuple[Test, ...], tuple[tuple[int, int, int], ...]]) -> Rule:
    return Rule(owner, KINDS, [predicate(t) for t in graph[0]], graph[1])


def fires(rules: list[Rule], given: dict[str, Any]) -> list[str]:
    engine = Engine(max_hits=65536)
    engine.configure(rules, [], [])
    engine.seed_process(1, 1_000_010_000_000, 0, 0, 0, 0, b"bash", b"/usr/bin/Bash", b"", None)
    return [hit.owner for hit in engine.feed(encode("process.exec", pid=50, ppid=1, **given))]


@settings(max_examples=300, deadline=None)
@given(st.lists(graphs(), min_size=1, max_size=12), execs())
def test_the_same_rules_fire(graphs_: list[Any], exec_: tuple[dict[str, Any], dict[str, Value]]) -> None:
    given, fields = exec_
    expected = [f"r{i}" for i, (t, nodes) in enumerate(graphs_) if matches(t, nodes, fields)]
    rules = [rule_of(f"r{i}", graph) for i, graph in enumerate(graphs_)]
    assert fires(rules, given) == expected
    # Far above the number of rules from which the indexes work, the same.
    never = Predicate(FIELDS["exe_path"], OPERATORS["equals"], [b"no such path"])
    padding = [Rule(f"padding{i}", KINDS, [never], [(0, -1, -2)]) for i in range(20)]
    assert fires(rules + padding, given) == expected


def pieces(value: bytes) -> set[bytes]:
    """Texts that the value has at its begin, at its end, inside, whole; and such that it nearly has."""
    parts = {value[a:b] for a in range(len(value)) for b in (a + 2, a + 3, len(value)) if value[a:b]}
    return {value, b"x" + value, value + b"x", *parts, *(part + b"\0" for part in parts)}


@pytest.mark.parametrize("argv", [["Ab", "-o", ""], ["a", "-o"], [""]])
def test_text_is_found_at_its_place_in_every_field(argv: list[str]) -> None:
    given: dict[str, Any] = {"exe_path": b"/usr/bin/curl", "cwd": b"/tmp", "argv": argv}
    arguments = [argument.encode() for argument in argv]
    fields: dict[str, Value] = {"exe_path": b"/usr/bin/curl", "cwd": b"/tmp", "exe_name": b"curl"}
    fields |= {f"arg{number}": argument for number, argument in enumerate(arguments)}
    fields |= {"argv": b"".join(one + b"\0" for one in arguments), "command_line": b" ".join(arguments)}
    fields |= {"kind_name": b"process.exec", "parent_exe_path": b"/usr/bin/Bash", "path": None}
    literals = {piece for value in fields.values() if isinstance(value, bytes) for piece in pieces(value)}
    tests = [
        Test(name, operator, (literal,))
        for name in fields
        for operator in ("equals", "contains", "startswith", "endswith")
        for literal in sorted(literals)
    ]
    wanted = [str(number) for number, test in enumerate(tests) if holds(test, fields)]
    rules = [Rule(str(n), KINDS, [predicate(test)], [(0, -1, -2)]) for n, test in enumerate(tests)]
    assert fires(rules, given) == wanted
    absent = [Rule(str(n), KINDS, [predicate(test)], [(0, -2, -1)]) for n, test in enumerate(tests)]
    assert sorted(map(int, fires(absent, given) + wanted)) == list(range(len(tests)))


def test_what_the_kind_decides_is_followed_on_its_side() -> None:
    name = Predicate(FIELDS["kind_name"], OPERATORS["equals"], [b"process.exec"])
    other = Predicate(FIELDS["kind_name"], OPERATORS["equals"], [b"file.open"])
    missing = Predicate(FIELDS["path"], OPERATORS["is_null"], [])
    held = Predicate(FIELDS["path"], OPERATORS["contains"], [b"curl"])
    curl = Predicate(FIELDS["exe_path"], OPERATORS["endswith"], [b"/curl"])
    graphs_ = [
        ([test, curl], nodes)
        for test in (name, other, missing, held)
        for nodes in ([(0, 1, -2), (1, -1, -2)], [(0, -2, 1), (1, -1, -2)], [(0, -1, 1), (1, -1, -2)])
    ]
    rules = [Rule(f"r{n}", KINDS, tests, nodes) for n, (tests, nodes) in enumerate(graphs_)]
    seen = {"exe_path": b"/usr/bin/curl"}
    assert fires(rules, seen) == ["r0", "r2", "r4", "r5", "r6", "r8", "r10", "r11"]
    assert fires(rules, {"exe_path": b"/usr/bin/true"}) == ["r2", "r8"]


@settings(max_examples=300, deadline=None)
@given(glob, phrase, st.booleans())
def test_globs_agree(pattern: str, text: str, cased: bool) -> None:
    test = Test("exe_path", "glob", (pattern.encode(),), cased)
    expected = matches([test], [(0, -1, -2)], {"exe_path": text.encode() or None})
    assert fires([rule_of("r", ((test,), ((0, -1, -2),)))], {"exe_path": text}) == ["r"] * expected


def test_a_hostile_glob_costs_no_exponential_time() -> None:
    test = Test("exe_path", "glob", (b"*a" * 40 + b"*b",))
    assert fires([rule_of("r", ((test,), ((0, -1, -2),)))], {"exe_path": "a" * 4000}) == []


def test_addresses_and_networks() -> None:
    def hit(operator: str, literals: list[bytes], address: str | None) -> bool:
        engine = Engine()
        one = Predicate(FIELDS["dst_ip"], OPERATORS[operator], literals)
        engine.configure([Rule("r", [Kind.NETWORK_CONNECT], [one], [(0, -1, -2)])], [], [])
        fields: dict[str, Any] = {} if address is None else {"dst_ip": address}
        return bool(engine.feed(encode("network.connect", **fields)))

    assert hit("cidr", [b"10.0.0.0/8"], "10.255.0.1")
    assert not hit("cidr", [b"10.0.0.0/9"], "10.255.0.1")
    assert hit("cidr", [b"192.0.2.0/24", b"10.255.0.1/32"], "10.255.0.1")
    assert hit("cidr", [b"2001:db8::/33"], "2001:db8:7fff::1")
    assert not hit("cidr", [b"2001:db8::/33"], "2001:db8:8000::1")
    assert hit("cidr", [b"::/0"], "2001:db8::1")
    assert hit("cidr", [b"0.0.0.0/0"], "8.8.8.8")
    assert not hit("cidr", [b"0.0.0.0/0"], "2001:db8::1")
    assert not hit("cidr", [b"::/0"], None)
    assert hit("equals", [b"10.0.0.1"], "10.0.0.1")
    assert not hit("equals", [b"10.0.0.1"], "10.0.0.2")


def test_derived_fields_of_other_kinds_come_from_the_process_table() -> None:
    engine = Engine()
    names = {
        "exe_path": b"/usr/bin/python3",
        "exe_name": b"python3",
        "command_line": b"python3 -c x",
        "cwd": b"/srv",
        "parent_exe_path": b"/bin/bash",
        "parent_exe_name": b"bash",
        "parent_command_line": b"bash -l",
        "parent_comm": b"bash",
        "grandparent_exe_path": b"/usr/sbin/sshd",
        "file_name": b"authorized_keys",
        "kind_name": b"file.open",
    }
    rules = []
    for name, value in names.items():
        test = Predicate(FIELDS[name], OPERATORS["equals"], [value], True)
        rules.append(Rule(name, [Kind.FILE_OPEN], [test], [(0, -1, -2)]))
    engine.configure(rules, [], [])
    engine.feed(encode("process.exec", pid=2, exe_path="/usr/sbin/sshd"))
    engine.feed(encode("process.exec", pid=3, ppid=2, exe_path="/bin/bash", argv=["bash", "-l"]))
    argv = ["python3", "-c", "x"]
    engine.feed(encode("process.exec", pid=4, ppid=3, exe_path="/usr/bin/python3", argv=argv, cwd="/srv"))
    hits = engine.feed(encode("file.open", pid=4, ppid=3, path="/root/.ssh/authorized_keys"))
    assert [h.owner for h in hits] == list(names)
    unknown = engine.feed(encode("file.open", pid=999, ppid=998, path="/root/.ssh/authorized_keys"))
    assert [h.owner for h in unknown] == ["file_name", "kind_name"]


@pytest.mark.parametrize(
    ("argv", "number", "expected"),
    [
        (["a", "b"], 0, "a"),
        (["a", "b"], 1, "b"),
        (["a", "b"], 2, None),
        (["a", "", "c"], 1, ""),
        (["a", "", "c"], 2, "c"),
        ([str(n) for n in range(12)], 9, "9"),
        ([], 0, None),
    ],
)
def test_single_arguments(argv: list[str], number: int, expected: str | None) -> None:
    def hits(predicate: Predicate) -> int:
        engine = Engine()
        engine.configure([Rule("r", [int(Kind.PROCESS_EXEC)], [predicate], [(0, -1, -2)])], [], [])
        return len(engine.feed(encode("process.exec", argv=argv)))

    field = FIELDS[f"arg{number}"]
    assert hits(Predicate(field, OPERATORS["exists"], [])) == (expected is not None)
    if expected is not None:
        assert hits(Predicate(field, OPERATORS["equals"], [expected.encode()])) == 1


def test_rules_only_see_their_kinds() -> None:
    engine = Engine()
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    engine.configure([Rule("r", [Kind.FILE_OPEN, Kind.FILE_DELETE], [always], [(0, -1, -2)])], [], [])
    blob = b"".join(encode(kind) for kind in ("file.open", "file.rename", "file.delete", "network.bind"))
    assert len(engine.feed(blob)) == 2


@pytest.mark.parametrize("others", [0, 10], ids=["looked at one by one", "indexed"])
def test_without_nodes_every_record_of_the_kinds_matches(others: int) -> None:
    word = [Predicate(FIELDS["path"], OPERATORS["contains"], [b"nowhere"])]
    engine = Engine()
    rules = [Rule(f"other{n}", [Kind.FILE_OPEN], word, [(0, -1, -2)]) for n in range(others)]
    engine.configure([Rule("every", [Kind.FILE_OPEN], [], []), *rules], [], [])
    hits = engine.feed(encode("file.open", path="/x") + encode("file.delete", path="/x"))
    assert [hit.owner for hit in hits] == ["every"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([(0, -1, -2)] * 70_000, "70000 nodes"),
        ([(0, 0, -2)], "node 0 has the backward or missing target 0"),
        ([(0, 1, -2)], "node 0 has the backward or missing target 1"),
        ([(0, -1, -2), (0, -1, 0)], "node 1 has the backward or missing target 0"),
        ([(0, -1, -3)], "node 0 has the backward or missing target -3"),
        ([(1, -1, -2)], "node 0 names predicate 1"),
        ([(0, -1)], "node 0 is not"),
    ],
)
def test_a_wrong_graph_is_refused_by_node(nodes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule("r", KINDS, [Predicate(FIELDS["pid"], OPERATORS["exists"], [])], nodes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((9999, 0, [b"x"]), "not a field id"),
        ((FIELDS["exe_path"], 99, [b"x"]), "not an operator"),
        ((FIELDS["exe_path"], OPERATORS["contains"], []), "exe_path contains: needs at least one"),
        ((FIELDS["exe_path"], OPERATORS["contains"], [1]), "exe_path contains: 1 is not bytes"),
        ((FIELDS["uid"], OPERATORS["contains"], [b"1"]), "a text test on a field that holds number"),
        ((FIELDS["exe_path"], OPERATORS["lt"], [1]), "a number test on a field that holds text"),
        ((FIELDS["uid"], OPERATORS["lt"], [-1]), "not a number from 0"),
        ((FIELDS["uid"], OPERATORS["cidr"], [b"::/0"]), "an address test"),
        ((FIELDS["dst_ip"], OPERATORS["cidr"], [b"10.0.0.0/99"]), "dst_ip cidr"),
        ((FIELDS["uid"], OPERATORS["field_equals"], [FIELDS["comm"]]), "comm holds no number"),
    ],
)
def test_a_wrong_predicate_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predicate(*arguments)


def test_a_thousand_rules_look_only_at_what_can_match() -> None:
    """Each rule has its own literals; a record finds its two rules and no other."""
    rules = []
    for i in range(1000):
        path = Predicate(FIELDS["exe_path"], OPERATORS["endswith"], [b"/tool%04d" % i])
        line = Predicate(FIELDS["command_line"], OPERATORS["contains"], [b"--secret%d " % i, b"xx%04d" % i])
        rules.append(Rule(f"r{i}", KINDS, [path, line], [(0, -1, 1), (1, -1, -2)]))
    engine = Engine()
    engine.configure(rules, [], [])
    record = encode("process.exec", exe_path="/opt/TOOL0007", argv=["tool", "--SECRET900 ", "x"])
    assert [h.owner for h in engine.feed(record)] == ["r7", "r900"]


@pytest.mark.parametrize(
    ("field", "literals", "targets", "matching"),
    [
        ("uid", [7], (-1, -2), [7]),
        ("uid", [7], (-2, -1), [6, 8]),
        ("uid", [7, 8], (-1, -2), [7, 8]),
        ("uid", [7 + (1 << 32)], (-1, -2), []),
        ("cgroup_id", [7], (-1, -2), [7]),
        ("exe_nlink", [7], (-1, -2), [7]),  # not in the header
    ],
)
def test_a_rule_of_one_test_of_a_number(
    field: str, literals: list[int], targets: tuple[int, int], matching: list[int]
) -> None:
    test = Predicate(FIELDS[field], OPERATORS["eq"], literals)
    engine = Engine()
    engine.configure([Rule("r", [Kind.PROCESS_EXEC], [test], [(0, *targets)])], [], [])
    given = [6, 7, 8, *([7 + (1 << 32)] if field == "cgroup_id" else [])]
    assert [
        value for value in given if engine.feed(encode("process.exec", pid=value % 100, **{field: value}))
    ] == matching
