# SPDX-License-Identifier: Apache-2.0
"""Places in JSON trees."""

from __future__ import annotations

import pytest

from innerwarden.logs.json_path import ITEMS_MAX, JsonPath

TREE = {
    "a": {"b": 1, "b.c": "dotted", "list": [{"x": "p"}, {"x": "q"}, {"y": 0}], "none": None, "yes": True},
    "rule": {"groups": ["syslog", "sshd"]},
    "empty": "",
    "half": 0.5,
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.b", "1"),
        ('a."b.c"', "dotted"),
        ("a.list[0].x", "p"),
        ("a.list[-2].x", "q"),
        ("a.list[*].x", "p,q"),
        ("rule.groups", "syslog,sshd"),
        ("rule.groups[1]", "sshd"),
        ("a.yes", "true"),
        ("half", "0.5"),
        ("rule", "groups=syslog,sshd"),
        ("a.none", None),
        ("empty", None),
        ("a.missing.deeper", None),
        ("a.list[9]", None),
        ("a.list.x", None),
        ("a.b[0]", None),
        ("rule.groups[0].x", None),
    ],
)
def test_what_lies_at_a_place(path: str, text: str | None) -> None:
    assert JsonPath(path).text_of(TREE) == text


@pytest.mark.parametrize(
    "path", ["", ".", "a..b", "a.", "[x]", "a[", "a b", 'a."b', "a[*", ".".join("a" * 20)]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        JsonPath(path)


def test_long_lists_are_bounded() -> None:
    assert len(JsonPath("l[*]").values({"l": list(range(1000))})) == ITEMS_MAX
