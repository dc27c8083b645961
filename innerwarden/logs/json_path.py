# SPDX-License-Identifier: Apache-2.0
"""Places in a JSON tree: `a.b`, `a."b.c"`, `a[0]`, `a[-1]`, `a[*]`."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

#: A name, a name in quotes, or a position. Names begin with anything but what separates.
_STEP = re.compile(r"""(?:^|\.)(?:"([^"]+)"|([^."\[\]\s]+))|\[(-?\d{1,4}|\*)\]""")
STEPS_MAX = 16
#: Items that `[*]` looks at.
ITEMS_MAX = 64

Step = str | int | None
"""A member's name, a position, or every item."""


class JsonPath:
    """A compiled path. Raises ValueError for what is none."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _compiled(text)

    def values(self, tree: Any) -> list[Any]:
        """What lies there, in order; several only with `[*]`."""
        found = [tree]
        for step in self._steps:
            found = [inner for item in found for inner in _one(item, step)]
            if not found:
                break
        return found

    def text_of(self, tree: Any) -> str | None:
        """The values as text, several joined by a comma; None when there is none."""
        texts = [text for value in self.values(tree) if (text := as_text(value)) is not None]
        return ",".join(texts) or None


def as_text(value: Any) -> str | None:
    """A leaf as text; a list's leaves joined by a comma, an object's as name=value; None for what is null or empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        named = [
            (name, as_text(item))
            for name, item in islice(value.items(), ITEMS_MAX)
            if not isinstance(item, dict)
        ]
        return " ".join(f"{name}={text}" for name, text in named if text) or None
    if isinstance(value, list):
        texts = [as_text(item) for item in value[:ITEMS_MAX] if not isinstance(item, list)]
        return ",".join(text for text in texts if text) or None
    return None


def _one(item: Any, step: Step) -> list[Any]:
    if isinstance(step, str):
        return [item[step]] if isinstance(item, dict) and step in item else []
    if not isinstance(item, list):
        return []
    if step is None:
        return item[:ITEMS_MAX]
    return [item[step]] if -len(item) <= step < len(item) else []


def _compiled(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is no path: it breaks at {text[at:][:20]!r}")
        quoted, name, position = match.groups()
        steps.append(quoted or name or (None if position == "*" else int(position)))
        at = match.end()
    if not steps or len(steps) > STEPS_MAX:
        raise ValueError(f"{text!r} is no path: it has {len(steps)} steps, 1 to {STEPS_MAX} are possible")
    return tuple(steps)
