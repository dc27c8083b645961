# SPDX-License-Identifier: Apache-2.0
"""What every inventory collector is: one look at the host, made in small steps.

A look is a generator. Each step must end within a fraction of a millisecond and yields a Fact to report, or None
to let the scheduler go on with something else. A look that raises is given up as a whole: it reports nothing
more and leaves the baseline as it was.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeVar

from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.fact import Fact

T = TypeVar("T")

Look = Generator[Fact | None, None, None]
"""Steps of one look."""
Find = Generator[None, None, T]
"""Steps that end with a result."""


class Collector(Protocol):
    """One subject. `baseline` is None when what is found stands for itself."""

    id: str

    @property
    def budget_ms(self) -> float:
        """CPU time of one slice; the scheduler makes at most one slice of it every tick."""

    @property
    def baseline(self) -> Baseline | None: ...

    def obstacle(self) -> str:
        """Why it can see nothing here (rights, kernel options), asked before each look; empty when it can."""

    def look(self) -> Look:
        """One complete look at its subject."""

    def remark(self) -> str:
        """What a person should know of the last look (a bound that was met); empty when nothing."""
