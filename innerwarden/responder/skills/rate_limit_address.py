# SPDX-License-Identifier: Apache-2.0
"""Refuse one address in nginx: `deny` lines in a file of ours, which the operator's configuration includes.

nginx tests every change before it is told to reload; what it does not accept is taken back.
Source: ngx_http_access_module; nginx(8), "-t", "-T", "-s".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path

from innerwarden.files import replace_whole, sync_directory, who_else_writes
from innerwarden.model.verb import RateLimitAddress
from innerwarden.responder import command
from innerwarden.responder.skill import Effect, Found, Keep, Means, Refusal, Skill, SkillError

_MARK = "# InnerWarden writes this file; changes are lost."
_DENY = re.compile(r"deny ([0-9a-f.:]+);")
_FILE = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_INCLUDE = re.compile(r"^\s*include\s+[\"']?([^\"';]+)[\"']?\s*;", re.MULTILINE)

#: What `nginx -s` says without a master: no pid file, an empty one, or one of a process that ended.
_NOT_RUNNING = ("failed (2: ", "invalid PID number", "failed (3: ")


class Limit(Skill[RateLimitAddress]):
    """The file is what is in effect; no handle is needed. `arguments`: in front of all others that nginx gets."""

    verb = RateLimitAddress

    def __init__(self, place: Path, arguments: tuple[str, ...] = ()) -> None:
        self._place = place
        self._arguments = arguments

    def missing(self) -> str | None:
        """Why it cannot be used here, None when it can. Changes nothing."""
        if command.find("nginx") is None:
            return "nginx is not installed"
        ran = command.run("nginx", *self._arguments, "-T")
        if ran.code != 0:
            return f"nginx does not accept its own configuration: {ran.problem}"
        dump = ran.out.decode("utf-8", "replace")
        files = _FILE.findall(dump)
        base = Path(files[0]).parent if files else Path("/")
        if not any(fnmatchcase(str(self._place), str(base / one.strip())) for one in _INCLUDE.findall(dump)):
            return f"nginx does not include {self._place}"
        return None

    def plan(self, verb: RateLimitAddress, ttl_s: int) -> list[str]:
        address = _address(verb)
        self._usable()
        return [f"add to {self._place}: deny {address};", "nginx -t", "nginx -s reload"]

    def do(self, effect: Effect[RateLimitAddress], keep: Keep) -> None:
        address = _address(effect.verb)
        self._usable()
        self._change({*self._addresses(), address})

    def undo(self, effect: Effect[RateLimitAddress]) -> None:
        address = _address(effect.verb)
        addresses = self._addresses()
        if address in addresses:
            self._change(addresses - {address}, ending=True)

    def check(self, effect: Effect[RateLimitAddress]) -> str | None:
        if _address(effect.verb) not in self._addresses():
            return f"{self._place} does not deny {effect.verb.address}"
        return self.missing()

    def present(self) -> Sequence[Found]:
        addresses = sorted(self._addresses())
        problem = self.missing() or "" if addresses else ""
        return [Found(verb=RateLimitAddress(address=address), problem=problem) for address in addresses]

    def clear(self) -> None:
        """The file goes; it stays, empty, where nginx would not start without it."""
        if not self._is_ours():
            return
        before = self._place.read_bytes()
        self._place.unlink()
        if self._objection():
            self._write(before)
        else:
            sync_directory(self._place.parent)

    def _usable(self) -> None:
        if problem := self.missing():
            raise Refusal("nginx", problem)
        if self._place.exists() and not self._is_ours():
            raise Refusal("nginx", f"{self._place} is not a file of ours")
        if doubt := who_else_writes(str(self._place.parent.resolve())):
            raise Refusal("nginx", f"{self._place.parent} is not used: {doubt}")

    def _is_ours(self) -> bool:
        try:
            return not self._place.is_symlink() and self._place.read_text().startswith(_MARK)
        except (OSError, UnicodeDecodeError):
            return False

    def _addresses(self) -> set[str]:
        if not self._is_ours():
            return set()
        found = (_DENY.fullmatch(line) for line in self._place.read_text().splitlines())
        return {match[1] for match in found if match is not None}

    def _change(self, addresses: Iterable[str], *, ending: bool = False) -> None:
        """Write, test, reload; on any objection what was there is there again. An nginx that does not run, or is gone,
        does not keep a block from ending."""
        before = self._place.read_bytes() if self._place.exists() else None
        try:
            self._write("\n".join([_MARK, *(f"deny {one};" for one in sorted(addresses)), ""]).encode())
            if ending and command.find("nginx") is None:
                return
            if problem := self._objection() or self._reload(ending):
                raise SkillError(f"nginx did not take the change: {problem}", "Look at: nginx -t")
        except SkillError:
            if before is None:
                self._place.unlink(missing_ok=True)
            else:
                self._write(before)
            raise

    def _write(self, data: bytes) -> None:
        try:
            replace_whole(self._place, data, 0o644)
        except OSError as error:
            raise SkillError(
                f"{self._place} cannot be written: {error.strerror}", "Check its disk"
            ) from error

    def _objection(self) -> str | None:
        ran = command.run("nginx", *self._arguments, "-t")
        return None if ran.code == 0 else ran.said.splitlines()[-1] if ran.said else f"exit code {ran.code}"

    def _reload(self, ending: bool) -> str | None:
        ran = command.run("nginx", *self._arguments, "-s", "reload")
        if ending and any(one in ran.said for one in _NOT_RUNNING):
            return None
        return None if ran.code == 0 else ran.said.splitlines()[-1] if ran.said else f"exit code {ran.code}"


def _address(verb: RateLimitAddress) -> str:
    """Canonical, and without a scope: that could be any text."""
    try:
        value = str(ip_address(verb.target().value))
    except ValueError as error:
        raise Refusal("not_an_address", f"{verb.address[:64]!r} is not one address") from error
    if "%" in value:
        raise Refusal("not_an_address", f"{verb.address[:64]!r} has a scope")
    return value


def make(means: Means) -> Limit:
    return Limit(Path(means.config.nginx_deny_file))
