# SPDX-License-Identifier: Apache-2.0
"""A parsed regular expression -> the pattern that the engine runs, and the text that every match holds."""

from __future__ import annotations

from innerwarden_core.regex import Regex

from innerwarden.errors import RuleError
from innerwarden.rules.regex import parse
from innerwarden.rules.regex_tree import TOP, Assert, Chars, Choice, Flags, Node, Ranges, Repeat, Sequence

#: What RE2 calls the places. `$` without the flag m is before a last line end too, in PCRE and in Python.
_PLACES = {
    "begin": r"\A",
    "end": r"(?:\n?\z)",
    "line_begin": "(?m:^)",
    "line_end": "(?m:$)",
    "word": r"\b",
    "not_word": r"\B",
}
#: Stands in a text for bytes that are no UTF-8 (core: utf8.h), so it is not text that the raw field must hold.
NO_TEXT = 0x1A
#: Sets of text that every match holds one of: how many texts, of how many characters, and of how many variants.
MAX_TEXTS, MAX_LENGTH, MAX_VARIANTS = 32, 64, 8
MIN_BYTES = 2

Texts = frozenset[str]


def engine_pattern(pattern: str, flags: Flags) -> tuple[bytes, tuple[bytes, ...]]:
    """(the pattern in RE2's syntax, folded text of which every match holds one). Raises RuleError."""
    tree = parse(pattern, flags)
    text = _emit(tree, True, pattern).encode()
    try:
        Regex(text)
    except ValueError as error:
        reason = str(error).rpartition(": ")[2]
        raise RuleError(
            f"regular expression {pattern!r} is too large: {reason}",
            "Make its repetitions smaller; how long a command line is, argv_len tells",
        ) from error
    exact, needed = _texts(tree)
    best = _better(exact, needed)
    return text, tuple(sorted(one.encode() for one in best or ()))


def _nullable(node: Node) -> bool:
    """Can it match the empty text wherever it stands?"""
    match node:
        case Assert(kind=kind):
            return kind == "end"
        case Repeat(item=item, low=low):
            return low == 0 or _nullable(item)
        case Sequence(items=items):
            return all(_nullable(item) for item in items)
        case Choice(items=items):
            return any(_nullable(item) for item in items)
    return False


def _emit(node: Node, last: bool, pattern: str) -> str:
    """`last`: what follows can be empty.

    RE2 has no place before a last line end, so `$` takes that line end in; exact while nothing must follow it.
    """
    match node:
        case Chars(ranges=ranges):
            return _class(ranges)
        case Assert(kind=kind):
            if kind == "end" and not last:
                raise RuleError(
                    f"regular expression {pattern!r}: something must follow $", "Use the flag m, or remove it"
                )
            return _PLACES[kind]
        case Repeat(item=item, low=low, high=high):
            inner = _emit(item, last and (low < 2 or _nullable(item)), pattern)
            return f"(?:{inner}){_times(low, high)}"
        case Choice(items=items):
            return "(?:" + "|".join(_emit(item, last, pattern) for item in items) + ")"
    parts = []
    for item in reversed(node.items):
        parts.append(_emit(item, last, pattern))
        last = last and _nullable(item)
    return "".join(reversed(parts))


def _times(low: int, high: int | None) -> str:
    if (low, high) in ((0, None), (1, None), (0, 1)):
        return {(0, None): "*", (1, None): "+", (0, 1): "?"}[low, high]
    return f"{{{low},{'' if high is None else high}}}"


def _class(ranges: Ranges) -> str:
    if ranges == ((0, TOP),):
        return "(?s:.)"
    if not ranges:
        return r"[^\x00-\x{10FFFF}]"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        character = chr(ranges[0][0])
        return character if character.isascii() and character.isalnum() else f"\\x{{{ranges[0][0]:x}}}"
    return "[" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in ranges) + "]"


def _texts(node: Node) -> tuple[Texts | None, Texts | None]:  # noqa: PLR0911 - one per kind
    """(every text that it matches, folded, when they are few; text of which every match holds one)."""
    match node:
        case Chars(ranges=ranges):
            return _characters(ranges), None
        case Assert():
            return frozenset({""}), None
        case Repeat(item=item, low=low, high=high):
            exact, needed = _texts(item)
            if exact is not None and (low, high) == (0, 1):
                return exact | {""}, None
            if exact is not None and low == high and low <= MAX_LENGTH:
                return _texts(Sequence((item,) * low))
            return None, _better(exact, needed) if low else None
        case Choice(items=items):
            return _choice(items)
    return _sequence(node.items)


def _characters(ranges: Ranges) -> Texts | None:
    if sum(high - low + 1 for low, high in ranges) > MAX_VARIANTS:
        return None
    codes = [code for low, high in ranges for code in range(low, high + 1)]
    if NO_TEXT in codes or not codes or any(0xD800 <= code <= 0xDFFF for code in codes):
        return None
    return frozenset(chr(code + 32 if 0x41 <= code <= 0x5A else code) for code in codes)


def _choice(items: tuple[Node, ...]) -> tuple[Texts | None, Texts | None]:
    found = [_texts(item) for item in items]
    exacts = [exact for exact, _ in found if exact is not None]
    every = frozenset().union(*exacts)
    if len(exacts) == len(found) and len(every) <= MAX_TEXTS:
        return every, None
    best = [one for one in (_better(*pair) for pair in found) if one is not None]
    return None, frozenset().union(*best) if len(best) == len(found) else None


def _sequence(items: tuple[Node, ...]) -> tuple[Texts | None, Texts | None]:
    """Neighbours whose texts are known are joined as far as they stay few."""
    run: Texts = frozenset({""})
    best: Texts | None = None
    whole = True
    for item in items:
        exact, needed = _texts(item)
        if exact is not None:
            joined = frozenset(a + b for a in run for b in exact)
            if len(joined) <= MAX_TEXTS and max(map(len, joined), default=0) <= MAX_LENGTH:
                run = joined
                continue
        whole = False
        best = _better(best, _better(run, needed))
        run = frozenset({""}) if exact is None else exact
    return (run, best) if whole else (None, _better(best, run))


def _better(one: Texts | None, other: Texts | None) -> Texts | None:
    """What narrows more: the longest shortest text, then the fewest; None when neither is of use."""
    usable = [
        texts for texts in (one, other) if texts and min(len(text.encode()) for text in texts) >= MIN_BYTES
    ]
    return max(usable, key=lambda texts: (min(6, *map(len, texts)), -len(texts)), default=None)
