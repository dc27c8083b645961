# SPDX-License-Identifier: Apache-2.0
"""Attackers in state.db: profiles of addresses, sessions, fingerprints, indicators and campaigns."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TypeVar

import msgspec

from innerwarden.agent.state.progress import evict
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS

MAX_ATTACKERS = 20_000
MAX_SESSIONS = 20_000
MAX_FINGERPRINTS = 10_000
MAX_GRAMS = 200_000
MAX_INDICATORS = 50_000
#: What more addresses share is no attacker's own.
MAX_SHARED = 32
#: Addresses of one campaign; a bigger one takes no more.
MAX_CAMPAIGN = 1_000
MAX_CANDIDATES = 32
HALF_LIFE_NS = 7 * 86_400 * NS
DAY_NS = 86_400 * NS
MAX_DAYS = 90
MAX_NAMES = 50
SEVERITY_RISK = (0, 0, 2, 7, 14, 20)
#: Detectors that say that somebody got in.
ACCESS = frozenset({"login_after_failures", "threat_intel_login", "web_shell_access", "reverse_shell"})
_JSON = msgspec.json.Encoder()
V = TypeVar("V")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`heat` is the number of incidents, each halved with every HALF_LIFE_NS. Of credentials only names are kept."""

    heat: float = 0.0
    incidents: int = 0
    worst: int = 0
    days: tuple[int, ...] = ()
    detectors: dict[str, int] = {}
    techniques: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    recognised: bool = False
    """Its behaviour was known from another address."""

    def contributions(self) -> dict[str, float]:
        """Points of risk by reason; together 0 to 100."""
        return {
            "incidents": min(30.0, 3.0 * self.heat),
            "days": min(15.0, 5.0 * len(self.days)),
            "detectors": min(15.0, 5.0 * len(self.detectors)),
            "severity": float(SEVERITY_RISK[self.worst]),
            "access": 10.0 if ACCESS & self.detectors.keys() else 0.0,
            "recognised": 10.0 if self.recognised else 0.0,
        }


_PROFILE = msgspec.json.Decoder(Profile)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What one finding adds to a profile."""

    detector: str
    severity: int
    techniques: tuple[str, ...]
    users: tuple[str, ...]
    ts_ns: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    entity: str
    first_ns: int
    last_ns: int
    tokens: tuple[str, ...]
    members: tuple[int, ...]
    matched: bool = False


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    entity: str
    last_ns: int
    tokens: tuple[str, ...]
    members: tuple[int, ...]


_STRINGS = msgspec.json.Decoder(tuple[str, ...])
_NUMBERS = msgspec.json.Decoder(tuple[int, ...])


def decayed(risk: float, since_ns: int) -> float:
    return risk * math.exp2(-max(0, since_ns) / HALF_LIFE_NS)


class AttackerStore:
    """All calls belong to the transaction that `tx` is; times are event times."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.db

    def profile(self, address: str) -> tuple[Profile, int] | None:
        """With the time it was last seen."""
        row = self._db.execute(
            "SELECT profile, last_ns FROM attackers WHERE address = ?", (address,)
        ).fetchone()
        return None if row is None else (_PROFILE.decode(row[0]), int(row[1]))

    def note(self, address: str, event: Event) -> None:
        """Add a finding to the profile; the least risky of long ago make room."""
        known = self.profile(address)
        if known is None:
            evict(self._tx, "attackers", MAX_ATTACKERS, "rank")
        old, last_ns = known or (Profile(), event.ts_ns)
        detectors = dict(old.detectors)
        if event.detector in detectors or len(detectors) < MAX_NAMES:
            detectors[event.detector] = detectors.get(event.detector, 0) + 1
        new = Profile(
            heat=decayed(old.heat, event.ts_ns - last_ns) + 1,
            incidents=old.incidents + 1,
            worst=max(old.worst, event.severity),
            days=_kept(old.days, (event.ts_ns // DAY_NS,), MAX_DAYS),
            detectors=detectors,
            techniques=_kept(old.techniques, event.techniques, MAX_NAMES),
            users=_kept(old.users, event.users, MAX_NAMES),
            recognised=old.recognised,
        )
        self._save(address, new, event.ts_ns, max(last_ns, event.ts_ns))

    def recognise(self, address: str) -> None:
        known = self.profile(address)
        if known is not None and not known[0].recognised:
            self._save(address, msgspec.structs.replace(known[0], recognised=True), known[1], known[1])

    def _save(self, address: str, profile: Profile, first_ns: int, last_ns: int) -> None:
        risk = sum(profile.contributions().values())
        # Falls behind as exp decay would: two ranks compare as the risks do once both have decayed to one moment.
        rank = math.log2(risk + 1) + last_ns / HALF_LIFE_NS
        self._db.execute(
            "INSERT INTO attackers (address, first_ns, last_ns, risk, rank, profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT DO UPDATE SET first_ns = min(first_ns, ?2), last_ns = ?3, risk = ?4, rank = ?5, profile = ?6",
            (address, first_ns, last_ns, risk, rank, _JSON.encode(profile)),
        )

    def session(self, entity: str) -> Session | None:
        row = self._db.execute(
            "SELECT first_ns, last_ns, tokens, members, matched FROM sessions WHERE entity = ?", (entity,)
        ).fetchone()
        if row is None:
            return None
        return Session(
            entity=entity,
            first_ns=row[0],
            last_ns=row[1],
            tokens=_STRINGS.decode(row[2]),
            members=_NUMBERS.decode(row[3]),
            matched=bool(row[4]),
        )

    def save_session(self, session: Session, new: bool) -> None:
        if new:
            evict(self._tx, "sessions", MAX_SESSIONS, "last_ns")
        self._db.execute(
            "INSERT INTO sessions (entity, first_ns, last_ns, tokens, members, matched) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT DO UPDATE SET first_ns = ?2, last_ns = ?3, tokens = ?4, members = ?5, matched = ?6",
            (
                session.entity,
                session.first_ns,
                session.last_ns,
                _JSON.encode(session.tokens).decode(),
                _JSON.encode(session.members).decode(),
                int(session.matched),
            ),
        )

    def end_session(self, entity: str) -> None:
        self._db.execute("DELETE FROM sessions WHERE entity = ?", (entity,))
        self._tx.count("dna_sessions")

    def idle_sessions(self, before_ns: int, limit: int) -> list[str]:
        rows = self._db.execute(
            "SELECT entity FROM sessions WHERE last_ns < ? ORDER BY last_ns LIMIT ?", (before_ns, limit)
        )
        return [str(row[0]) for row in rows]

    def newest_ns(self) -> int | None:
        """Event time of the incident that came last."""
        row = self._db.execute("SELECT ts_ns FROM incidents ORDER BY id DESC LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def keep_fingerprint(
        self, session: Session, digest: str, threes: Collection[int], bands: Sequence[int]
    ) -> None:
        """The same from the same entity only moves on in time, so that one visitor makes nothing common."""
        self._db.execute(
            "UPDATE fingerprints SET last_ns = max(last_ns, ?3), members = ?4 WHERE hash = ?1 AND entity = ?2",
            (digest, session.entity, session.last_ns, _JSON.encode(session.members).decode()),
        )
        if self._db.changes():
            return
        evict(self._tx, "fingerprints", MAX_FINGERPRINTS, "id")
        row = self._db.execute(
            "INSERT INTO fingerprints (entity, hash, first_ns, last_ns, tokens, members) VALUES (?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (
                session.entity,
                digest,
                session.first_ns,
                session.last_ns,
                _JSON.encode(session.tokens).decode(),
                _JSON.encode(session.members).decode(),
            ),
        ).fetchone()
        assert row is not None  # noqa: S101 - an INSERT that returns
        self._db.executemany(
            "INSERT OR IGNORE INTO fingerprint_bands (band, fingerprint) VALUES (?, ?)",
            [(band, row[0]) for band in bands],
        )
        for three in threes:
            evict(self._tx, "grams", MAX_GRAMS, "sessions, last_ns")
            self._db.execute(
                "INSERT INTO grams (gram, sessions, last_ns) VALUES (?1, 1, ?2)"
                " ON CONFLICT DO UPDATE SET sessions = sessions + 1, last_ns = max(last_ns, ?2)",
                (three, session.last_ns),
            )

    def alike(self, entity: str, bands: Sequence[int]) -> list[Fingerprint]:
        """Fingerprints of other entities that share a band, the latest first, at most MAX_CANDIDATES."""
        found: dict[int, Fingerprint] = {}
        for band in bands:
            rows = self._db.execute(
                "SELECT f.id, f.entity, f.last_ns, f.tokens, f.members FROM fingerprint_bands AS b"
                " JOIN fingerprints AS f ON f.id = b.fingerprint WHERE b.band = ? AND f.entity != ?"
                " ORDER BY b.fingerprint DESC LIMIT ?",
                (band, entity, MAX_CANDIDATES),
            )
            for row in rows:
                found.setdefault(
                    row[0],
                    Fingerprint(
                        id=row[0],
                        entity=row[1],
                        last_ns=row[2],
                        tokens=_STRINGS.decode(row[3]),
                        members=_NUMBERS.decode(row[4]),
                    ),
                )
            if len(found) >= MAX_CANDIDATES:
                break
        return sorted(found.values(), key=lambda one: -one.id)[:MAX_CANDIDATES]

    def sessions_with(self, three: int) -> int:
        row = self._db.execute("SELECT sessions FROM grams WHERE gram = ?", (three,)).fetchone()
        return 0 if row is None else int(row[0])

    def sessions_ended(self) -> int:
        row = self._db.execute("SELECT value FROM counters WHERE name = 'dna_sessions'").fetchone()
        return 0 if row is None else int(row[0])

    def existing(self, incidents: Sequence[int]) -> list[int]:
        """Those that were not pruned yet."""
        return [
            one
            for one in incidents
            if self._db.execute("SELECT 1 FROM incidents WHERE id = ?", (one,)).fetchone() is not None
        ]

    def share(self, value: str, address: str, at_ns: int) -> list[str]:
        """Note an indicator; returns the other addresses that brought it, none when it is everybody's."""
        evict_indicators(self._tx)
        self._db.execute(
            "INSERT INTO indicators (value, address, last_ns) VALUES (?1, ?2, ?3)"
            " ON CONFLICT DO UPDATE SET last_ns = max(last_ns, ?3)",
            (value, address, at_ns),
        )
        rows = self._db.execute(
            "SELECT address FROM indicators WHERE value = ? AND address != ? LIMIT ?",
            (value, address, MAX_SHARED),
        ).fetchall()
        return [str(row[0]) for row in rows] if len(rows) < MAX_SHARED else []

    def campaign_of(self, address: str) -> int | None:
        row = self._db.execute("SELECT campaign FROM attackers WHERE address = ?", (address,)).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def campaign_size(self, campaign: int) -> int:
        row = self._db.execute("SELECT members FROM campaigns WHERE id = ?", (campaign,)).fetchone()
        return 0 if row is None else int(row[0])

    def unite(self, one: str, other: str, reason: str, at_ns: int) -> int | None:
        """Put two addresses into one campaign; returns it, or None when it would grow beyond its bound.

        The smaller campaign joins the larger, so that an address changes its campaign a few times at most.
        """
        first, second = self.campaign_of(one), self.campaign_of(other)
        if first is not None and first == second:
            self._db.execute("UPDATE campaigns SET last_ns = max(last_ns, ?) WHERE id = ?", (at_ns, first))
            return first
        if first is None and second is None:
            row = self._db.execute(
                "INSERT INTO campaigns (first_ns, last_ns, members, reason) VALUES (?1, ?1, 0, ?2) RETURNING id",
                (at_ns, reason),
            ).fetchone()
            assert row is not None  # noqa: S101 - an INSERT that returns
            first = int(row[0])
        sizes = {c: self.campaign_size(c) for c in (first, second) if c is not None}
        kept = max(sizes, key=lambda c: (sizes[c], -c))
        if sum(sizes.values()) >= MAX_CAMPAIGN:
            self._tx.count("campaigns_full")
            return None
        for address in (one, other):
            mine = self.campaign_of(address)
            if mine == kept:
                continue
            if mine is None:
                self._db.execute("UPDATE attackers SET campaign = ? WHERE address = ?", (kept, address))
                moved = self._db.changes()
            else:
                self._db.execute("UPDATE attackers SET campaign = ? WHERE campaign = ?", (kept, mine))
                moved = self._db.changes()
                self._db.execute("DELETE FROM campaigns WHERE id = ?", (mine,))
            self._db.execute(
                "UPDATE campaigns SET members = members + ?, last_ns = max(last_ns, ?) WHERE id = ?",
                (moved, at_ns, kept),
            )
        return kept


def evict_indicators(tx: Tx) -> None:
    """Those that nobody brought for longest make room."""
    evict(tx, "indicators", MAX_INDICATORS, "last_ns")


def _kept(old: tuple[V, ...], new: Sequence[V], most: int) -> tuple[V, ...]:
    """Without doubles; the newest stay."""
    return tuple(dict.fromkeys((*old, *new)))[-most:]
