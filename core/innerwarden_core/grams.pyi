# SPDX-License-Identifier: Apache-2.0
"""Indexes from values to rules; made by the compiler of rules."""

def rarest(literal: bytes, width: int) -> int:
    """Where in `literal` the gram of `width` bytes starts that is least common in paths and commands."""
