# SPDX-License-Identifier: Apache-2.0
"""What documents from outside can raise beyond what their parsers say, under the names that readers catch."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec

#: Of msgspec's JSON decoder: bytes that are no such document, text that is no UTF-8, nesting beyond Python's limit.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: Tables and lists within one another.
TOML_DEPTH = 32


def toml(text: str) -> dict[str, Any]:
    """The tree of a TOML text. Raises TOMLDecodeError, for numbers without end and nesting without end as well."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise tomllib.TOMLDecodeError(f"not readable: {error}") from error
    level: list[Any] = [tree]
    for _ in range(TOML_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return tree
    raise tomllib.TOMLDecodeError(f"tables and lists are nested more than {TOML_DEPTH} deep")
