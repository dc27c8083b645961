# SPDX-License-Identifier: Apache-2.0
"""Parts of the machine that there is once (parts.toml): what two findings can be about without naming it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec

from innerwarden.model.entity import EntityType
from innerwarden.model.finding import Finding


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding is about the part when its detector always is, when it names one of `sources` as a service, or
    when the acting process is one of `programs` (last component of its path) or runs below one."""

    detectors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class Parts:
    """The table, ready to be asked for every finding."""

    def __init__(self, table: dict[str, Part]) -> None:
        self.table = table
        self._of_detector: dict[str, list[str]] = {}
        self._of_source: dict[str, list[str]] = {}
        for name, part in table.items():
            for detector in part.detectors:
                self._of_detector.setdefault(detector, []).append(name)
            for source in part.sources:
                self._of_source.setdefault(source, []).append(name)
        self._programs = [(name, part.programs) for name, part in table.items() if part.programs]

    def of(self, finding: Finding) -> Iterator[str]:
        yield from self._of_detector.get(finding.detector, ())
        for entity in finding.fields.entities:
            if entity.type is EntityType.SERVICE:
                yield from self._of_source.get(entity.value, ())
        process = finding.fields.process
        if process is None:
            return
        exes = [one.exe.rpartition("/")[2] for one in (process, *process.ancestors) if one.exe]
        for name, programs in self._programs:
            if any(fnmatchcase(exe, program) for exe in exes for program in programs):
                yield name
