# SPDX-License-Identifier: Apache-2.0
"""Spans as text, HTML or Markdown: what came from outside shows as it is, and is never a link, a mention or mark-up."""

from __future__ import annotations

import html as html_text
import re
from collections.abc import Callable

from innerwarden.agent.notify.message import cut
from innerwarden.agent.notify.text import Line, Span, Text
from innerwarden.log import safe

CUT = "… (cut)"
_SCHEME = re.compile(r"\b([a-z])([a-z+.-]*)://", re.IGNORECASE)
_WWW = re.compile(r"\bwww\.", re.IGNORECASE)


def clean(text: str) -> str:
    """One line without control, direction or invisible characters; those are shown escaped."""
    return safe(text, limit=4096)


def unlinked(text: str) -> str:
    """So written that no reader makes a link of it: http://a.b/ -> hxxp://a.b/, www. -> www[.]."""
    text = _SCHEME.sub(
        lambda m: f"hxx{m[2][2:]}://" if m[0].lower().startswith("http") else f"{m[1]}{m[2]}:[//]", text
    )
    return _WWW.sub("www[.]", text)


def plain_span(span: Span) -> str:
    return unlinked(clean(span.text)) if span.outside else span.text


def html_span(span: Span) -> str:
    """Inside <code> nobody looks for links, mentions or commands."""
    text = html_text.escape(clean(span.text), quote=True)
    return f"<code>{text}</code>" if span.outside and text else text


def markdown_span(span: Span) -> str:
    """A code span; it cannot hold the character that ends it."""
    if not span.outside:
        return span.text
    text = clean(span.text).replace("`", "'").strip()
    return f"`{text}`" if text else ""


def line(spans: Line, how: Callable[[Span], str] = plain_span) -> str:
    return "".join(how(span) for span in spans)


def whole(text: Text, how: Callable[[Span], str], limit: int) -> str:
    """Title, body and last line within `limit` characters: lines that do not fit are left out whole, so that no
    mark-up is torn, and the last line stays."""
    last = line(text.last, how)
    title = line(text.title, how)
    room = limit - len(last) - len(CUT) - 2
    if len(title) > room:
        title = line(tuple(Span(cut(one.text, 24), one.outside) for one in text.title), how)
    kept = [title]
    size = len(kept[0])
    for spans in text.body:
        rendered = line(spans, how)
        if size + len(rendered) + 1 > room:
            kept.append(CUT)
            break
        kept.append(rendered)
        size += len(rendered) + 1
    return "\n".join([*kept, last])


def plain(text: Text, limit: int) -> str:
    return whole(text, plain_span, limit)


def short(spans: Line, limit: int) -> str:
    """One line of plain text."""
    rendered = line(spans)
    return rendered if len(rendered) <= limit else f"{rendered[: limit - 1]}…"
