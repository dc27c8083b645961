# SPDX-License-Identifier: Apache-2.0
"""The tables behind correlations; made by the engine, never by callers."""

from typing import final

@final
class Window: ...
