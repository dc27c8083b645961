# SPDX-License-Identifier: Apache-2.0
"""Files as they are closed after writing, and as they are executed: samples of their content, judged.

The kernel hands the open file over (fanotify), so that nothing is looked up by a name that somebody may exchange, and
says who wrote it. Most files need no look inside; a name that promises a format, or an extension of ransomware, does.
Executables, scripts and whatever runs are offered to `offer`. Reading is bounded, waiting never happens, and the
kernel's queue is: what does not fit is counted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from innerwarden.libbpf import fanotify
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import file_content, files, mounts
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Actor, Fact
from innerwarden.sensor.inventory.formats import TEXT
from innerwarden.sensor.inventory.suid_files import LOCAL

KIND = "host.file_write"
#: Looks from one reading of the mount table to the next: a container's file system is watched within this time.
MOUNTS_EVERY = 15
FILE_SYSTEMS = 1024
#: Events that are taken from the kernel at once, each with an open descriptor, and of one look.
BATCH_EVENTS = 64
LOOK_EVENTS = 4096
MASK = fanotify.CLOSE_WRITE | fanotify.OPEN_EXEC
_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_DELETED = " (deleted)"
_SCRIPTS = (
    *(".php", ".phtml", ".phar", ".php5", ".php7", ".inc", ".jsp", ".jspx", ".asp", ".aspx", ".cgi"),
    *(".py", ".pl", ".rb", ".sh", ".lua", ".so"),
)
_PROGRAMS = (b"\x7fELF", b"#!")

REASONS = {
    file_content.SCRAMBLED: "named like .{format}, and its content is random",
    file_content.RANSOM_EXTENSION: "has the extension .{outer} of ransomware, and its content is random",
    file_content.APPENDED: "a .{format} with .{outer} put after it, and its content is random",
    file_content.FORMAT_LOST: "named like .{format}, and its content is not",
    file_content.NOTE: "a text that asks for money for files",
    file_content.WEB_SCRIPT: "a page that a web server executes",
}

#: (open file, its state, its path, who, executed or written). The file is the caller's; keep a copy of the descriptor.
Offer = Callable[[int, os.stat_result, str, "Actor | None", bool], None]
#: Whether `offer` would take a file in this state: most that run were looked at before, and need no name and no actor.
Wanted = Callable[[os.stat_result], bool]


class FileWrites:
    """`actor_of` knows processes by id; `offer` is asked to look at programs, those that are `wanted`."""

    id = "file_writes"
    budget_ms = 1.0
    baseline: Baseline | None = None

    def __init__(
        self,
        actor_of: Callable[[int], Actor | None],
        offer: Offer | None = None,
        wanted: Wanted = lambda state: True,
        proc: str = "/proc",
    ) -> None:
        self._actor_of = actor_of
        self._offer = offer
        self._wanted = wanted
        self._proc = proc
        self._group: fanotify.Group | None = None
        self._marked: set[str] = set()
        self._refused: dict[str, str] = {}
        self._looks = 0
        self._overflows = 0
        self._unopened = 0

    def obstacle(self) -> str:
        if self._group is None:
            try:
                self._group = fanotify.Group(names=False)
            except OSError as error:
                return f"the kernel does not tell who writes files: {error}"
        return ""

    def remark(self) -> str:
        parts = []
        if self._overflows:
            parts.append(f"the kernel's queue of writes was full {self._overflows} times")
        if self._unopened:
            parts.append(f"{self._unopened} files could not be opened")
        if self._refused:
            place, why = next(iter(self._refused.items()))
            parts.append(f"{len(self._refused)} file systems are not watched, among them {place}: {why}")
        return "; ".join(parts)

    def look(self) -> Look:
        group = self._group or fanotify.Group(names=False)
        self._group = group
        if self._looks % MOUNTS_EVERY == 0:
            yield from self._watch(group)
        self._looks += 1
        for _ in range(LOOK_EVENTS // BATCH_EVENTS):
            batch = self._batch(group)
            if not batch:
                return
            try:
                while batch:
                    yield self._judge(*batch[0])
                    os.close(batch.pop(0)[0].fd)
            finally:
                for event, _state in batch:
                    os.close(event.fd)

    def _batch(self, group: fanotify.Group) -> list[tuple[fanotify.Event, os.stat_result]]:
        """Some waiting events with their files' state. Of several writers of one file the last: the content is its."""
        found: list[tuple[fanotify.Event, os.stat_result]] = []
        last: dict[tuple[int, int], int] = {}
        for _ in range(BATCH_EVENTS // fanotify.EVENTS_WITH_FILES):
            try:
                events = group.read()
            except OSError:  # of one file that the kernel cannot open for us; it is not asked about again
                self._unopened += 1
                continue
            for event in events:
                self._overflows += bool(event.mask & fanotify.OVERFLOW)
                if event.fd < 0:
                    continue
                state = os.fstat(event.fd)
                if event.pid == os.getpid() or not stat.S_ISREG(state.st_mode):
                    os.close(event.fd)
                    continue
                if event.mask & fanotify.CLOSE_WRITE:
                    last[state.st_dev, state.st_ino] = event.fd
                found.append((event, state))
            if not events:
                break
        kept = []
        for event, state in found:
            if event.mask & MASK == fanotify.CLOSE_WRITE and last[state.st_dev, state.st_ino] != event.fd:
                os.close(event.fd)
            else:
                kept.append((event, state))
        return kept

    def _watch(self, group: fanotify.Group) -> Find[None]:
        """Every local file system once; one that was unmounted may come back as another one."""
        table = mounts.table(f"{self._proc}/self/mountinfo")
        here = {one.dev: one for one in reversed(table) if one.fs_type in LOCAL or one.fs_type == "overlay"}
        self._marked &= set(here)
        self._refused = {}
        for dev, one in list(here.items())[:FILE_SYSTEMS]:
            if dev not in self._marked:
                try:
                    group.watch_file_system(one.place, MASK)
                    self._marked.add(dev)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    self._refused[one.place] = str(error)
            yield None

    def _judge(self, event: fanotify.Event, state: os.stat_result) -> Fact | None:
        offers = self._offer is not None and self._wanted(state)
        if not offers and not event.mask & fanotify.CLOSE_WRITE:
            return None
        path = files.link(f"{self._proc}/self/fd/{event.fd}")
        if not path.startswith("/"):
            return None  # in a mount namespace that this process cannot see
        if offers and event.mask & fanotify.OPEN_EXEC:
            self._offer_file(event, state, path, executed=True)
        if not event.mask & fanotify.CLOSE_WRITE or path.endswith(_DELETED):
            return None
        name = path.rpartition("/")[2]
        verdict, values = self._verdict(event.fd, state, name)
        if not verdict and state.st_size and file_content.is_web_script(path):
            verdict = file_content.WEB_SCRIPT
        if offers and self._is_program(event.fd, state, name):
            self._offer_file(event, state, path, executed=False)
        if not verdict:
            return None
        return Fact(
            kind=KIND,
            change=Change.FOUND,
            name=name,
            path=path,
            value=verdict,
            inode=state.st_ino,
            mode=state.st_mode,
            target_uid=state.st_uid,
            reason=REASONS[verdict].format(**values),
            actor=self._actor_of(event.pid),
        )

    def _verdict(self, fd: int, state: os.stat_result, name: str) -> tuple[str, dict[str, str]]:
        if state.st_size < file_content.LEAST // 4:
            return "", {}
        if file_content.is_note_name(name):
            if file_content.is_note(os.pread(fd, file_content.NOTE_BYTES, 0)):
                return file_content.NOTE, {}
            return "", {}
        promise = file_content.promise_of(name)
        if promise is None or state.st_size < file_content.LEAST:
            return "", {}
        head = os.pread(fd, file_content.SAMPLE, 0)
        others: tuple[bytes, ...] = ()
        if state.st_size > 3 * file_content.SAMPLE and promise.format in TEXT:
            middle, end = state.st_size // 2, state.st_size - file_content.SAMPLE
            others = tuple(os.pread(fd, file_content.SAMPLE, at) for at in (middle, end))
        values = {"format": promise.format or "*", "outer": promise.outer}
        return file_content.judge(promise, head, others), values

    def _is_program(self, fd: int, state: os.stat_result, name: str) -> bool:
        if state.st_size < 16:
            return False
        if state.st_mode & _EXECUTE or name.lower().endswith(_SCRIPTS):
            return True
        return os.pread(fd, 4, 0).startswith(_PROGRAMS)

    def _offer_file(self, event: fanotify.Event, state: os.stat_result, path: str, *, executed: bool) -> None:
        if self._offer is not None:
            self._offer(event.fd, state, path, self._actor_of(event.pid), executed)
