# SPDX-License-Identifier: Apache-2.0
"""A small HTML builder that escapes everything it is not told to trust.

Text reaches a page only as `str`, and `str` is always escaped; markup is the type `Html`,
which only this module makes. Characters that a browser would hide or act on (controls,
bidirectional overrides, zero-width) are shown as escapes, so a file name cannot disguise itself.
"""

from __future__ import annotations

from collections.abc import Iterable

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})

Attribute = str | int | float | bool | None


class Html:
    """Finished markup."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


Child = Html | str | int | float | None | Iterable["Child"]


def visible(text: str) -> str:
    """`text` with every non-printable character but newline written as an escape such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def escape(text: str) -> str:
    """Safe in element content and in double-quoted attributes."""
    return (
        visible(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )


def join(*children: Child) -> Html:
    """Children in order; `None` is nothing, anything that is not Html is escaped."""
    parts: list[str] = []
    _gather(children, parts)
    return Html("".join(parts))


def _gather(child: Child, parts: list[str]) -> None:
    if child is None:
        return
    if isinstance(child, Html):
        parts.append(child.text)
    elif isinstance(child, str):
        parts.append(escape(child))
    elif isinstance(child, int | float):
        parts.append(str(child))
    else:
        for one in child:
            _gather(one, parts)


def el(tag: str, *children: Child, **attributes: Attribute) -> Html:
    """One element. `class_` is class, `data_field` is data-field; False or None drops an attribute,
    True writes it bare. Event-handler and style attributes are refused: the page's policy forbids them."""
    opening = tag
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        if name.startswith("on") or name == "style":
            raise ValueError(f"attribute {name!r} is not allowed")
        if name in {"href", "src", "action"} and not _local_or_web(str(value)):
            raise ValueError(f"{name}={value!r} is neither local nor https")
        opening += f" {name}" if value is True else f' {name}="{escape(str(value))}"'
    if tag in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(*children)}</{tag}>")


def _local_or_web(url: str) -> bool:
    """javascript: and data: links, and scheme-relative ones, never leave this module."""
    return url.startswith(("#", "?", "https://")) or (url.startswith("/") and not url.startswith("//"))


def document(head: Iterable[Html], body: Html, lang: str = "en") -> str:
    """A whole page."""
    return f"<!doctype html>\n{el('html', el('head', *head), body, lang=lang)}\n"
