# SPDX-License-Identifier: Apache-2.0
"""Who is logged in right now, and from where: people that must not be locked out.

Three sources, because none has everybody: sshd's own processes (the kernel says whose sockets they hold), the login
records (utmp(5), which Debian 13 no longer writes) and systemd-logind's session files. A connection
that has not authenticated is no session: whoever guesses passwords has one too.
"""

from __future__ import annotations

import os
import platform
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.files import read_quickly
from innerwarden.trust.networks import Address, address_of, of_packed

#: What sshd calls its process once somebody is authenticated (sshd.c and session.c, `setproctitle("%s@%s")`).
_AUTHENTICATED = re.compile(rb"^sshd(?:-session)?: ([^\s@]+)@")
_SSHD = frozenset({"sshd", "sshd-session"})
_ESTABLISHED = "01"
_USER_PROCESS = 7
#: 32-bit time and session where the 32-bit ABI existed before (bits/wordsize.h, __WORDSIZE_TIME64_COMPAT32).
_UTMP = struct.Struct(
    "=hxxi32s4s32s256shhiii16s20x"
    if platform.machine() in ("x86_64", "i686", "ppc64", "s390x", "sparc64")
    else "=hxxi32s4s32s256shhqqq16s20x"
)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`pid` leads the session; `address` is None for a local one."""

    user: str
    pid: int
    address: Address | None = None


def sessions(proc: Path = Path("/proc"), run: Path = Path("/run")) -> tuple[Session, ...]:
    """Sources that are missing have nobody to tell of."""
    return (*_of_sshd(proc), *_of_utmp(run / "utmp", proc), *_of_logind(run / "systemd/sessions"))


def _of_sshd(proc: Path) -> Iterator[Session]:
    for name in os.listdir(proc):  # noqa: PTH208 - names only, of a directory with many entries
        if not name.isdigit():
            continue
        with suppress(OSError):  # it ended, or it is none of ours to look into
            title = _AUTHENTICATED.match(read_quickly(f"{proc}/{name}/cmdline"))
            if title and _is_sshd(entry := proc / name):
                user, pid = os.fsdecode(title[1]), int(name)
                yield Session(user=user, pid=pid)
                for address in _peers(entry):
                    yield Session(user=user, pid=pid, address=address)


def _is_sshd(entry: Path) -> bool:
    """By its file, which root owns: anybody can set a title."""
    exe = str((entry / "exe").readlink()).removesuffix(" (deleted)")
    return Path(exe).name in _SSHD and (entry / "exe").stat().st_uid == 0


def _peers(entry: Path) -> Iterator[Address]:
    """Remote ends of the established TCP connections that a process holds."""
    held = set()
    for fd in (entry / "fd").iterdir():
        with suppress(OSError):
            link = str(fd.readlink())
            if link.startswith("socket:["):
                held.add(link[8:-1])
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (entry / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _ESTABLISHED and words[9] in held:
                    yield _of_hex(words[2].partition(":")[0])


def _of_hex(text: str) -> Address:
    """/proc/net/tcp prints each 32-bit word in the machine's order."""
    return of_packed(b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8)))


def _of_utmp(path: Path, proc: Path) -> Iterator[Session]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    for at in range(0, len(data) - _UTMP.size + 1, _UTMP.size):
        kind, pid, _line, _id, user, host, *_rest = _UTMP.unpack_from(data, at)
        if kind != _USER_PROCESS or not (proc / str(pid)).exists():
            continue
        yield Session(user=_text(user), pid=pid, address=address_of(_text(host).partition("%")[0]))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _of_logind(directory: Path) -> Iterator[Session]:
    try:
        entries = [path for path in directory.iterdir() if not path.name.endswith(".ref")]
    except OSError:
        return
    for path in entries:
        with suppress(OSError, ValueError, KeyError):
            words = dict(
                line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#"
            )
            if words.get("CLASS", "user") != "user" or words.get("STATE") == "closing":
                continue
            host = words.get("REMOTE_HOST", "").partition("%")[0]
            yield Session(user=words.get("USER", ""), pid=int(words["LEADER"]), address=address_of(host))
