# SPDX-License-Identifier: Apache-2.0
"""Shapes of the case table and of its results."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Place(StrEnum):
    HOST = "host"
    VM = "vm"
    BOTH = "both"


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of `detector` whose line holds the act's mark and every text of `holds`.

    `{mark}`, `{plain}` and `{directory}` in a text are filled in. `marked` is False for findings about log lines,
    which no process of ours is part of.
    """

    detector: str
    holds: tuple[str, ...] = ()
    marked: bool = True


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One process run: `act` of `programs/<program>.py`. `needs` name checks of obstacles.py; `last`: after all others,
    because the sensor is not the same afterwards."""

    program: str
    act: str
    expects: tuple[Expect, ...]
    place: Place = Place.HOST
    needs: tuple[str, ...] = ()
    timeout_s: float = 30.0
    last: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list. Without acts it is a declared blind spot."""

    number: int
    technique: str
    answer: str
    acts: tuple[Act, ...] = ()
    blind_spot: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one act: `found` are detectors that told of it, `missing` what was expected and did not come,
    `obstacle` why it did not run here, `error` how it failed by itself."""

    act: str
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    obstacle: str = ""
    error: str = ""

    @property
    def ran(self) -> bool:
        return not self.obstacle

    @property
    def detected(self) -> bool:
        return self.ran and not self.error and not self.missing


class Result(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    outcomes: tuple[Outcome, ...]
