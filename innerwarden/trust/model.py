# SPDX-License-Identifier: Apache-2.0
"""A trust entry: of whom, for which detectors, why, who says so, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from innerwarden.model.severity import Severity

EVERY = "all"
MODULE, TAG = "module:", "tag:"
#: Put before the entry's id: the tag of a finding that it covers.
MARK = "trusted:"


class Executable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program, by `path` or by the dpkg `package` that it belongs to, or both. Always: owned by root, and neither it
    nor a directory above it writable by others. `inode` with `dev` ("major:minor") and `sha256` (hexadecimal)
    pin the very file."""

    path: str | None = None
    package: str | None = None
    inode: int | None = None
    dev: str | None = None
    sha256: str | None = None

    def text(self) -> str:
        parts = [self.path or "any program"]
        parts += [f"of package {self.package}"] if self.package else []
        parts += [f"inode {self.inode} on {self.dev}"] if self.inode is not None else []
        parts += [f"sha256 {self.sha256[:12]}..."] if self.sha256 else []
        return ", ".join(parts)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All conditions that are given (`exe`, `ancestor`, `networks`, `uids`) must hold together.

    `detectors`: ids, `module:<id>`, `tag:<tag>`, or "all" alone. `up_to`: findings up to this severity are lowered;
    graver ones are only marked. `distrust`: these networks are never trusted; a longer prefix wins.
    """

    id: str
    detectors: tuple[str, ...]
    reason: str
    owner: str
    created: datetime
    expires: datetime | None = None
    no_expiry: bool = False
    up_to: Severity = Severity.MEDIUM
    exe: Executable | None = None
    ancestor: Executable | None = None
    networks: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    distrust: bool = False

    def is_active(self, now_ns: int) -> bool:
        return self.expires is None or now_ns < expiry_ns(self.expires)

    def covers(self, detector: str, module: str, tags: Sequence[str]) -> bool:
        """Whether the entry is about this detector at all."""
        return any(
            one in (EVERY, detector, MODULE + module)
            or (one.removeprefix(TAG) in tags and one.startswith(TAG))
            for one in self.detectors
        )

    def until(self) -> str:
        return "no expiry" if self.expires is None else f"until {stamp(self.expires)}"

    def subject(self) -> str:
        """What it is about, for a person."""
        parts = [self.exe.text()] if self.exe else []
        parts += [f"below {self.ancestor.text()}"] if self.ancestor else []
        parts += [f"uid {', '.join(map(str, self.uids))}"] if self.uids else []
        parts += [f"{'never ' if self.distrust else ''}{', '.join(self.networks)}"] if self.networks else []
        return "; ".join(parts)


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry and the line at which it begins."""

    entry: Entry
    file: str
    line: int


def expiry_ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
