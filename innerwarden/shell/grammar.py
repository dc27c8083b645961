# SPDX-License-Identifier: Apache-2.0
"""tree-sitter with its Bash grammar, loaded at the first text (1.5 MiB) and not before."""

from __future__ import annotations

import time
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from innerwarden.errors import UnavailableError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

PACKAGES = ("tree_sitter", "tree_sitter_bash")


def require() -> None:
    """Raises UnavailableError when the grammar is not installed; loads nothing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"{' and '.join(missing)} not installed, so shell commands cannot be read",
            "Install the packages that pyproject.toml names",
        )


MAX_PARSE_S = 0.02
"""Ten times what 8 KiB of ordinary script take."""
SLOW_S = 0.005
MAX_SLOW_S = 0.2
SHORT_BYTES = 1024
"""No text of this length takes long."""


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


class _Spent:
    """CPU time that slow texts took lately, so that many of them cannot hold up the sensor."""

    second = 0
    total_s = 0.0

    def add(self, took_s: float) -> None:
        if took_s > SLOW_S:
            self.total_s = self.lately_s() + took_s

    def lately_s(self) -> float:
        now = int(time.monotonic())
        if now != self.second:
            self.second, self.total_s = now, 0.0
        return self.total_s


_spent = _Spent()


def parse(source: bytes) -> Node | None:
    """The root of the syntax tree; whatever is no Bash becomes ERROR nodes.

    2 us for 20 ordinary bytes. The error recovery is quadratic on texts made for that: the answer is None after
    about MAX_PARSE_S of this thread's CPU time, and at once for a long text while such texts took MAX_SLOW_S a second.
    """
    if len(source) > SHORT_BYTES and _spent.lately_s() > MAX_SLOW_S:
        return None
    parser = _parser()
    begun = time.thread_time()

    def late(*_: object) -> bool:
        return time.thread_time() > begun + MAX_PARSE_S

    try:
        return parser.parse(lambda offset, _: source[offset:], progress_callback=late).root_node
    except ValueError:
        parser.reset()
        return None
    finally:
        _spent.add(time.thread_time() - begun)
