# SPDX-License-Identifier: Apache-2.0
"""Which entry, if any, covers a finding. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from innerwarden.model.severity import Severity
from innerwarden.trust.model import Entry, Executable, Placed, expiry_ns
from innerwarden.trust.networks import Networks, address_of, network_of
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


class _Seen(msgspec.Struct, frozen=True):
    """One address as the networks see it. `own`: id of an entry -> its longest prefix that holds it; `denied`: the
    longest distrusted one (-1: none), and by which entry."""

    text: str
    own: dict[str, int]
    denied: int
    denier: str


class TrustSet:
    """Entries of one moment. `judge` is called when a finding is about to be made, never per event."""

    def __init__(self, entries: Sequence[Placed] = (), programs: Programs | None = None) -> None:
        self.entries = tuple(entries)
        self._programs = programs or Programs()
        self._networks: Networks[Entry] = Networks()
        self._about: dict[tuple[str, str, tuple[str, ...]], tuple[Placed, ...]] = {}
        for placed in self.entries:
            for text in placed.entry.networks:
                self._networks.add(network_of(text), placed.entry)

    def about(self, detector: str, module: str = "", tags: Sequence[str] = ()) -> tuple[Placed, ...]:
        """Entries that may cover findings of a detector, whether or not they have expired."""
        key = (detector, module, tuple(tags))
        if key not in self._about:
            self._about[key] = tuple(p for p in self.entries if p.entry.covers(*key))
        return self._about[key]

    def judge(self, subject: Subject, now_ns: int, *, every: bool = False) -> Verdict:
        """The first entry that covers the subject decides; `every` asks the rest as well.

        `now_ns` is real time: an entry counts until its expiry and not a moment longer.
        """
        by: Placed | None = None
        answers: list[Answer] = []
        about = self.about(subject.detector, subject.module, subject.tags)
        seen = [self._look(text, about, now_ns) for text in subject.addresses] if about else []
        for placed in about:
            objection = self._objection(placed.entry, subject, seen, now_ns)
            answers.append(Answer(placed=placed, objection=objection))
            if objection is None and by is None:
                by = placed
                if not every:
                    break
        lowered = by is not None and by.entry.up_to.at_least(subject.severity)
        return Verdict(by=by, lowered=lowered, answers=tuple(answers))

    def _look(self, text: str, about: tuple[Placed, ...], now_ns: int) -> _Seen | None:
        """None for what is no address."""
        address = address_of(text)
        if address is None:
            return None
        ids = {placed.entry.id for placed in about}
        own: dict[str, int] = {}
        denied, denier = -1, ""
        for length, entry in self._networks.matches(address):
            if entry.id not in ids:
                continue
            own.setdefault(entry.id, length)
            if denied < 0 and entry.distrust and entry.is_active(now_ns):
                denied, denier = length, entry.id
        return _Seen(text, own, denied, denier)

    def _objection(
        self, entry: Entry, subject: Subject, seen: Sequence[_Seen | None], now_ns: int
    ) -> str | None:
        if not entry.is_active(now_ns):
            return "the entry has expired"
        if entry.distrust:
            return "the entry says whom not to trust"
        objections = chain(
            (self._addresses(entry, seen), self._uids(entry, subject)), self._programs_of(entry, subject)
        )
        return next((text for text in objections if text is not None), None)

    @staticmethod
    def _addresses(entry: Entry, seen: Sequence[_Seen | None]) -> str | None:
        """Every address must lie in the entry's networks, if it has any, and in no network that is distrusted by an
        equal or longer prefix."""
        if entry.networks and not seen:
            return "the finding is not about an address alone"
        for one in seen:
            if one is None:
                return "the finding has an address that is none"
            own = one.own.get(entry.id, -1)
            if one.denied >= 0 and one.denied >= own:
                return f"{one.text} is distrusted by {one.denier}"
            if entry.networks and own < 0:
                return f"{one.text} is not in its networks"
        return None

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
