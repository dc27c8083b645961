# SPDX-License-Identifier: Apache-2.0
"""Move one file, pinned by inode and device, into a directory of root's, where it is nobody's and has no mode.

Every step is a rename that replaces nothing, and what was moved is looked at afterwards: a file that somebody put in
its place in between goes back. Between file systems the file is renamed in its own directory first, copied, and then
removed. The handle, and a note beside the file, say what it was.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.clock import realtime_ns
from innerwarden.files import kernel_dev, replace_whole, sync_directory
from innerwarden.model.verb import QuarantineFile
from innerwarden.responder import moving
from innerwarden.responder.moving import FS_APPEND, FS_IMMUTABLE
from innerwarden.responder.skill import Effect, Found, Keep, Means, Refusal, Skill, SkillError, TargetGone

#: More is not copied to another file system; a rename takes any size.
COPY_BYTES = 512 << 20
MIN_FREE_BYTES = 128 << 20
XATTR_BYTES = 32 << 10
_NOTE = ".json"
_PART = ".part"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a file was. `name`: in our directory. Times in ns; `flags` are those inode flags that were taken off."""

    path: str
    inode: int
    dev: int
    name: str
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    flags: int
    xattrs: dict[str, bytes]


class Quarantine(Skill[QuarantineFile]):
    verb = QuarantineFile

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def plan(self, verb: QuarantineFile, ttl_s: int) -> list[str]:
        with moving.parent_of(verb.path) as (parent, name), moving.held(parent, name) as fd:
            found = _same(fd, verb)
            return [f"move {verb.path} ({found.st_size} bytes) below {self._directory}, mode 0, owner root"]

    def do(self, effect: Effect[QuarantineFile], keep: Keep) -> None:
        try:
            kept = _read(effect.handle) if effect.handle else self._describe(effect.verb)
            keep(_written(kept))
            self._directory.mkdir(mode=0o700, exist_ok=True)
            replace_whole(self._note(kept), _written(kept).encode(), 0o600)
            if not self._place(kept).exists():
                self._take(kept)
            self._seal(kept)
            self._drop_aside(kept)
            sync_directory(self._directory)
        except OSError as error:
            raise SkillError(f"{effect.verb.path} cannot be moved: {error}", "Look at it by hand") from error

    def undo(self, effect: Effect[QuarantineFile]) -> None:
        if not effect.handle:
            return
        kept = _read(effect.handle)
        try:
            self._put_back(kept)
            self._place(kept).with_suffix(_PART).unlink(missing_ok=True)
            self._note(kept).unlink(missing_ok=True)
        except (OSError, TargetGone) as error:
            raise SkillError(
                f"{kept.path} cannot be put back: {error}",
                f"It lies in {self._place(kept)}: make room for it, or remove it there",
            ) from error

    def check(self, effect: Effect[QuarantineFile]) -> str | None:
        kept = _read(effect.handle)
        try:
            found = self._place(kept).lstat()
        except FileNotFoundError:
            return f"{self._place(kept)} is not there"
        if stat.S_IMODE(found.st_mode) or found.st_uid or found.st_gid:
            return f"{self._place(kept)} is not sealed"
        return None

    def present(self) -> Sequence[Found]:
        found = []
        for note in sorted(self._directory.glob(f"*{_NOTE}")):
            with suppress(OSError, msgspec.DecodeError):
                kept = _read(note.read_text())
                verb = QuarantineFile(path=kept.path, inode=kept.inode, dev=kept.dev)
                effect = Effect(request_id="", verb=verb, ttl_s=1, handle=_written(kept))
                found.append(Found(verb=verb, handle=effect.handle, problem=self.check(effect) or ""))
        return found

    def clear(self) -> None:
        """A file that could not be put back stays."""
        with suppress(FileNotFoundError):
            if not any(self._directory.iterdir()):
                self._directory.rmdir()

    def _describe(self, verb: QuarantineFile) -> Kept:
        with moving.parent_of(verb.path) as (parent, name), moving.held(parent, name) as fd:
            found = _same(fd, verb)
            if fd is None:
                raise TargetGone(f"{verb.path} is not there")
            xattrs = {one: os.getxattr(moving.by_fd(fd), one) for one in os.listxattr(moving.by_fd(fd))}
            if sum(map(len, xattrs.values())) > XATTR_BYTES:
                raise Refusal("xattrs", f"{verb.path} has more extended attributes than are kept")
            return Kept(
                path=verb.path,
                inode=verb.inode,
                dev=verb.dev,
                name=f"{realtime_ns():020d}",
                mode=stat.S_IMODE(found.st_mode),
                uid=found.st_uid,
                gid=found.st_gid,
                atime_ns=found.st_atime_ns,
                mtime_ns=found.st_mtime_ns,
                flags=_flags(fd) & (FS_APPEND | FS_IMMUTABLE),
                xattrs=xattrs,
            )

    def _take(self, kept: Kept) -> None:
        with moving.parent_of(kept.path) as (parent, name), moving.directory(self._directory) as here:
            with moving.held(parent, name) as fd:
                if fd is not None and _is(fd, kept):
                    _set_flags(fd, off=kept.flags)
            with moving.held(parent, _aside(kept)) as fd:
                moved = fd is not None and _is(fd, kept)
            if moved:  # an earlier attempt had come so far
                self._take_copy(kept, parent)
                return
            try:
                _move(kept, (parent, name), (here, kept.name))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _move(kept, (parent, name), (parent, _aside(kept)))
                self._take_copy(kept, parent)

    def _take_copy(self, kept: Kept, parent: int) -> None:
        with moving.held(parent, _aside(kept)) as fd:
            if fd is None or not _is(fd, kept):
                raise TargetGone(f"{kept.path} is not there")
            _seal(fd)
            size, free = os.fstat(fd).st_size, os.statvfs(self._directory)
            if size > COPY_BYTES:
                raise Refusal("too_large", f"{kept.path} has {size} bytes and lies on another file system")
            if free.f_bavail * free.f_frsize < size + MIN_FREE_BYTES:
                raise SkillError(f"the disk of {self._directory} is nearly full", "Free some space")
            part = self._place(kept).with_suffix(_PART)
            part.unlink(missing_ok=True)
            _copy(Path(moving.by_fd(fd)), part)
            part.rename(self._place(kept))

    def _drop_aside(self, kept: Kept) -> None:
        """The original, once its copy is whole."""
        with suppress(TargetGone), moving.parent_of(kept.path) as (parent, _name):
            with moving.held(parent, _aside(kept)) as fd:
                there = fd is not None and _is(fd, kept)
            if there:
                os.unlink(_aside(kept), dir_fd=parent)
                sync_directory(Path(moving.by_fd(parent)))

    def _seal(self, kept: Kept) -> None:
        with moving.directory(self._directory) as here, moving.held(here, kept.name) as fd:
            if fd is not None:
                _seal(fd)

    def _put_back(self, kept: Kept) -> None:
        """From wherever an attempt, or an earlier undo, left it."""
        place = self._place(kept)
        try:
            with moving.parent_of(kept.path) as (parent, name):
                self._put_back_in(kept, parent, name)
                sync_directory(Path(moving.by_fd(parent)))
        except TargetGone:
            if place.exists():
                raise

    def _put_back_in(self, kept: Kept, parent: int, name: str) -> None:
        place = self._place(kept)
        with moving.held(parent, _aside(kept)) as fd:
            if fd is not None and _is(fd, kept):
                moving.rename(parent, _aside(kept), parent, name)
                place.unlink(missing_ok=True)
        if place.exists():
            with moving.directory(self._directory) as here:
                try:
                    moving.rename(here, kept.name, parent, name)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    self._copy_back(kept, parent, name)
        with moving.held(parent, name) as fd:
            if fd is not None and _is(fd, kept):
                _dress(fd, kept)
                _set_flags(fd, on=kept.flags)

    def _copy_back(self, kept: Kept, parent: int, name: str) -> None:
        place = self._place(kept)
        aside = Path(moving.by_fd(parent)) / _aside(kept)
        aside.unlink(missing_ok=True)
        try:
            _copy(place, aside)
            with moving.held(parent, aside.name) as fd:
                if fd is not None:
                    _dress(fd, kept)
            moving.rename(parent, aside.name, parent, name)
        except FileExistsError:
            if not _is_copy(aside, Path(moving.by_fd(parent)) / name, kept):
                raise
        finally:
            aside.unlink(missing_ok=True)
        with moving.held(parent, name) as fd:
            if fd is not None and stat.S_ISREG(os.fstat(fd).st_mode):
                _set_flags(fd, on=kept.flags)
        place.unlink()

    def _place(self, kept: Kept) -> Path:
        return self._directory / kept.name

    def _note(self, kept: Kept) -> Path:
        return self._directory / f"{kept.name}{_NOTE}"


def _same(fd: int | None, verb: QuarantineFile) -> os.stat_result:
    """Raises TargetGone when it is not the file of the verb, Refusal when it is one that is not moved."""
    if fd is None:
        raise TargetGone(f"{verb.path} is not there")
    found = os.fstat(fd)
    if (found.st_ino, kernel_dev(fd, found)) != (verb.inode, verb.dev):
        raise TargetGone(f"{verb.path} is another file by now")
    if not stat.S_ISREG(found.st_mode):
        raise Refusal("not_a_file", f"{verb.path} is no regular file")
    if found.st_nlink != 1:
        raise Refusal("hard_links", f"{verb.path} is one of {found.st_nlink} names of its file")
    return found


def _is(fd: int, kept: Kept) -> bool:
    found = os.fstat(fd)
    return found.st_ino == kept.inode and kernel_dev(fd, found) == kept.dev


def _move(kept: Kept, source: tuple[int, str], to: tuple[int, str]) -> None:
    """And back again, when it was another file."""
    with moving.held(*source) as fd:
        if fd is None or not _is(fd, kept):
            raise TargetGone(f"{kept.path} is not there, or another file by now")
    moving.rename(*source, *to)
    with moving.held(*to) as fd:
        if fd is not None and _is(fd, kept):
            return
    moving.rename(*to, *source)
    raise TargetGone(f"{kept.path} was replaced at this moment")


def _seal(fd: int) -> None:
    """Owner first: who had it open could set a mode, but not on a file of root's. That drops capabilities, too."""
    os.chown(moving.by_fd(fd), 0, 0)
    Path(moving.by_fd(fd)).chmod(0)


def _dress(fd: int, kept: Kept) -> None:
    """As it was; the owner first, because changing him drops capabilities and set-id bits."""
    path = moving.by_fd(fd)
    os.chown(path, kept.uid, kept.gid)
    for name, value in kept.xattrs.items():
        os.setxattr(path, name, value)
    Path(path).chmod(kept.mode)
    os.utime(path, ns=(kept.atime_ns, kept.mtime_ns))


def _flags(fd: int) -> int:
    opened = os.open(moving.by_fd(fd), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return moving.flags_of(opened)
    finally:
        os.close(opened)


def _set_flags(fd: int, on: int = 0, off: int = 0) -> None:
    if on | off:
        opened = os.open(moving.by_fd(fd), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            moving.set_flags(opened, moving.flags_of(opened) & ~off | on)
        finally:
            os.close(opened)


def _copy(source: Path, to: Path) -> None:
    """Into a new file that nobody can open yet, on the disk when it returns."""
    fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0)
    with source.open("rb") as reader, os.fdopen(fd, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(fd)


def _is_copy(ours: Path, there: Path, kept: Kept) -> bool:
    """Whether an earlier undo was interrupted after it had put the copy there."""
    found = there.lstat()
    alike = stat.S_ISREG(found.st_mode) and found.st_mtime_ns == kept.mtime_ns and found.st_uid == kept.uid
    return alike and filecmp.cmp(ours, there, shallow=False)


def _aside(kept: Kept) -> str:
    """Beside the original, on its file system."""
    return f".innerwarden-{kept.name}"


def _written(kept: Kept) -> str:
    return msgspec.json.encode(kept).decode()


def _read(handle: str) -> Kept:
    return msgspec.json.decode(handle, type=Kept)


def make(means: Means) -> Quarantine:
    return Quarantine(means.directory / "quarantine")
