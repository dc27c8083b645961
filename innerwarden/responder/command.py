# SPDX-License-Identifier: Apache-2.0
"""Programs that skills run: an argument list, programs that root alone can change, a clean environment, a limit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

from innerwarden.files import who_else_writes
from innerwarden.responder.skill import SkillError

DIRECTORIES = (Path("/usr/sbin"), Path("/usr/bin"), Path("/sbin"), Path("/bin"))
TIMEOUT_S = 10.0
_ENVIRONMENT = {"PATH": ":".join(map(str, DIRECTORIES)), "LC_ALL": "C", "HOME": "/nonexistent"}


class Output(msgspec.Struct, frozen=True):
    code: int
    out: bytes
    problem: str
    """First line of what it said on stderr."""
    said: str = ""
    """All of that."""


def find(program: str) -> Path | None:
    """Where `program` is, when root alone can change that file; None when it is not there."""
    for directory in DIRECTORIES:
        place = directory / program
        if place.is_file() and os.access(place, os.X_OK):
            real = place.resolve()
            if doubt := who_else_writes(str(real)):
                raise SkillError(f"{place} is not used: {doubt}", "Give it to root alone")
            return real if real.name == program else place
    return None


def run(program: str, *arguments: str, given: bytes = b"", timeout_s: float = TIMEOUT_S) -> Output:
    """Run to its end, stdin from `given`. Raises SkillError when it is missing or takes too long."""
    place = find(program)
    if place is None:
        raise SkillError(f"{program} is not installed", f"Install {program}, or choose another backend")
    try:
        done = subprocess.run(
            [str(place), *arguments],
            input=given,
            capture_output=True,
            timeout=timeout_s,
            env=_ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SkillError(f"{program} took more than {timeout_s:.0f} s", "Try it by hand") from error
    except OSError as error:
        raise SkillError(f"{program} cannot be started: {error.strerror}", "Check it by hand") from error
    said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return Output(done.returncode, done.stdout, said[0] if said else "", "\n".join(said))


def start(program: str, *arguments: str, out: Path, said: Path) -> subprocess.Popen[bytes]:
    """Start what goes on after the call, in a session of its own; stdout and stderr into new files of mode 0600."""
    place = find(program)
    if place is None:
        raise SkillError(f"{program} is not installed", f"Install {program}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with (
            os.fdopen(os.open(out, flags, 0o600), "wb") as one,
            os.fdopen(os.open(said, flags, 0o600), "wb") as two,
        ):
            return subprocess.Popen(
                [str(place), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=one,
                stderr=two,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        raise SkillError(f"{program} cannot be started: {error}", "Check it by hand") from error
