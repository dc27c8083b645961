# SPDX-License-Identifier: Apache-2.0
"""One file of trust entries: read, checked, every problem as `file:line: text`."""

from __future__ import annotations

import re
import tomllib
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from innerwarden.trust.model import EVERY, MODULE, TAG, Entry, Executable, Placed
from innerwarden.trust.networks import network_of
from innerwarden.unreadable import toml

TABLE = "trust"
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
DETECTOR = re.compile(r"[a-z][a-z0-9_]*")
MODULE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
DIGEST = re.compile(r"[0-9a-f]{64}")
DEVICE = re.compile(r"\d+:\d+")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?")
#: The widest networks that may be trusted: more would be a good part of the world.
WIDEST = {4: 8, 6: 16}
#: What a process chooses for itself, so that it says nothing of who it is.
FORGEABLE = ("comm", "name", "argv", "argv0", "command_line", "cmdline", "user_agent", "process_name")
#: Run what others give them, so that the file says little of what is done.
INTERPRETERS = re.compile(
    r"(ba|da|z|k|mk|c|tc|fi)?sh|busybox|toybox|python[\d.]*|pypy[\d.]*|perl[\d.]*|ruby[\d.]*|node(js)?|php[\d.]*"
    r"|lua(jit)?[\d.]*|tclsh[\d.]*|expect|g?awk|mawk|env|java|ld-linux.*|ld\.so.*|ld-[\d.]+\.so"
)


RUNS_ANYTHING = (
    "runs whatever it is given, also from places that anybody may write; say below whom it runs ([trust.ancestor]), "
    "or that only root's runs count (uids = [0])"
)


def runs_anything(entry: Entry, path: str) -> bool:
    """Whether the entry would cover every script, by whomever."""
    narrowed = entry.ancestor is not None or entry.uids == (0,)
    return not narrowed and INTERPRETERS.fullmatch(PurePosixPath(path).name) is not None


def read(text: str, name: str) -> tuple[list[Placed], list[str]]:
    """Entries and problems of one file's text. With a problem the entries are not to be used."""
    try:
        tree = toml(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        return [], [f"{name}:{found[1] if found else 1}: {error}; correct the TOML there"]
    problems = [
        f"{name}:1: unknown key {key!r}; entries are written as [[{TABLE}]]" for key in tree if key != TABLE
    ]
    rows = tree.get(TABLE, [])
    if not isinstance(rows, list):
        return [], [*problems, f"{name}:1: entries are written as [[{TABLE}]], with two brackets"]
    starts = starts_of(text)
    placed = []
    for number, row in enumerate(rows):
        line = starts[number] if number < len(starts) else 1
        end = starts[number + 1] if number + 1 < len(starts) else len(text.splitlines()) + 1
        part = _Part(text, name, line, end)
        entry, wrong = entry_of(row)
        problems += [f"{name}:{part.line_of(key)}: {said}" for key, said in wrong]
        if entry is not None:
            placed.append(Placed(entry=entry, file=name, line=line))
    return placed, problems


def starts_of(text: str) -> list[int]:
    """Lines of the headers."""
    header = re.compile(rf"\s*\[\[\s*{TABLE}\s*\]\]\s*(#.*)?")
    return [number for number, line in enumerate(text.splitlines(), 1) if header.fullmatch(line)]


class _Part(msgspec.Struct, frozen=True):
    """The lines of one entry."""

    text: str
    name: str
    begin: int
    end: int

    def line_of(self, key: str) -> int:
        """The key's line, a table's header, or the entry's first line."""
        word = key.rpartition(".")[2]
        for number, line in enumerate(self.text.splitlines()[self.begin - 1 : self.end - 1], self.begin):
            bare = line.replace(" ", "")
            if bare.startswith(f"{word}=") or bare.strip("[]").endswith(f".{word}"):
                return number
        return self.begin


def entry_of(row: Any) -> tuple[Entry | None, list[tuple[str, str]]]:
    """A table as an entry, with (key, text) of all that is wrong; every text ends with what to do."""
    if not isinstance(row, dict):
        return None, [("", f"an entry is a table; write [[{TABLE}]]")]
    wrong = [
        (
            key,
            f"{key!r} is chosen by the process itself and grants nothing; name its file under [{TABLE}.exe]",
        )
        for table in (row, row.get("exe"), row.get("ancestor"))
        if isinstance(table, dict)
        for key in table
        if key in FORGEABLE
    ]
    if wrong:
        return None, wrong
    try:
        entry = msgspec.convert(row, Entry)
    except msgspec.ValidationError as error:
        key = _key_of(str(error), row)
        return None, [(key, f"{error}; see docs/trust.md for an entry's keys")]
    return entry, problems_of(entry)


def _key_of(message: str, row: dict[str, Any]) -> str:
    """The key that a msgspec message is about: an unknown field by its name, else the end of the path."""
    quoted = message.split("`")[1::2]
    keys = {key for table in (row, *row.values()) if isinstance(table, dict) for key in table}
    path = next((part for part in quoted if part.startswith("$.")), "")
    return next((part for part in quoted if part in keys), path.partition("[")[0].rpartition(".")[2])


def problems_of(entry: Entry) -> list[tuple[str, str]]:
    """(key, text) of what is well typed and still wrong."""
    out: list[tuple[str, str]] = []
    if not ID.fullmatch(entry.id):
        out.append(("id", f"id {entry.id!r} is not made of a-z 0-9 . _ -; choose one such as nightly-backup"))
    for key, why in (("reason", "say why it is harmless"), ("owner", "name the person who answers for it")):
        if not getattr(entry, key).strip():
            out.append((key, f"{key} is empty; {why}"))
    out += [("detectors", text) for text in _detectors(entry.detectors)]
    out += _times(entry)
    out += _networks(entry)
    if not (entry.exe or entry.ancestor or entry.networks):
        out.append(("id", "the entry says of nobody; give [trust.exe], [trust.ancestor] or networks"))
    for key, executable in (("exe", entry.exe), ("ancestor", entry.ancestor)):
        if executable is not None:
            out += [(f"{key}.{name}", text) for name, text in _executable(executable)]
    if entry.exe and entry.exe.path and runs_anything(entry, entry.exe.path):
        out.append(("exe", f"{entry.exe.path} {RUNS_ANYTHING}"))
    return out


def _detectors(names: tuple[str, ...]) -> list[str]:
    if not names:
        return [f'no detector; name them, or write ["{EVERY}"]']
    if EVERY in names and len(names) > 1:
        return [f'"{EVERY}" stands with others; leave it alone or leave it out']
    out = []
    for name in names:
        if name.startswith(MODULE):
            good = MODULE_ID.fullmatch(name.removeprefix(MODULE)) is not None
        elif name.startswith(TAG):
            good = len(name) > len(TAG)
        else:
            good = DETECTOR.fullmatch(name) is not None
        if not good:
            out.append(f"{name!r} is no detector's id; write an id, {MODULE}<id>, {TAG}<tag> or {EVERY}")
    return out


def _times(entry: Entry) -> list[tuple[str, str]]:
    out = [
        (key, f"{key} has no time zone; write it as 2026-01-31T00:00:00Z")
        for key in ("created", "expires")
        if isinstance(moment := getattr(entry, key), datetime) and moment.tzinfo is None
    ]
    if entry.no_expiry == (entry.expires is not None):
        out.append(("expires", "give either expires or no_expiry = true"))
    elif not out and entry.expires is not None and entry.expires <= entry.created:
        out.append(("expires", "expires is not after created; correct one of them"))
    return out


def _networks(entry: Entry) -> list[tuple[str, str]]:
    out = []
    for text in entry.networks:
        try:
            network = network_of(text)
        except ValueError as error:
            out.append(("networks", f"{error}; write for example 192.0.2.0/24 or 2001:db8::/32"))
            continue
        if not entry.distrust and network.prefixlen < WIDEST[network.version]:
            out.append(
                ("networks", f"{text} is wider than /{WIDEST[network.version]}; name smaller networks")
            )
    if entry.distrust and (entry.exe or entry.ancestor or entry.uids or not entry.networks):
        out.append(("distrust", "distrust is about networks alone; leave the rest out"))
    return out


def _executable(executable: Executable) -> list[tuple[str, str]]:
    out = []
    path = executable.path
    if path is None and executable.package is None:
        out.append(("path", "neither path nor package; give one of them"))
    if path is not None and (not path.startswith("/") or str(PurePosixPath(path)) != path or "/../" in path):
        out.append(("path", f"{path!r} is no plain absolute path; write it without . and .."))
    if executable.package is not None and not PACKAGE.fullmatch(executable.package):
        out.append(("package", f"{executable.package!r} is no package name; `dpkg -S FILE` tells it"))
    if (executable.inode is None) != (executable.dev is None):
        out.append(("inode", "inode and dev go together; give both, or neither"))
    if executable.dev is not None and not DEVICE.fullmatch(executable.dev):
        out.append(("dev", f"{executable.dev!r} is no device; write major:minor"))
    if executable.sha256 is not None and not DIGEST.fullmatch(executable.sha256):
        out.append(("sha256", "sha256 is not 64 hexadecimal digits; `sha256sum FILE` tells it"))
    if path is None and (executable.inode is not None or executable.sha256):
        out.append(("path", "a pinned file needs its path; give path"))
    return out
