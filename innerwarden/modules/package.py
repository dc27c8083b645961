# SPDX-License-Identifier: Apache-2.0
"""A module as one file: the same bytes for the same content, and read as if somebody hostile had made it.

A gzip-compressed tar: MANIFEST.json first (the module's id and version, and each file's size and SHA-256), then the
files in order. Only plain files with plain names: no links, devices, set-user-id bits, absolute paths or parents.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
import tarfile
import zlib
from pathlib import Path

import msgspec

from innerwarden.errors import ModuleError
from innerwarden.modules import manifest as manifests
from innerwarden.modules.manifest import KEBAB

LIST = "MANIFEST.json"
SUFFIX = ".iwm"
MAX_FILES = 1000
MAX_FILE_BYTES = 4 << 20
MAX_BYTES = 32 << 20
#: What a name in a package may be; a path has at most MAX_DEPTH of them.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
MAX_DEPTH = 6


class Listed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sha256: str
    size: int


class Contents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int = 1
    id: str
    version: str
    files: dict[str, Listed]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    contents: Contents
    files: dict[str, bytes]


def of_directory(directory: Path) -> Package:
    """The module below `directory`. Raises ModuleError with every file that cannot be part of a package."""
    manifest, problems = manifests.read(directory)
    files: dict[str, bytes] = {}
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if any(part == "__pycache__" or part.startswith(".") for part in relative.parts):
            continue  # Python's, git's, an editor's
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            continue
        wrong = _wrong_name(str(relative)) or _wrong_file(found) or _too_large(found.st_size)
        if wrong:
            problems.append(f"{path}:1: {wrong}")
            continue
        files[str(relative)] = path.read_bytes()
    problems += _wrong_sizes(files, str(directory))
    if problems or manifest is None:
        raise ModuleError(f"{directory} cannot be packed", problems, "Correct these, then pack it again")
    listed = {
        name: Listed(sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for name, data in files.items()
    }
    about = manifest.module
    return Package(contents=Contents(id=about.id, version=about.version, files=listed), files=files)


def _wrong_file(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a link; a package holds plain files only: replace it by what it points to"
    if not stat.S_ISREG(found.st_mode):
        return "is neither file nor directory; remove it"
    if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        return "has a set-user-id or set-group-id bit; run: chmod ug-s on it"
    return ""


def _too_large(size: int) -> str:
    return f"{size} bytes are more than {MAX_FILE_BYTES}" if size > MAX_FILE_BYTES else ""


def _wrong_name(name: str) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return f"{name!r} leads out of the module"
    if len(parts) > MAX_DEPTH or not all(NAME.fullmatch(part) for part in parts):
        return (
            f"{name!r} is no name for a file of a module: letters, digits, dots, dashes and underlines only"
        )
    return ""


def _wrong_sizes(files: dict[str, bytes], where: str) -> list[str]:
    out = []
    if len(files) > MAX_FILES:
        out.append(f"{where}:1: {len(files)} files are more than {MAX_FILES}")
    out += [
        f"{where}/{name}:1: {len(data)} bytes are more than {MAX_FILE_BYTES}"
        for name, data in files.items()
        if len(data) > MAX_FILE_BYTES
    ]
    if sum(map(len, files.values())) > MAX_BYTES:
        out.append(f"{where}:1: more than {MAX_BYTES} bytes in all")
    return out


def pack(package: Package) -> bytes:
    """The package file's bytes: equal for equal content, whoever packs it, where and when."""
    listing = (
        msgspec.json.format(msgspec.json.encode(package.contents, order="deterministic"), indent=1) + b"\n"
    )
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in [(LIST, listing), *sorted(package.files.items())]:
            entry = tarfile.TarInfo(f"{package.contents.id}/{name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=0)


def unpack(path: Path) -> Package:
    """The package in the file, checked as a whole. Raises ModuleError; nothing is written."""
    problems: list[str] = []
    files: dict[str, bytes] = {}
    try:
        with path.open("rb") as file:
            plain = _plain(file.read(MAX_BYTES + 1))
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            entries = _entries(archive)
            root = entries[0].name.partition("/")[0] if entries else ""
            for entry in entries:
                wrong = _wrong_entry(entry, root, files)
                if wrong:
                    problems.append(f"{path}: {wrong}")
                    continue
                data = archive.extractfile(entry)
                files[entry.name.partition("/")[2]] = data.read() if data else b""
        if problems:
            raise ModuleError(f"{path} is refused", problems)
        return _checked(path, root, files)
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, msgspec.MsgspecError) as error:
        raise ModuleError(f"{path} is no module package", [f"{path}: {error}"]) from error


def _plain(data: bytes) -> bytes:
    """Decompressed, and no further than a package may be large."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    room = MAX_BYTES + (MAX_FILES + 16) * 1024
    machine = zlib.decompressobj(31)
    plain = machine.decompress(data, room)
    if machine.unconsumed_tail:
        raise ValueError(f"more than {MAX_BYTES} bytes when it is unpacked")
    if not machine.eof or machine.unused_data:
        raise ValueError("it is cut off, or something follows it")
    return plain


def _entries(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    out = []
    for entry in archive:
        out.append(entry)
        if len(out) > MAX_FILES + 1:
            raise ValueError(f"more than {MAX_FILES} files")
    return out


def _wrong_entry(entry: tarfile.TarInfo, root: str, files: dict[str, bytes]) -> str:
    if not entry.isreg():
        return f"{entry.name!r} is no plain file (a link, a device or a directory)"
    if entry.mode & 0o7000:
        return f"{entry.name!r} has a set-user-id, set-group-id or sticky bit (mode {entry.mode:o})"
    top, _, name = entry.name.partition("/")
    if wrong := _wrong_name(entry.name) or _wrong_name(name):
        return wrong
    if top != root:
        return f"{entry.name!r} is not below {root!r}"
    if name in files:
        return f"{entry.name!r} is there twice"
    return f"{entry.name!r} is larger than {MAX_FILE_BYTES} bytes" if entry.size > MAX_FILE_BYTES else ""


def _checked(path: Path, root: str, files: dict[str, bytes]) -> Package:
    """Raises ModuleError unless the files are those of the list."""
    if next(iter(files), None) != LIST:
        raise ValueError(f"its first file is not {LIST}")
    contents = msgspec.json.decode(files.pop(LIST), type=Contents)
    problems = []
    if contents.format != 1:
        problems.append(f"{path}: format {contents.format} is not known here")
    if not KEBAB.fullmatch(contents.id) or contents.id != root:
        problems.append(f"{path}: {contents.id!r} is no module id, or not that of its directory {root!r}")
    for name in sorted(contents.files.keys() ^ files.keys()):
        problems.append(f"{path}: {name}: is {'missing' if name in contents.files else 'not in the list'}")
    for name, listed in sorted(contents.files.items()):
        data = files.get(name)
        if data is None:
            continue
        if len(data) != listed.size or hashlib.sha256(data).hexdigest() != listed.sha256:
            problems.append(f"{path}: {name}: is not what the list says (SHA-256); fetch the package again")
    if manifests.FILE not in files:
        problems.append(f"{path}: there is no {manifests.FILE}")
    if problems:
        raise ModuleError(f"{path} is refused", problems)
    return Package(contents=contents, files=files)
