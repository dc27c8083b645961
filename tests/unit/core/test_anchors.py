# SPDX-License-Identifier: Apache-2.0
"""By what the index finds a rule: text that events rarely hold, and of that text the part that few rules share."""

from __future__ import annotations

from collections import Counter

from innerwarden_core import FIELDS, OPERATORS, Predicate, Rule
from innerwarden_core.anchors import ANYWHERE, BEGIN, END, Anchor, Finder, anchors
from innerwarden_core.grams import rarest

from innerwarden.model._wire import Kind

EXE, LINE, PORT = FIELDS["exe_path"], FIELDS["command_line"], FIELDS["uid"]


def both(first: Predicate, second: Predicate) -> Rule:
    return Rule("r", [int(Kind.PROCESS_EXEC)], [first, second], [(0, 1, -2), (1, -1, -2)])


def test_words_of_the_command_line_come_before_the_name_of_a_program() -> None:
    program = Predicate(EXE, OPERATORS["endswith"], [b"/python3"])
    words = Predicate(LINE, OPERATORS["contains"], [b"pty.spawn"])
    assert anchors([both(program, words)]) == [frozenset({Anchor(LINE, b"pty.spawn")})]
    assert anchors([both(words, program)]) == [frozenset({Anchor(LINE, b"pty.spawn")})]


def test_a_short_word_comes_after_the_name_of_a_program() -> None:
    program = Predicate(EXE, OPERATORS["endswith"], [b"/socat"])
    word = Predicate(LINE, OPERATORS["contains"], [b"-l", b"-c"])
    assert anchors([both(program, word)]) == [frozenset({Anchor(EXE, b"/socat", END)})]


def test_a_program_comes_before_a_user_who_is_root() -> None:
    program = Predicate(EXE, OPERATORS["endswith"], [b"/tcpdump", b"/df"])
    root = Predicate(PORT, OPERATORS["eq"], [0])
    assert anchors([both(program, root)]) == [
        frozenset({Anchor(EXE, b"/tcpdump", END), Anchor(EXE, b"/df", END)})
    ]


def test_arguments_are_looked_for_in_the_line() -> None:
    last = Predicate(FIELDS["argv"], OPERATORS["contains"], [b"\0--x\0"])
    first = Predicate(FIELDS["arg0"], OPERATORS["startswith"], [b"/tmp/"])
    second = Predicate(FIELDS["arg1"], OPERATORS["startswith"], [b"/tmp/"])
    rules = [Rule("r", [int(Kind.PROCESS_EXEC)], [test], [(0, -1, -2)]) for test in (last, first, second)]
    assert anchors(rules) == [
        frozenset({Anchor(LINE, b" --x "), Anchor(LINE, b" --x", END)}),
        frozenset({Anchor(LINE, b"/tmp/", BEGIN)}),
        frozenset({Anchor(LINE, b"/tmp/", ANYWHERE)}),
    ]


def test_a_kind_without_the_field_needs_only_the_rest() -> None:
    path = Predicate(FIELDS["path"], OPERATORS["startswith"], [b"/boot/"])
    words = Predicate(LINE, OPERATORS["contains"], [b"pty.spawn"])
    kinds = [int(Kind.PROCESS_EXEC), int(Kind.FILE_OPEN)]
    find = Finder([Rule("r", kinds, [path, words], [(0, -1, 1), (1, -1, -2)])])
    assert find(0, int(Kind.PROCESS_EXEC)) == frozenset({Anchor(LINE, b"pty.spawn")})
    assert find(0, int(Kind.FILE_OPEN)) == find(0) != frozenset({Anchor(LINE, b"pty.spawn")})


def test_words_that_many_rules_look_for_come_later() -> None:
    common = Predicate(LINE, OPERATORS["contains"], [b"/etc/passwd"])
    rules = []
    for number in range(20):
        own = Predicate(LINE, OPERATORS["contains"], [b"/own/word/%d" % number])
        rules.append(both(common, own))
    assert anchors(rules) == [frozenset({Anchor(LINE, b"/own/word/%d" % number)}) for number in range(20)]


def test_what_a_pattern_needs_is_looked_for() -> None:
    pattern = Predicate(LINE, OPERATORS["re"], [rb"curl\s+x|wget"], True, [b"curl", b"wget"])
    number = Predicate(PORT, OPERATORS["eq"], [0])
    other = Predicate(LINE, OPERATORS["re"], [rb"\d+"], True)
    (found,) = anchors([Rule("r", [int(Kind.PROCESS_EXEC)], [pattern], [(0, -1, -2)])])
    assert found == frozenset({Anchor(LINE, b"curl"), Anchor(LINE, b"wget")})
    assert anchors([both(other, number)]) == [frozenset({Anchor(PORT, 0)})]
    assert anchors([both(other, other)]) == [None]


def test_the_gram_is_one_that_the_other_literals_do_not_share() -> None:
    literals = [b"/%s.service" % word for word in (b"oseta", b"inota", b"tanes", b"senot")]
    grams = [{literal[i : i + 4] for i in range(len(literal) - 3)} for literal in literals]
    shared = Counter(gram for one in grams for gram in one)
    assert literals[0][rarest(literals[0], 4) :].startswith(b"rvic"), "rare letters, when it is alone"
    for literal in literals:
        at = rarest(literal, 4, shared)
        assert shared[literal[at : at + 4]] == 1
