# SPDX-License-Identifier: Apache-2.0
"""The HTML builder: nothing that comes in as text goes out as markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.agent.dashboard.html import Html, el, join, visible


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(codec="utf-8")))
def test_text_stays_text(text: str) -> None:
    seen = Reader(str(el("p", text, title=text)))
    assert seen.tags == ["p"]
    assert seen.text == visible(text)
    assert seen.attributes == [("title", visible(text))]


@pytest.mark.parametrize(
    "text", ["<script>", "\"'><img src=x onerror=alert(1)>", "&lt;", "</p><p>", "]]>", "<!--"]
)
def test_break_outs(text: str) -> None:
    assert Reader(str(el("p", text, data_x=text))).tags == ["p"]


def test_hidden_characters_are_written_out() -> None:
    assert visible("a\x00\x1b\u202e\u200b\ufeffb\ud800") == "a\\x00\\x1b\\u202e\\u200b\\ufeffb\\ud800"
    assert visible("two\nlines, räksmörgås") == "two\nlines, räksmörgås"


@pytest.mark.parametrize("name", ["onclick", "onload", "style"])
def test_active_attributes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        el("p", **{name: "x"})


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example/", "http://evil.example/"]
)
def test_only_local_and_https_links(url: str) -> None:
    with pytest.raises(ValueError, match="neither local"):
        el("a", "x", href=url)


def test_none_false_and_true() -> None:
    assert str(el("input", disabled=True, checked=False, value=None)) == "<input disabled>"
    assert str(join(None, "a", [Html("<b>"), None], 3)) == "a<b>3"
