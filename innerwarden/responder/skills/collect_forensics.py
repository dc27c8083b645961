# SPDX-License-Identifier: Apache-2.0
"""Copy what /proc says of a process and all below it into a directory of its own, with a manifest of digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from innerwarden.clock import realtime_ns
from innerwarden.files import replace_whole, sync_directory
from innerwarden.model.verb import CollectForensics
from innerwarden.responder import facts, processes
from innerwarden.responder.evidence import Evidence
from innerwarden.responder.skill import Effect, Keep, Means, Skill, SkillError

QUOTA_BYTES = 512 << 20
MANIFEST = "manifest.json"


class File(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`incomplete`: why something is missing, "" when nothing is."""

    request_id: str
    pid: int
    start_ns: int
    written_ns: int
    incomplete: str
    files: list[File]


class Collect(Skill[CollectForensics]):
    """The handle is the name of its directory."""

    verb = CollectForensics
    lasting = False
    one_boot = True

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def plan(self, verb: CollectForensics, ttl_s: int) -> list[str]:
        found = processes.described(verb.pid, verb.start_ns)
        return [
            f"copy /proc of {one} below {self._evidence.directory}" for one in found[: facts.MAX_PROCESSES]
        ]

    def do(self, effect: Effect[CollectForensics], keep: Keep) -> None:
        name = effect.handle or self._evidence.new_name()
        if self._evidence.is_complete(name):
            return
        keep(name)
        try:
            place = self._evidence.begin(name, facts.MAX_BYTES)
            incomplete = facts.collect(effect.verb.pid, effect.verb.start_ns, place)
            _describe(place, effect, incomplete)
            self._evidence.finish(name)
        except OSError as error:
            raise SkillError(
                f"facts cannot be kept: {error}", "Look at the disk of the data directory"
            ) from error

    def undo(self, effect: Effect[CollectForensics]) -> None:
        if effect.handle:
            self._evidence.discard(effect.handle)

    def check(self, effect: Effect[CollectForensics]) -> str | None:
        place = self._evidence.place(effect.handle)
        return None if (place / MANIFEST).is_file() else f"{place} is not there"

    def clear(self) -> None:
        self._evidence.clear()


def _describe(place: Path, effect: Effect[CollectForensics], incomplete: str) -> None:
    files = []
    for part in sorted(place.rglob("*")):
        if part.is_file():
            data = part.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            files.append(File(path=str(part.relative_to(place)), size=len(data), sha256=digest))
    if not files:
        raise SkillError(f"nothing could be copied of process {effect.verb.pid}", "It may have ended")
    manifest = Manifest(
        request_id=effect.request_id,
        pid=effect.verb.pid,
        start_ns=effect.verb.start_ns,
        written_ns=realtime_ns(),
        incomplete=incomplete,
        files=files,
    )
    replace_whole(place / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)), 0o600)
    sync_directory(place)


def make(means: Means) -> Collect:
    return Collect(Evidence(means.directory, "forensics", QUOTA_BYTES))
