# SPDX-License-Identifier: Apache-2.0
"""Logging set-up, and the one way outside text enters a log line."""

from __future__ import annotations

import logging
import sys


def safe(text: str | bytes, limit: int = 200) -> str:
    """Escape control and non-printable characters and cut at `limit`; outside text never forges a line."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if len(text) <= limit and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "..."


def setup(name: str, level: int = logging.INFO) -> logging.Logger:
    """Log to stderr; a service manager adds time and host."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    return logging.getLogger(name)
