# SPDX-License-Identifier: Apache-2.0
"""By what the index finds a rule: text that events rarely hold, and of that text the part that few rules share."""

from __future__ import annotations

from collections import Counter

from innerwarden_core import FIELDS, OPERATORS, Predicate, Rule
from innerwarden_core.anchors import anchors
from innerwarden_core.grams import rarest

from innerwarden.model._wire import Kind

EXE, LINE, PORT = FIELDS["exe_path"], FIELDS["command_line"], FIELDS["uid"]


def both(first: Predicate, second: Predicate) -> Rule:
    return Rule("r", [int(Kind.PROCESS_EXEC)], [first, second], [(0, 1, -2), (1, -1, -2)])


def test_words_of_the_command_line_come_before_the_name_of_a_program() -> None:
    program = Predicate(EXE, OPERATORS["endswith"], [b"/python3"])
    words = Predicate(LINE, OPERATORS["contains"], [b"pty.spawn"])
    assert anchors([both(program, words)]) == [frozenset({(LINE, b"pty.spawn")})]
    assert anchors([both(words, program)]) == [frozenset({(LINE, b"pty.spawn")})]


def test_a_short_word_comes_after_the_name_of_a_program() -> None:
    program = Predicate(EXE, OPERATORS["endswith"], [b"/socat"])
    word = Predicate(LINE, OPERATORS["contains"], [b"-l", b"-c"])
    assert anchors([both(program, word)]) == [frozenset({(EXE, b"/socat")})]


def test_words_that_many_rules_look_for_come_later() -> None:
    common = Predicate(LINE, OPERATORS["contains"], [b"/etc/passwd"])
    rules = []
    for number in range(20):
        own = Predicate(LINE, OPERATORS["contains"], [b"/own/word/%d" % number])
        rules.append(both(common, own))
    assert anchors(rules) == [frozenset({(LINE, b"/own/word/%d" % number)}) for number in range(20)]


def test_what_a_pattern_needs_is_looked_for() -> None:
    pattern = Predicate(LINE, OPERATORS["re"], [rb"curl\s+x|wget"], True, [b"curl", b"wget"])
    number = Predicate(PORT, OPERATORS["eq"], [0])
    other = Predicate(LINE, OPERATORS["re"], [rb"\d+"], True)
    (found,) = anchors([Rule("r", [int(Kind.PROCESS_EXEC)], [pattern], [(0, -1, -2)])])
    assert found == frozenset({(LINE, b"curl"), (LINE, b"wget")})
    assert anchors([both(other, number)]) == [frozenset({(PORT, 0)})]
    assert anchors([both(other, other)]) == [None]


def test_the_gram_is_one_that_the_other_literals_do_not_share() -> None:
    literals = [b"/%s.service" % word for word in (b"oseta", b"inota", b"tanes", b"senot")]
    grams = [{literal[i : i + 4] for i in range(len(literal) - 3)} for literal in literals]
    shared = Counter(gram for one in grams for gram in one)
    assert literals[0][rarest(literals[0], 4) :].startswith(b"rvic"), "rare letters, when it is alone"
    for literal in literals:
        at = rarest(literal, 4, shared)
        assert shared[literal[at : at + 4]] == 1
