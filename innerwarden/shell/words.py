# SPDX-License-Identifier: Apache-2.0
"""Words: what the shell makes of quotes, escapes and variables, and whether the spelling hid it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from innerwarden.shell.constant import unescaped
from innerwarden.shell.facts import UNKNOWN, Word

if TYPE_CHECKING:
    from tree_sitter import Node


class Origin(Enum):
    PLAIN = auto()
    QUOTED = auto()
    ESCAPED = auto()
    VARIABLE = auto()
    OUTPUT = auto()
    VANISHED = auto()
    UNKNOWN = auto()
    SPLIT = auto()
    """Where a field ends: what $IFS stands for."""


class Piece(NamedTuple):
    text: str
    origin: Origin


class Scope:
    """Variables that the text set to constants, and the positional words it was given ($0 first)."""

    def __init__(self, positional: Sequence[str] = ()) -> None:
        self.variables: dict[str, str | None] = {}
        self.positional = tuple(positional)

    def piece(self, name: str) -> Piece:
        """The value of `$name`."""
        if name in ("@", "*"):
            text = " ".join(self.positional[1:])
            return Piece(text, Origin.VARIABLE if text else Origin.VANISHED)
        if name.isdigit():
            place = int(name[:4])
            if place < len(self.positional):
                return Piece(self.positional[place], Origin.VARIABLE)
            return Piece(UNKNOWN, Origin.UNKNOWN) if place == 0 else Piece("", Origin.VANISHED)
        if name == "IFS" and name not in self.variables:
            return Piece(" ", Origin.SPLIT)
        value = self.variables.get(name)
        return Piece(UNKNOWN, Origin.UNKNOWN) if value is None else Piece(value, Origin.VARIABLE)


#: Gives the constant output of a substitution, or None.
Substitute = Callable[["Node"], str | None]

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_IN_STRING = re.compile(r'\\([\\"$`\n])')
_NUMERIC = re.compile(r"\\(?:x[0-9a-fA-F]|u[0-9a-fA-F]|U[0-9a-fA-F]|[0-7]{1,3})")
_GLOB = re.compile(r"[?*]|\[[^\]]+\]")


class Folder:
    """Folds nodes to words with one scope. `used` hears of every variable; `count` is asked before
    every node and says whether to go on."""

    def __init__(
        self,
        source: bytes,
        scope: Scope,
        substitute: Substitute,
        used: Callable[[str], None],
        count: Callable[[], bool],
    ) -> None:
        self.source, self.scope, self.substitute, self.used, self.count = (
            source,
            scope,
            substitute,
            used,
            count,
        )

    def text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def fields(self, node: Node) -> list[Word]:
        """The fields of one word as written; none when it expands to nothing."""
        return join(self.pieces(node))

    def whole(self, node: Node) -> Word:
        """The same as one word, where the shell does not split (assignments, redirections)."""
        words = self.fields(node)
        if len(words) == 1:
            return words[0]
        return Word(
            " ".join(word.text for word in words),
            all(word.constant for word in words),
            any(word.hidden for word in words),
        )

    def pieces(self, node: Node, quoted: bool = False, depth: int = 0) -> list[Piece]:  # noqa: PLR0911
        if not self.count() or depth > 24:
            return [Piece(UNKNOWN, Origin.UNKNOWN)]
        match node.type:
            case "raw_string":
                return [Piece(self.text(node)[1:-1], Origin.QUOTED)]
            case "ansi_c_string":
                return [self._ansi(self.text(node)[2:-1])]
            case "string" | "translated_string":
                return self._string(node, depth)
            case "simple_expansion":
                return self._variable(self.text(node)[1:], quoted)
            case "expansion":
                return self._expansion(node, quoted, depth)
            case "command_substitution":
                return self._substituted(node, quoted)
            case "arithmetic_expansion" | "process_substitution":
                return [Piece(UNKNOWN, Origin.UNKNOWN)]
            case "concatenation" | "command_name":
                return self._gapless(node, node.start_byte, node.end_byte, quoted, depth)
        return self._plain(self.text(node))

    def _plain(self, text: str) -> list[Piece]:
        text = text.replace("\\\n", "")
        inside = any(found.start() and found[1].isalnum() for found in _ESCAPE.finditer(text))
        return [Piece(_ESCAPE.sub(r"\1", text), Origin.ESCAPED if inside else Origin.PLAIN)]

    def _ansi(self, text: str) -> Piece:
        value = unescaped(text.encode()).decode("utf-8", "replace")
        hides = _NUMERIC.search(text) and any(c.isalnum() or c in "/ |" for c in value)
        return Piece(value, Origin.ESCAPED if hides else Origin.QUOTED)

    def _string(self, node: Node, depth: int) -> list[Piece]:
        inner = node.children[0] if node.type == "translated_string" else node
        if node.type == "translated_string" and node.named_child_count:
            inner = node.named_children[0]
        pieces = self._gapless(inner, inner.start_byte + 1, inner.end_byte - 1, True, depth)
        return pieces or [Piece("", Origin.QUOTED)]

    def _gapless(self, node: Node, start: int, end: int, quoted: bool, depth: int) -> list[Piece]:
        """Children, and the text between them that the grammar gives no node."""
        out: list[Piece] = []
        place = start
        for child in node.named_children:
            if child.start_byte > place:
                out += self._literal(place, child.start_byte, quoted)
            if child.type == "string_content":
                out += self._literal(child.start_byte, child.end_byte, True)
            else:
                out += self.pieces(child, quoted, depth + 1)
            place = max(place, child.end_byte)
        if end > place:
            out += self._literal(place, end, quoted)
        return out

    def _literal(self, start: int, end: int, quoted: bool) -> list[Piece]:
        text = self.source[start:end].decode("utf-8", "replace")
        if quoted:
            return [Piece(_IN_STRING.sub(lambda m: "" if m[1] == "\n" else m[1], text), Origin.QUOTED)]
        return self._plain(text)

    def _variable(self, name: str, quoted: bool) -> list[Piece]:
        if name[:1].isdigit() and len(name) > 1:  # the grammar reads $1x as one name; the shell knows only $1
            return [*self._variable(name[0], quoted), Piece(name[1:], Origin.PLAIN)]
        self.used(name)
        if name == "@" and len(self.scope.positional) > 1:
            each = [Piece(word, Origin.VARIABLE) for word in self.scope.positional[1:]]
            return [piece for one in each for piece in (Piece("", Origin.SPLIT), one)][1:]
        piece = self.scope.piece(name)
        if quoted or piece.origin is not Origin.VARIABLE:
            return [Piece(" \t\n", Origin.QUOTED)] if quoted and piece.origin is Origin.SPLIT else [piece]
        return split_fields(piece)

    def _substituted(self, node: Node, quoted: bool) -> list[Piece]:
        output = self.substitute(node)
        if output is None:
            return [Piece(UNKNOWN, Origin.UNKNOWN)]
        piece = Piece(output.rstrip("\n"), Origin.OUTPUT)
        return [piece] if quoted else split_fields(piece)

    def _expansion(self, node: Node, quoted: bool, depth: int) -> list[Piece]:
        """`${...}`: plain, a default, a slice, a replacement or a change of case of a constant."""
        named = node.named_children
        if not named or named[0].type not in ("variable_name", "special_variable_name"):
            return [Piece(UNKNOWN, Origin.UNKNOWN)]
        name = self.text(named[0])
        operators = [child.type for child in node.children if not child.is_named][1:-1]
        if not operators:
            return self._variable(name, quoted)
        piece = self.scope.piece(name)
        if operators[0] in ("-", ":-", "=", ":="):
            unset = piece.origin in (Origin.UNKNOWN, Origin.VANISHED)
            default = [p for child in named[1:] for p in self.pieces(child, quoted, depth + 1)]
            return default if unset else [piece]
        if name in ("HOME", "PWD", "PATH", "SHELL", "OLDPWD") and piece.origin is Origin.UNKNOWN:
            piece = Piece("/", Origin.VARIABLE)
            if [self.text(child) for child in named[1:]] != ["0", "1"]:
                return [Piece(UNKNOWN, Origin.UNKNOWN)]
        if piece.origin is not Origin.VARIABLE:
            return [Piece(UNKNOWN, Origin.UNKNOWN)]
        changed = _changed(piece.text, operators, [self.whole(child).text for child in named[1:]])
        return [Piece(UNKNOWN, Origin.UNKNOWN) if changed is None else Piece(changed, Origin.ESCAPED)]


def _changed(value: str, operators: list[str], words: list[str]) -> str | None:  # noqa: PLR0911
    match operators[0]:
        case ":":
            numbers = [int(word) for word in words if re.fullmatch(r"-?\d{1,6}", word)]
            if len(numbers) != len(words) or not numbers or min(numbers) < 0:
                return None
            return value[numbers[0] :][: numbers[1] if len(numbers) > 1 else None]
        case "//" | "/" if words and words[0] and not _GLOB.search(words[0]):
            return value.replace(
                words[0], words[1] if len(words) > 1 else "", -1 if operators[0] == "//" else 1
            )
        case "#" | "##" if words:
            return value.removeprefix(words[0])
        case "%" | "%%" if words:
            return value.removesuffix(words[0])
        case ",," | ",":
            return value.lower()
        case "^^" | "^":
            return value.upper()
    return None


def split_fields(piece: Piece) -> list[Piece]:
    """An unquoted value as the shell splits it: each run of blanks ends a field, without hiding anything."""
    out: list[Piece] = []
    for part in re.split(r"(\s+)", piece.text):
        if part:
            out.append(Piece("", Origin.SPLIT) if part.isspace() else Piece(part, piece.origin))
    return out or [Piece("", Origin.VANISHED)]


def join(pieces: list[Piece]) -> list[Word]:
    """Fields of the pieces of one written word."""
    fields: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.origin is Origin.SPLIT:
            fields.append([])
        else:
            fields[-1].append(piece)
    by_ifs = any(piece.origin is Origin.SPLIT and piece.text for piece in pieces)
    words = []
    for field in fields:
        text = "".join(piece.text for piece in field)
        quoted = any(piece.origin is Origin.QUOTED for piece in field)
        if text or quoted:
            constant = all(piece.origin is not Origin.UNKNOWN for piece in field)
            words.append(Word(text, constant, by_ifs or hides(field)))
    return words


def hides(field: list[Piece]) -> bool:
    """Whether letters that belong together were kept apart in the source."""
    if any(piece.origin is Origin.ESCAPED for piece in field):
        return True
    if field and field[0].text.startswith("-"):
        return False
    text = "".join(piece.text for piece in field)
    start = 0
    for place, piece in enumerate(field):
        end = start + len(piece.text)
        open_left, open_right = text[start - 1 : start].isalnum(), text[end : end + 1].isalnum()
        if start == end:
            if open_left and open_right:
                return True
        elif piece.origin is Origin.QUOTED and (
            (_plain_at(field, place - 1) and open_left and text[start].isalnum())
            or (_plain_at(field, place + 1) and open_right and text[end - 1].isalnum())
        ):
            return True
        start = end
    return False


def _plain_at(field: list[Piece], place: int) -> bool:
    return 0 <= place < len(field) and field[place].origin is Origin.PLAIN


def glued(pieces: list[Piece]) -> bool:
    """Whether a command's name was put together from values or made by a substitution or a pattern."""
    text = [piece for piece in pieces if piece.text]
    if any(piece.origin is Origin.OUTPUT for piece in text):
        return True
    if any(piece.origin is Origin.PLAIN and _GLOB.search(piece.text) for piece in text):
        return True
    for left, right in pairwise(text):
        variable = Origin.VARIABLE in (left.origin, right.origin)
        if variable and left.text[-1:].isalnum() and right.text[:1].isalnum():
            return True
    return False
