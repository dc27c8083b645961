# SPDX-License-Identifier: Apache-2.0
"""A Sigma regular expression -> a tree of character sets, or a refusal with place and reason.

The meaning is PCRE's, of which the Sigma specification (modifiers appendix) takes the plain part, and Python's `re`
wherever the two agree. What they read differently, and what no automaton decides in linear time, is refused. Classes
such as `\\d` and `\\w` and the flag i mean ASCII, as in PCRE without its Unicode options.
"""

from __future__ import annotations

import re
from dataclasses import replace

from innerwarden.errors import RuleError
from innerwarden.rules.regex_tree import (
    TOP,
    Assert,
    Chars,
    Choice,
    Flags,
    Node,
    Ranges,
    Repeat,
    Sequence,
    ranges_of,
    without,
)

MAX_REPEAT = 1000
"""RE2's own limit for {n,m}."""

_DIGIT = ranges_of((0x30, 0x39))
_WORD = ranges_of((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE = ranges_of((0x09, 0x0D), (0x20, 0x20))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CLASSES |= {name.upper(): without(ranges) for name, ranges in _CLASSES.items()}
_CONTROLS = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C, "a": 0x07}
_PLACES = {"b": "word", "B": "not_word", "A": "begin"}
_NEWLINE = ranges_of((0x0A, 0x0A))
_QUANTIFIER = re.compile(r"\{(\d*)(,?)(\d*)\}")
_GROUPS = (
    (("?=", "?!"), "look-ahead", "Say it with a second test in the condition"),
    (("?<=", "?<!"), "look-behind", "Say it with a second test in the condition"),
    (("?P=", "?("), "a back reference", "Write the repeated text out"),
    (("?>",), "an atomic group", "Use a plain group"),
    (("?#",), "a comment", "Remove it"),
)


def parse(pattern: str, flags: Flags) -> Node:
    """Raises RuleError for what is not exact."""
    return _Parser(pattern, flags).whole()


def folds(character: str) -> bool:
    """A letter outside ASCII with two cases, which the engine, which folds ASCII only, would not see as equal."""
    if character.isascii():
        return False
    return not character.lower() == character.upper() == character.casefold() == character


class _Parser:
    """Recursive descent over the pattern's text."""

    def __init__(self, text: str, flags: Flags) -> None:
        self.text = text
        self.at = 0
        self.flags = flags

    def refuse(self, what: str, remedy: str, at: int | None = None) -> RuleError:
        place = (self.at if at is None else at) + 1
        return RuleError(f"regular expression {self.text!r}: {what} at character {place}", remedy)

    def taken(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def next(self) -> str:
        if self.at >= len(self.text):
            raise self.refuse("it ends too early", "Complete it")
        self.at += 1
        return self.text[self.at - 1]

    def whole(self) -> Node:
        if found := re.compile(r"\(\?([a-zA-Z]+)\)").match(self.text):
            self.set_flags(found[1], "")
            self.at = found.end()
        node = self.choice()
        if self.at != len(self.text):
            raise self.refuse("a ) without its (", "Remove it")
        return node

    def set_flags(self, on: str, off: str) -> None:
        for letter in on + off:
            if letter not in "ims":
                raise self.refuse(f"the flag {letter}", "There are i, m and s")
        self.flags = replace(self.flags, **dict.fromkeys(on, True), **dict.fromkeys(off, False))

    def choice(self) -> Node:
        items = [self.sequence()]
        while self.taken("|"):
            items.append(self.sequence())
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items.append(self.quantified(self.atom()))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def quantified(self, item: Node) -> Node:
        """An atom with its quantifier; whether that is greedy or lazy changes nothing about what matches."""
        low: int
        high: int | None
        begin = self.at
        if self.taken("*"):
            low, high = 0, None
        elif self.taken("+"):
            low, high = 1, None
        elif self.taken("?"):
            low, high = 0, 1
        elif found := _QUANTIFIER.match(self.text, self.at):
            if found[0] == "{}":
                return item
            if not found[1]:
                raise self.refuse(f"{found[0]}, which PCRE takes for plain text", "Write {0,n}, or escape it")
            self.at = found.end()
            low = int(found[1])
            high = int(found[3]) if found[3] else None if found[2] else low
            if max(low, high or 0) > MAX_REPEAT or (high is not None and low > high):
                raise self.refuse(f"not from 0 to {MAX_REPEAT} repetitions in order", "Use + or *", begin)
        else:
            return item
        if isinstance(item, Assert):
            raise self.refuse("a quantifier of a place", "Remove it", begin)
        if self.taken("+"):
            raise self.refuse("a possessive quantifier", "Remove the second +", self.at - 1)
        self.taken("?")
        if self.quantifier_is_next():
            raise self.refuse("a quantifier of a quantifier", "Put a group around the inner one")
        return Repeat(item, low, high)

    def quantifier_is_next(self) -> bool:
        if self.at < len(self.text) and self.text[self.at] in "*+?":
            return True
        found = _QUANTIFIER.match(self.text, self.at)
        return found is not None and found[0] != "{}"

    def atom(self) -> Node:  # noqa: PLR0911 - one per kind
        if self.quantifier_is_next():
            raise self.refuse("a quantifier with nothing before it", "Escape it, or remove it")
        character = self.next()
        if character == "(":
            return self.group()
        if character == "[":
            return self.bracket()
        if character == ".":
            return Chars(((0, TOP),) if self.flags.s else without(_NEWLINE))
        if character == "^":
            return Assert("line_begin" if self.flags.m else "begin")
        if character == "$":
            return Assert("line_end" if self.flags.m else "end")
        if character == "\\":
            if self.at < len(self.text) and self.text[self.at] in _PLACES:
                return Assert(_PLACES[self.next()])
            found = self.escape()
            return self.chars(found if isinstance(found, tuple) else ((found, found),))
        return self.chars(((ord(character), ord(character)),))

    def group(self) -> Node:
        begin = self.at - 1
        outer = self.flags
        for starts, what, remedy in _GROUPS:
            if self.text.startswith(starts, self.at):
                raise self.refuse(f"{what}, which cannot be matched in linear time", remedy, begin)
        if found := re.compile(r"\?([a-z]*)(?:-([a-z]+))?:").match(self.text, self.at):
            self.set_flags(found[1], found[2] or "")
            self.at = found.end()
        elif found := re.compile(r"\?P<\w+>").match(self.text, self.at):
            self.at = found.end()
        elif self.text.startswith("?", self.at):
            raise self.refuse("an unknown kind of group", "Use ( or (?:", begin)
        node = self.choice()
        if not self.taken(")"):
            raise self.refuse("a group without its )", "Close it", begin)
        self.flags = outer
        return node

    def escape(self) -> int | Ranges:
        """After a backslash: a character or a class."""
        begin = self.at - 1
        letter = self.next()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x" and (found := re.compile(r"[0-9a-fA-F]{2}").match(self.text, self.at)):
            self.at = found.end()
            return int(found[0], 16)
        if letter.isdigit():
            raise self.refuse("a back reference or octal character", "Write it out, or as \\xNN", begin)
        if letter.isalnum():
            raise self.refuse(f"\\{letter}, which PCRE and Python read differently", "Write it out", begin)
        return ord(letter)

    def bracket(self) -> Node:
        begin = self.at - 1
        negated = self.taken("^")
        found: list[tuple[int, int]] = []
        first = True
        while first or not self.taken("]"):
            first = False
            low = self.member()
            if isinstance(low, tuple):
                found += low
                continue
            high = low
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                last = self.member()
                if isinstance(last, tuple):
                    raise self.refuse("a range that ends in a class", "Put the - first or last", begin)
                high = last
                if high < low:
                    raise self.refuse("a range that runs backwards", "Turn it round")
            found.append((low, high))
        node = self.chars(ranges_of(*found))
        return Chars(without(node.ranges)) if negated else node

    def member(self) -> int | Ranges:
        """One member of a bracket."""
        if self.text.startswith(("[:", "[.", "[="), self.at):
            raise self.refuse("a POSIX class", "Write its characters out: [a-zA-Z]")
        character = self.next()
        if character != "\\":
            return ord(character)
        if self.taken("b"):
            return 0x08
        return self.escape()

    def chars(self, ranges: Ranges) -> Chars:
        """With the flag i, both cases of every ASCII letter."""
        if not self.flags.i or ranges in _CLASSES.values():
            return Chars(ranges)
        for low, high in ranges:
            if high > 0x7F and (high - low > 4096 or any(folds(chr(c)) for c in range(low, high + 1))):
                raise self.refuse(
                    "letters outside ASCII, whose case the engine does not fold, with the flag i",
                    "Write both cases out, without the flag",
                )
        both = list(ranges)
        for begin, other in ((0x41, 0x61), (0x61, 0x41)):
            cut = ((max(low, begin), min(high, begin + 25)) for low, high in ranges)
            both += [(low - begin + other, high - begin + other) for low, high in cut if low <= high]
        return Chars(ranges_of(*both))
