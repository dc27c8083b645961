# SPDX-License-Identifier: Apache-2.0
"""Which entry, if any, covers a finding. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from innerwarden.model.severity import Severity
from innerwarden.trust.model import Entry, Executable, Placed, expiry_ns
from innerwarden.trust.networks import Address, Networks, address_of, network_of
from innerwarden.trust.programs import Image, Programs
from innerwarden.trust.read import RUNS_ANYTHING, runs_anything


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """An acting process and those that it was born of, nearest first."""

    own: Image
    ancestors: tuple[Image, ...] = ()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a finding is about. Conditions must hold for every actor and every address; without any they do not.

    `tags` are the detector's; `addresses` the finding's, as text.
    """

    detector: str
    module: str = ""
    tags: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    actors: tuple[Actor, ...] = ()
    addresses: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one entry says to a subject; `objection` is None where it covers it."""

    placed: Placed
    objection: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The entry that covers the finding, whether the finding is lowered, and what the entries answered until then."""

    by: Placed | None = None
    lowered: bool = False
    answers: tuple[Answer, ...] = ()


class TrustSet:
    """Entries of one moment. `judge` is called when a finding is about to be made, never per event."""

    def __init__(self, entries: Sequence[Placed] = (), programs: Programs | None = None) -> None:
        self.entries = tuple(entries)
        self._programs = programs or Programs()
        self._networks: Networks[Placed] = Networks()
        for placed in self.entries:
            for text in placed.entry.networks:
                self._networks.add(network_of(text), placed)

    def about(self, detector: str, module: str = "", tags: Sequence[str] = ()) -> tuple[Placed, ...]:
        """Entries that may cover findings of a detector, whether or not they have expired."""
        return tuple(p for p in self.entries if p.entry.covers(detector, module, tags))

    def judge(self, subject: Subject, now_ns: int, *, every: bool = False) -> Verdict:
        """The first entry that covers the subject decides; `every` asks the rest as well.

        `now_ns` is real time: an entry counts until its expiry and not a moment longer.
        """
        by: Placed | None = None
        answers: list[Answer] = []
        for placed in self.about(subject.detector, subject.module, subject.tags):
            objection = self._objection(placed.entry, subject, now_ns)
            answers.append(Answer(placed=placed, objection=objection))
            if objection is None and by is None:
                by = placed
                if not every:
                    break
        lowered = by is not None and by.entry.up_to.at_least(subject.severity)
        return Verdict(by=by, lowered=lowered, answers=tuple(answers))

    def _objection(self, entry: Entry, subject: Subject, now_ns: int) -> str | None:
        if not entry.is_active(now_ns):
            return "the entry has expired"
        if entry.distrust:
            return "the entry says whom not to trust"
        objections = (
            self._addresses(entry, subject, now_ns),
            self._uids(entry, subject),
            *self._programs_of(entry, subject),
        )
        return next((text for text in objections if text is not None), None)

    def _addresses(self, entry: Entry, subject: Subject, now_ns: int) -> str | None:
        """Every address must lie in the entry's networks, if it has any, and in no network that is distrusted by an
        equal or longer prefix."""
        if entry.networks and not subject.addresses:
            return "the finding is not about an address alone"
        for text in subject.addresses:
            address = address_of(text)
            if address is None:
                return f"{text} is no address"
            own, denied, denier = self._lengths(entry, subject, address, now_ns)
            if denied >= 0 and denied >= own:
                return f"{text} is distrusted by {denier}"
            if entry.networks and own < 0:
                return f"{text} is not in its networks"
        return None

    def _lengths(self, entry: Entry, subject: Subject, address: Address, now_ns: int) -> tuple[int, int, str]:
        """The entry's longest prefix that holds the address, the longest distrusted one, who distrusts. -1: none."""
        own = denied = -1
        denier = ""
        for length, placed in self._networks.matches(address):
            other = placed.entry
            if other is entry:
                own = max(own, length)
            elif (
                denied < 0
                and other.distrust
                and other.is_active(now_ns)
                and other.covers(subject.detector, subject.module, subject.tags)
            ):
                denied, denier = length, other.id
        return own, denied, denier

    @staticmethod
    def _uids(entry: Entry, subject: Subject) -> str | None:
        if not entry.uids:
            return None
        uids = {actor.own.uid for actor in subject.actors}
        if uids and uids <= set(entry.uids):
            return None
        return "it runs as another user" if uids else "no process is known to have acted alone"

    def _programs_of(self, entry: Entry, subject: Subject) -> Iterator[str | None]:
        if (entry.exe or entry.ancestor) and not subject.actors:
            yield "no process is known to have acted alone"
        for actor in subject.actors:
            if entry.exe is not None:
                yield self._programs.objection(entry.exe, actor.own)
                if actor.own.path is not None and runs_anything(entry, actor.own.path):
                    yield f"{actor.own.path} {RUNS_ANYTHING}"
            if entry.ancestor is not None:
                yield self._ancestor(entry.ancestor, actor)

    def _ancestor(self, wanted: Executable, actor: Actor) -> str | None:
        for image in actor.ancestors:
            why = self._programs.objection(wanted, image)
            if why is None:
                return None
            if image.path == wanted.path:
                return f"ancestor: {why}"
        return f"no ancestor runs {wanted.text()}"


def expired(placed: Placed, now_ns: int) -> bool:
    expires = placed.entry.expires
    return expires is not None and expiry_ns(expires) <= now_ns
