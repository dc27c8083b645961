# SPDX-License-Identifier: Apache-2.0
"""Which detectors there are, so that a rule about none of them is refused."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from innerwarden import paths
from innerwarden.config import Config

#: What the sensor reports about itself.
OF_THE_SENSOR = frozenset({"sensor_blind", "sensor_gap", "modules_changed"})
_SUFFIXES = (".yml", ".yaml", ".toml", ".py")


def known_detectors(config: Config, others: Iterable[str] = ()) -> frozenset[str]:
    """Ids of every installed detector, switched on or not, by the names of their files; and `others`.

    Nothing is compiled: a file's name is its detector's id, and the module loader enforces that.
    """
    found = {*OF_THE_SENSOR, *others}
    for directory in paths.modules_dirs():
        found |= {p.stem for p in directory.glob("*/detectors/*") if p.suffix in _SUFFIXES}
    for name in config.rules.directories:
        found |= {p.stem for p in Path(name).rglob("*") if p.suffix in _SUFFIXES}
    return frozenset(found)


def unmatched(globs: Iterable[str], known: frozenset[str]) -> list[str]:
    """Those that match no detector."""
    return [glob for glob in globs if not any(fnmatchcase(name, glob) for name in known)]


def matches(globs: Iterable[str], detector: str) -> bool:
    """`*` stands for anything; everything else for itself."""
    return any(fnmatchcase(detector, glob) for glob in globs)
