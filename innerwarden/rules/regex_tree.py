# SPDX-License-Identifier: Apache-2.0
"""The parts of a parsed regular expression: sets of characters, places, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass

TOP = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Chars:
    """One character of these ranges, which are in order and apart."""

    ranges: Ranges


@dataclass(frozen=True)
class Assert:
    """A place: begin, end, line_begin, line_end, word, not_word."""

    kind: str


@dataclass(frozen=True)
class Repeat:
    item: Node
    low: int
    high: int | None


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    items: tuple[Node, ...]


Node = Chars | Assert | Repeat | Sequence | Choice


@dataclass(frozen=True)
class Flags:
    i: bool = False
    m: bool = False
    s: bool = False


def ranges_of(*ranges: tuple[int, int]) -> Ranges:
    """In order, with what touches joined."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def without(ranges: Ranges) -> Ranges:
    """Every other character."""
    out, at = [], 0
    for low, high in ranges:
        if at < low:
            out.append((at, low - 1))
        at = high + 1
    return (*out, (at, TOP)) if at <= TOP else tuple(out)
