# SPDX-License-Identifier: Apache-2.0
"""Take sudo away from one user: a file of ours, read last of all sudoers, that denies his uid every command.

In sudoers the last match wins; an included directory is read in the order of names, without those that have a dot
in them or a tilde at their end. Source: sudoers(5), "User specification", "Including other files"; visudo(8).
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from pathlib import Path

from innerwarden.files import replace_whole, sync_directory, who_else_writes
from innerwarden.model.verb import SuspendSudo
from innerwarden.responder import command
from innerwarden.responder.skill import Effect, Found, Keep, Means, Refusal, Skill, SkillError, TargetGone

MAIN = Path("/etc/sudoers")
DIRECTORY = Path("/etc/sudoers.d")
MODE = 0o440
_MARK = "# InnerWarden: sudo is suspended for "
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?")
_NAME = re.compile(r"z{4,64}_innerwarden_[0-9]{1,10}")
_INCLUDE = re.compile(r"[@#]includedir\s+(.+)")
#: Lines of the main file that grant nothing; `#` and digits are a uid.
_GRANTS_NOTHING = re.compile(r"\s*(#(?!\d|include)|Defaults|(User|Runas|Host|Cmnd|Cmd)_Alias\s|$)")


class Suspend(Skill[SuspendSudo]):
    """The handle is the name of our file."""

    verb = SuspendSudo

    def __init__(self, main: Path, directory: Path, scratch: Path) -> None:
        self._main = main
        self._directory = directory
        self._scratch = scratch / "sudoers.check"

    def plan(self, verb: SuspendSudo, ttl_s: int) -> list[str]:
        uid = _uid(verb.user)
        self._usable()
        place = self._directory / self._free_name(uid)
        return [f"visudo -cf {self._scratch}", f"write {place}: {_rule(uid)}"]

    def do(self, effect: Effect[SuspendSudo], keep: Keep) -> None:
        uid = _uid(effect.verb.user)
        self._usable()
        name = _known(effect.handle) if effect.handle else self._free_name(uid)
        keep(name)
        text = _text(effect.verb.user, uid)
        try:
            replace_whole(self._scratch, text, MODE)
            try:
                self._approved(self._scratch)
            finally:
                self._scratch.unlink(missing_ok=True)
            # Its scratch name has dots: sudo never reads half of it.
            replace_whole(self._directory / name, text, MODE)
        except OSError as error:
            raise SkillError(
                f"{self._directory / name} cannot be written: {error}", "Check it by hand"
            ) from error
        self._approved(self._main)

    def undo(self, effect: Effect[SuspendSudo]) -> None:
        if not effect.handle:
            return
        place = self._directory / _known(effect.handle)
        if _marked(place) is None:
            return
        try:
            place.unlink(missing_ok=True)
            sync_directory(self._directory)
        except OSError as error:
            raise SkillError(f"{place} cannot be removed: {error.strerror}", f"rm {place}") from error

    def check(self, effect: Effect[SuspendSudo]) -> str | None:
        name = _known(effect.handle)
        place = self._directory / name
        user = effect.verb.user
        try:
            found = place.lstat()
            if (found.st_uid, found.st_mode & 0o7777) != (0, MODE) or place.read_bytes() != _text(
                user, _uid(user)
            ):
                return f"{place} is not as it was written"
        except FileNotFoundError:
            return f"{place} is not there"
        if late := [other for other in self._read_by_sudo() if other > name]:
            return f"{self._directory / late[-1]} is read after {name}"
        if problem := self._not_last():
            return problem
        if (
            self._main == MAIN
            and command.run("sudo", "-n", "-l", "-U", user, "--", "/usr/bin/true").code == 0
        ):
            return f"sudo lets {user} run commands all the same"
        return None

    def present(self) -> Sequence[Found]:
        places = sorted(self._directory.glob("z*_innerwarden_*")) if self._directory.is_dir() else []
        found = [(place.name, _marked(place)) for place in places if _NAME.fullmatch(place.name)]
        return [self._found(SuspendSudo(user=user), name) for name, user in found if user is not None]

    def _found(self, verb: SuspendSudo, name: str) -> Found:
        try:
            problem = self.check(Effect(request_id="", verb=verb, ttl_s=1, handle=name))
        except SkillError as error:  # a user who is not there any more
            problem = error.problem
        return Found(verb=verb, handle=name, problem=problem or "")

    def _usable(self) -> None:
        """Raises Refusal where a file of ours would not be read last, or the configuration is broken already."""
        if problem := self._not_last():
            raise Refusal("sudoers", problem)
        if doubt := who_else_writes(str(self._directory.resolve())):
            raise Refusal("sudoers", f"{self._directory} is not used: {doubt}")
        self._approved(self._main)

    def _approved(self, place: Path) -> None:
        ran = command.run("visudo", "-cf", str(place))
        if ran.code != 0:
            raise Refusal("visudo", f"visudo does not accept {place}: {ran.problem or ran.code}")

    def _not_last(self) -> str | None:
        """Why what our directory says would not be the last word, None when it is."""
        try:
            lines = self._main.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ").splitlines()
        except OSError as error:
            return f"{self._main} cannot be read: {error.strerror}"
        at = [number for number, line in enumerate(lines) if self._includes(line)]
        if not at:
            return f"{self._main} does not include {self._directory}"
        after = [line for line in lines[at[-1] + 1 :] if not _GRANTS_NOTHING.match(line)]
        return (
            f"{self._main} goes on after it includes {self._directory}: {after[0][:64]!r}" if after else None
        )

    def _includes(self, line: str) -> bool:
        found = _INCLUDE.fullmatch(line.strip())
        return found is not None and self._main.parent / found[1].strip().strip('"') == self._directory

    def _read_by_sudo(self) -> list[str]:
        return sorted(
            entry.name
            for entry in os.scandir(self._directory)
            if "." not in entry.name and entry.name[-1] != "~"
        )

    def _free_name(self, uid: int) -> str:
        """One that sorts behind all others; other suspensions do not matter."""
        others = [name for name in self._read_by_sudo() if not _NAME.fullmatch(name)]
        for count in range(4, 65):
            name = f"{'z' * count}_innerwarden_{uid}"
            if not others or name > others[-1]:
                return name
        raise Refusal("sudoers", f"{self._directory / others[-1]} is read after anything of ours")


def _uid(user: str) -> int:
    if not _USER.fullmatch(user):
        raise Refusal("not_a_user", f"{user[:32]!r} is no name of a user")
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise TargetGone(f"there is no user {user}") from error
    if uid == 0:
        raise Refusal("root", f"{user} is root")
    return uid


def _rule(uid: int) -> str:
    return f"#{uid} ALL=(ALL:ALL) !ALL"


def _text(user: str, uid: int) -> bytes:
    return f"{_MARK}{user}\n{_rule(uid)}\n".encode()


def _marked(place: Path) -> str | None:
    """The user that a file of ours suspends, None for a file that is not ours."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8") as file:
            first = file.readline(256)
    except (OSError, UnicodeDecodeError):
        return None
    user = first.removeprefix(_MARK).strip()
    return user if first.startswith(_MARK) and _USER.fullmatch(user) else None


def _known(handle: str) -> str:
    if not _NAME.fullmatch(handle):
        raise SkillError(f"{handle!r} is no file of ours", "Look at the journal")
    return handle


def make(means: Means) -> Suspend:
    return Suspend(MAIN, DIRECTORY, means.directory)
