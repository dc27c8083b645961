# SPDX-License-Identifier: Apache-2.0
"""Judge each new fact before it is learned, learn it when nothing bad turned up, and judge full hours."""

from __future__ import annotations

import logging
from datetime import tzinfo
from zoneinfo import ZoneInfo

import msgspec

from innerwarden.agent.baseline import story
from innerwarden.agent.baseline.facts import Fact, KnownUser, Part, fact_of
from innerwarden.agent.baseline.story import Unusual
from innerwarden.agent.state.tx import DatabaseError, Stored, Tx
from innerwarden.agent.state.usual import HOUR_S, Rate, UsualStore, Waiting
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import BaselineConfig
from innerwarden.model.finding import FACTS
from innerwarden.model.severity import Severity

logger = logging.getLogger(__name__)

#: How long nothing bad must turn up about a fact before it is learned.
QUARANTINE_NS = 3600 * NS
#: A parent with more known children starts anything (shells, cron); one with fewer known facts says too little yet.
MOST_CHILDREN = 40
FEW_CHILDREN = 8
LEAST_DESTINATIONS = 3
MOST_DESTINATIONS = 100
LEAST_LOGINS = 5
#: Hours of the same time of day before a rate is judged.
LEAST_HOURS = 5
SILENT_BELOW = 0.2
SILENT_FROM = 50
SPIKE_ABOVE = 3.0
SPIKE_BY = 500
#: Incidents of one part a day; what is beyond is marked only.
PER_DAY = 20
#: The sensor's last report of an hour may come a little late.
GRACE_NS = 120 * NS
#: What one run takes on.
HOURS_A_RUN = 24
FACTS_A_RUN = 500


def zone_of(config: BaselineConfig) -> tzinfo | None:
    """None is this machine's."""
    return ZoneInfo(config.time_zone) if config.time_zone else None


class Baseline:
    """Holds settings and nothing else: a crash at any point loses and doubles nothing."""

    def __init__(self, config: BaselineConfig, known_user: KnownUser) -> None:
        self._config = config
        self._zone = zone_of(config)
        self._known_user = known_user

    def observe(self, tx: Tx, incident: Stored) -> int:
        """Feed one new incident; returns how many incidents it made. The last observer: a fact's row may go."""
        if incident.finding.detector not in FACTS:
            return 0
        try:
            with tx.savepoint():
                fact = fact_of(incident.finding, incident.ts_ns, self._zone, self._known_user)
                if fact is None or not self._config.enabled:
                    UsualStore(tx).forget(incident.id)
                    return 0
                return self._judge(tx, incident, fact)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("baseline failed incident_row=%d", incident.id)
            tx.count("baseline_failures")
            return 0

    def _judge(self, tx: Tx, incident: Stored, fact: Fact) -> int:
        store = UsualStore(tx)
        if store.seen_again(fact.part, fact.subject, fact.object, incident.ts_ns):
            store.forget(incident.id)
            return 0
        store.no_matter(incident.id)
        new = store.wait(
            Waiting(
                incident=incident.id,
                part=fact.part,
                subject=fact.subject,
                object=fact.object,
                ts_ns=incident.ts_ns,
                processes=fact.processes,
                addresses=fact.addresses,
            )
        )
        if not new:
            store.forget(incident.id)
            return 0
        unusual = _unusual(store, fact, incident.ts_ns)
        return 0 if unusual is None else _tell(tx, self._config, unusual, incident)


def _unusual(store: UsualStore, fact: Fact, ts_ns: int) -> Unusual | None:
    """What is odd about a fact that is not known, given what is known of its subject."""
    known = store.objects(fact.part, fact.subject)
    if fact.part is Part.LINEAGE:
        if not 1 <= len(known) <= MOST_CHILDREN:
            return None
        severity = Severity.MEDIUM if len(known) <= FEW_CHILDREN else Severity.LOW
        why = f"{fact.shown}, which was not seen here before; {len(known)} other programs are usual for it"
        return _one(story.NEW_LINEAGE, fact, ts_ns, why, severity)
    if fact.part is Part.DESTINATION:
        if not LEAST_DESTINATIONS <= len(known) <= MOST_DESTINATIONS:
            return None
        why = (
            f"{fact.shown}, which was not seen here before; {len(known)} other destinations are usual for it"
        )
        return _one(story.NEW_DESTINATION, fact, ts_ns, why, Severity.LOW)
    if sum(seen for _, seen in known) < LEAST_LOGINS or _near_known_hour(
        fact.object, {name for name, _ in known}
    ):
        return None
    hours = ", ".join(sorted(name for name, _ in known)[:12])
    why = f"{fact.shown}; usual are the hours from {hours}"
    return _one(story.LOGIN_HOUR, fact, ts_ns, why, Severity.MEDIUM)


def _near_known_hour(hour: str, known: set[str]) -> bool:
    """An hour earlier or later is usual too."""
    days, _, number = hour.partition(" ")
    return any(f"{days} {(int(number) + off) % 24:02d}" in known for off in (-1, 1))


def _one(detector: str, fact: Fact, ts_ns: int, text: str, severity: Severity) -> Unusual:
    return Unusual(
        detector=detector,
        part=fact.part,
        subject=fact.subject,
        object=fact.object,
        text=text,
        ts_ns=ts_ns,
        severity=severity,
    )


def _tell(tx: Tx, config: BaselineConfig, one: Unusual, because: Stored | None) -> int:
    """An incident when enough was learned, else a mark; returns how many incidents."""
    store = UsualStore(tx)
    told = None
    if store.full_days() >= config.learning_days:
        if store.told_on(one.part, one.ts_ns) < PER_DAY:
            like = because.finding.fields if because else None
            told = tx.insert_incident(story.tell(one, like, like.host if like else store.host()))
        else:
            tx.count("baseline_withheld")
    if told is not None:
        tx.count("baseline_told")
        if because is not None:
            tx.add_members(told.id, [(0, because.id)])
    row = told.id if told is not None else None
    store.mark((one.ts_ns, one.part, one.subject, one.object, one.text, row))
    return 0 if told is None else 1


class Learn(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: learn what waited long enough and judge the hours that are over; returns whether there is more.

    The clock is the sensor's latest report, never beyond `now_ns`: without reports nothing is learned.
    """

    config: BaselineConfig
    now_ns: int
    durable: bool = False

    @classmethod
    def by_clock(cls, config: BaselineConfig) -> Learn:
        return cls(config=config, now_ns=realtime_ns())

    def apply(self, tx: Tx) -> bool:
        store = UsualStore(tx)
        newest = store.newest_minute(self.now_ns)
        if newest is None:
            return False
        waiting = store.waiting(newest - QUARANTINE_NS, FACTS_A_RUN)
        for fact in waiting:
            store.settle(fact, store.is_clean(fact, QUARANTINE_NS))
        return self._hours(tx, store, newest) or len(waiting) == FACTS_A_RUN

    def _hours(self, tx: Tx, store: UsualStore, newest_ns: int) -> bool:
        hour = store.next_hour()
        if hour is None:
            return False
        for _ in range(HOURS_A_RUN):
            if (hour + 1) * HOUR_S * NS + GRACE_NS > newest_ns:
                return False
            counts = store.hour(hour)
            if counts is None:
                tx.count("baseline_hours_left_out")
            else:
                self._judge(tx, store, hour, counts)
            store.looked_at(hour)
            hour += 1
        return True

    def _judge(self, tx: Tx, store: UsualStore, hour: int, counts: dict[str, int]) -> None:
        hour_of_day = hour % 24
        rates = store.rates(hour_of_day)
        for kind in sorted(counts.keys() | rates.keys()):
            count, rate = counts.get(kind, 0), rates.get(kind)
            learned = float(count)
            if rate is not None and rate.hours >= LEAST_HOURS:
                unusual = _rate(kind, hour, count, rate)
                if unusual is not None:
                    _tell(tx, self.config, unusual, None)
                # An hour that is far off moves what is usual by a step only.
                learned = min(max(learned, SILENT_BELOW * rate.least), SPIKE_ABOVE * max(rate.most, 1.0))
            store.learn_rate(kind, hour_of_day, rate, learned)
        store.full_hour(hour)


def _rate(kind: str, hour: int, count: int, rate: Rate) -> Unusual | None:
    text = (
        f"{count} events {kind} in the hour from {hour % 24:02d}:00 UTC; on {rate.hours} days it was"
        f" {rate.least:.0f} to {rate.most:.0f}"
    )
    if rate.least >= SILENT_FROM and count < SILENT_BELOW * rate.least:
        detector, severity = story.SILENCE, Severity.MEDIUM
    elif count > SPIKE_ABOVE * rate.most and count - rate.most > SPIKE_BY:
        detector, severity = story.RATE_SPIKE, Severity.LOW
    else:
        return None
    return Unusual(
        detector=detector,
        part=Part.RATE,
        subject=kind,
        object=detector.rpartition("_")[2],
        text=text,
        ts_ns=(hour + 1) * HOUR_S * NS,
        severity=severity,
    )
