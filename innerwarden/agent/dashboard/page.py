# SPDX-License-Identifier: Apache-2.0
"""The frame around every page."""

from __future__ import annotations

from collections.abc import Iterable

from innerwarden.agent.dashboard.html import Html, document, el


def _head(title: str) -> list[Html]:
    return [
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} · InnerWarden"),
        el("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/style.css"),
        el("script", src="/static/app.js", defer=True),
    ]


def page(title: str, name: str, menu: Iterable[tuple[str, str, str]], content: Html) -> str:
    """A page for someone who is logged in; `main` is what the script swaps when something changed."""
    links = [
        el("a", text, href=path, aria_current="page" if entry == name else None) for text, path, entry in menu
    ]
    header = el(
        "header",
        el(
            "a",
            el("img", src="/static/icon.svg", alt="", width=26, height=26),
            "InnerWarden",
            href="/",
            class_="brand",
        ),
        el("nav", *links, aria_label="Main"),
        el("span", "live", class_="pulse", id="pulse", role="status"),
        el("form", el("button", "Log out", type="submit", class_="quiet"), method="post", action="/logout"),
        class_="top",
    )
    body = el(
        "body",
        el("a", "Skip to content", href="#main", class_="skip"),
        header,
        el("main", content, id="main", tabindex="-1"),
        data_page=name,
    )
    return document(_head(title), body)


def plain_page(title: str, content: Html, name: str) -> str:
    """A page without the menu: login and errors."""
    return document(_head(title), el("body", el("main", content, id="main", class_="plain"), data_page=name))
