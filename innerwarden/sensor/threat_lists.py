# SPDX-License-Identifier: Apache-2.0
"""Threat lists of the operator: a directory of text files, read at the start and again when one of them changes.

Nothing is fetched. Who can write the directory can make findings, so it must belong to root, or to whom the sensor
runs as, and nobody else may write there; the same goes for each file.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from innerwarden_core import Engine, Intel

from innerwarden.config import ThreatListsConfig
from innerwarden.log import safe
from innerwarden.model.health import CollectorHealth

logger = logging.getLogger(__name__)

ENDINGS = frozenset({".txt", ".list", ".hosts", ".csv"})
#: Seconds between two looks at the directory.
PERIOD_S = 10.0
MAX_FILES = 1000
MAX_FILE_BYTES = 256 << 20
#: Refused lines that the log names one by one, a reading.
SHOWN = 20

#: What tells that a file is another one: (name, inode, bytes, mtime ns, ctime ns).
Signature = tuple[tuple[str, int, int, int, int], ...]


def _writable_by_others(status: os.stat_result) -> bool:
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


class ThreatLists:
    """Keeps `engine` provided with what the directory holds."""

    def __init__(self, config: ThreatListsConfig, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._directory = Path(config.directory)
        self._seen: tuple[Signature, tuple[str, ...]] | None = None
        self._next_look = 0.0
        self.problems: list[str] = []
        self.entries = 0
        self.lists = 0
        self.refused = 0

    def tick(self, now: float) -> bool:
        """At most once in PERIOD_S, read again what has changed; True when the engine got a new table.

        `now` is a monotonic moment. A list that can not be read is left out and named; it never stops the sensor.
        """
        if not self._config.enabled or now < self._next_look:
            return False
        self._next_look = now + PERIOD_S
        problems: list[str] = []
        files = self._files(problems)
        seen = (tuple(mark for _, mark in files), tuple(problems))
        if seen == self._seen:
            return False
        self._seen = seen
        self._read([path for path, _ in files], problems)
        return True

    def _files(self, problems: list[str]) -> list[tuple[Path, tuple[str, int, int, int, int]]]:
        """Lists in order of their names, each with its mark; why others are left out goes into `problems`."""
        try:
            if _writable_by_others(self._directory.stat()):
                problems.append(f"{self._directory}: others may write there; chown root, chmod go-w")
                return []
            names = sorted(p for p in self._directory.iterdir() if p.suffix in ENDINGS)
        except FileNotFoundError:
            return []
        except OSError as error:
            problems.append(f"{self._directory}: {error.strerror}")
            return []
        found: list[tuple[Path, tuple[str, int, int, int, int]]] = []
        for path in names:
            try:
                status = path.stat()
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
                continue
            if reason := self._unfit(status, len(found)):
                problems.append(f"{path}: {reason}")
                continue
            found.append(
                (path, (path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
            )
        return found

    @staticmethod
    def _unfit(status: os.stat_result, before: int) -> str:
        if not stat.S_ISREG(status.st_mode):
            return "is no ordinary file"
        if _writable_by_others(status):
            return "others may write it; chown root, chmod go-w"
        if status.st_size > MAX_FILE_BYTES:
            return f"is larger than {MAX_FILE_BYTES >> 20} MiB; split it"
        return f"is behind the first {MAX_FILES} files" if before >= MAX_FILES else ""

    def _read(self, files: list[Path], problems: list[str]) -> None:
        contents = []
        for path in files:
            try:
                contents.append((safe(path.stem, 200), path.read_bytes()))
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
        intel = Intel(contents, self._config.max_entries) if contents else None
        self._engine.use_intel(intel)
        self.lists = len(contents)
        self.entries = sum(intel.counts.values()) if intel else 0
        self.refused = sum(intel.refused.values()) if intel else 0
        names = {safe(path.stem, 200): path for path in files}
        for name, line, reason in intel.problems if intel else ():
            problems.append(f"{names[name]}:{line}: {reason}")
        self.problems = problems
        for problem in problems[:SHOWN]:
            logger.warning("threat list refused %s", problem)
        logger.info(
            "threat lists read lists=%d entries=%d refused=%d memory_bytes=%d",
            self.lists,
            self.entries,
            self.refused,
            intel.table_bytes if intel else 0,
        )

    def health(self) -> list[CollectorHealth]:
        """Nothing without lists. `lines`: entries held; `malformed`: lines refused; `reason`: the first problem."""
        if not self.lists and not self.problems:
            return []
        return [
            CollectorHealth(
                id="threat_lists",
                state="working" if self.lists else "absent",
                reason=self.problems[0] if self.problems else f"{self.entries} entries of {self.lists} lists",
                lines=self.entries,
                malformed=self.refused,
            )
        ]
