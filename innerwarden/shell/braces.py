# SPDX-License-Identifier: Apache-2.0
"""Brace words (`{curl,-s,URL}`), which the grammar does not know, written out before the text is parsed."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<quoted>'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|\$\{[^}]*\})"
    r"|(?P<brace>(?<![^\s;|&(`])\{[^\s{};|&()<>`]*,[^\s{};|&()<>`]*\}(?![^\s;|&)`]))",
    re.DOTALL,
)


def written_out(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with each word that is one brace list turned into its words, and the lists found."""
    if "{" not in text or "," not in text:
        return text, ()
    found: list[str] = []

    def one(match: re.Match[str]) -> str:
        word = match["brace"]
        if word is None:
            return match[0]
        found.append(word)
        return " ".join(word[1:-1].split(","))

    return _TOKEN.sub(one, text), tuple(found)
