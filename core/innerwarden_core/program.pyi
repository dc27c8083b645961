# SPDX-License-Identifier: Apache-2.0
"""Rules compiled to flat arrays; made by the engine, never by callers."""

from typing import final

@final
class Program: ...
