# SPDX-License-Identifier: Apache-2.0
"""Indexes from values to rules; made by the compiler of rules."""

from collections.abc import Mapping

def rarest(literal: bytes, width: int, shared: Mapping[bytes, int] | None = None) -> int:
    """Where in `literal` the gram of `width` bytes starts that is least common in paths and commands."""
