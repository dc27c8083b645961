# SPDX-License-Identifier: Apache-2.0
"""What is usual on this host, in state.db: facts, facts that wait, rates of full hours, and what was unusual."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from innerwarden.agent.state.progress import EVICT_ROWS, held, is_tainted
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS
from innerwarden.model.finding import Telemetry
from innerwarden.model.severity import Severity

MAX_USUAL = 50_000
MAX_UNUSUAL = 1_000
HOUR_S = 3600
DAY_NS = 86_400 * NS
#: An hour counts when the sensor's own minutes cover so much of it.
COVERED = 0.95
#: A day counts with so many of its hours.
FULL_DAY_HOURS = 20
#: Weight of the newest hour in the mean, from the 28th on.
MEAN_HOURS = 28
_TELEMETRY = msgspec.json.Decoder(Telemetry)
#: Processes and addresses that must stay clean.
_EVIDENCE = msgspec.json.Decoder(tuple[tuple[str, ...], tuple[str, ...]])


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that is learned when nothing bad turns up about it."""

    incident: int
    part: str
    subject: str
    object: str
    ts_ns: int
    processes: tuple[str, ...]
    addresses: tuple[str, ...]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    hours: int
    mean: float
    least: float
    most: float


class UsualStore:
    """All calls belong to the transaction that `tx` is; times are event times."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.db

    def seen_again(self, part: str, subject: str, thing: str, at_ns: int) -> bool:
        """Whether the fact is known; it is noted as seen once more."""
        self._db.execute(
            "UPDATE usual SET seen = seen + 1, last_ns = max(last_ns, ?4)"
            " WHERE part = ?1 AND subject = ?2 AND object = ?3",
            (part, subject, thing, at_ns),
        )
        return bool(self._db.changes())

    def objects(self, part: str, subject: str) -> list[tuple[str, int]]:
        """(object, times seen) of a subject, at most 256."""
        rows = self._db.execute(
            "SELECT object, seen FROM usual WHERE part = ? AND subject = ? LIMIT 256", (part, subject)
        )
        return [(str(row[0]), int(row[1])) for row in rows]

    def forget(self, incident: int) -> None:
        """A fact's own row is not kept, except as the reason of an incident."""
        self._db.execute(
            "DELETE FROM incidents WHERE id = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM incident_members WHERE member = ?1)",
            (incident,),
        )

    def no_matter(self, incident: int) -> None:
        """There is nothing to decide about a fact."""
        self._db.execute(
            "UPDATE incidents SET triaged_ns = ? WHERE id = ? AND triaged_ns IS NULL",
            (self._tx.now_ns, incident),
        )

    def wait(self, fact: Waiting) -> bool:
        """Keep it until it may be learned; False when the same one waits already."""
        known = self._db.execute(
            "SELECT 1 FROM usual_waiting WHERE part = ? AND subject = ? AND object = ?",
            (fact.part, fact.subject, fact.object),
        ).fetchone()
        if known is not None:
            return False
        self._db.execute(
            "INSERT OR IGNORE INTO usual_waiting (incident, part, subject, object, ts_ns, evidence)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                fact.incident, fact.part, fact.subject, fact.object, fact.ts_ns,
                msgspec.json.encode((fact.processes, fact.addresses)).decode(),
            ),
        )  # fmt: skip
        return True

    def waiting(self, before_ns: int, limit: int) -> list[Waiting]:
        rows = self._db.execute(
            "SELECT incident, part, subject, object, ts_ns, evidence FROM usual_waiting WHERE ts_ns <= ?"
            " ORDER BY ts_ns LIMIT ?",
            (before_ns, limit),
        ).fetchall()
        out = []
        for number, part, subject, thing, ts_ns, evidence in msgspec.convert(
            rows, list[tuple[int, str, str, str, int, str]]
        ):
            processes, addresses = _EVIDENCE.decode(evidence)
            out.append(
                Waiting(
                    incident=number,
                    part=part,
                    subject=subject,
                    object=thing,
                    ts_ns=ts_ns,
                    processes=processes,
                    addresses=addresses,
                )
            )
        return out

    def settle(self, fact: Waiting, learn: bool) -> None:
        """It waits no longer; what is learned makes room first."""
        self._db.execute("DELETE FROM usual_waiting WHERE incident = ?", (fact.incident,))
        self.forget(fact.incident)
        if not learn:
            self._tx.count("baseline_not_learned")
            return
        if held(self._tx, "usual") >= MAX_USUAL:
            self._db.execute(
                "DELETE FROM usual WHERE (part, subject, object) IN"
                " (SELECT part, subject, object FROM usual WHERE part = ? ORDER BY last_ns LIMIT ?)",
                (fact.part, EVICT_ROWS),
            )
            self._tx.count("usual_evicted", self._db.changes())
        self._db.execute(
            "INSERT INTO usual (part, subject, object, first_ns, last_ns, seen) VALUES (?1, ?2, ?3, ?4, ?4, 1)"
            " ON CONFLICT DO UPDATE SET seen = seen + 1, last_ns = max(last_ns, ?4)",
            (fact.part, fact.subject, fact.object, fact.ts_ns),
        )

    def is_clean(self, fact: Waiting, around_ns: int) -> bool:
        """Nothing of medium or above about its processes, or about its addresses within `around_ns`."""
        if is_tainted(self._tx, fact.processes, Severity.MEDIUM):
            return False
        for address in fact.addresses:
            row = self._db.execute(
                "SELECT 1 FROM incident_entities AS e JOIN incidents AS i ON i.id = e.incident"
                " WHERE e.value = ? AND e.type = 'ip' AND i.severity >= ? AND i.ts_ns BETWEEN ? AND ?"
                " AND i.detector NOT LIKE 'baseline~_%' ESCAPE '~' LIMIT 1",
                (address, Severity.MEDIUM.rank, fact.ts_ns - around_ns, fact.ts_ns + around_ns),
            ).fetchone()
            if row is not None:
                return False
        return True

    def full_days(self) -> int:
        row = self._db.execute(
            "SELECT count(*) FROM usual_days WHERE hours >= ?", (FULL_DAY_HOURS,)
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def newest_minute(self, now_ns: int) -> int | None:
        """Time of the sensor's latest report, reports from the future left out."""
        row = self._db.execute("SELECT max(ts_ns) FROM telemetry WHERE ts_ns <= ?", (now_ns,)).fetchone()
        return None if row is None else row[0]

    def host(self) -> str:
        """As the sensor's latest report names it."""
        row = self._db.execute("SELECT line FROM telemetry ORDER BY ts_ns DESC LIMIT 1").fetchone()
        return "" if row is None else _TELEMETRY.decode(row[0]).fields.host

    def next_hour(self) -> int | None:
        """The first full hour (since the epoch) that was not looked at; None before the first report."""
        oldest = self._db.execute("SELECT min(ts_ns) FROM telemetry").fetchone()
        if oldest is None or oldest[0] is None:
            return None
        # The first one is not full.
        begin = int(oldest[0]) // (HOUR_S * NS) + 1
        row = self._db.execute("SELECT hour FROM usual_place").fetchone()
        return begin if row is None else max(begin, int(row[0]))

    def looked_at(self, hour: int) -> None:
        self._db.execute(
            "INSERT INTO usual_place (one, hour) VALUES (1, ?1) ON CONFLICT DO UPDATE SET hour = ?1",
            (hour + 1,),
        )

    def hour(self, hour: int) -> dict[str, int] | None:
        """Events by kind in that hour, or None when the sensor did not see enough of it."""
        begin = hour * HOUR_S * NS
        covered, out = 0.0, dict[str, int]()
        # A report speaks of the time before it.
        rows = self._db.execute(
            "SELECT line FROM telemetry WHERE ts_ns > ? AND ts_ns <= ?", (begin, begin + HOUR_S * NS)
        )
        for (line,) in rows:
            fields = _TELEMETRY.decode(line).fields
            covered += fields.period_s
            for kind, count in fields.events.items():
                out[kind] = out.get(kind, 0) + count
        return out if covered >= COVERED * HOUR_S else None

    def full_hour(self, hour: int) -> None:
        self._db.execute(
            "INSERT INTO usual_days (day, hours) VALUES (?1, 1) ON CONFLICT DO UPDATE SET hours = hours + 1",
            (hour // 24,),
        )

    def rates(self, hour_of_day: int) -> dict[str, Rate]:
        rows = self._db.execute(
            "SELECT kind, hours, mean, least, most FROM usual_rates WHERE hour = ?", (hour_of_day,)
        )
        return {str(r[0]): Rate(hours=r[1], mean=r[2], least=r[3], most=r[4]) for r in rows}

    def learn_rate(self, kind: str, hour_of_day: int, old: Rate | None, count: float) -> None:
        """The mean begins with the first hour, not with zero. Bounds widen at once and come back slowly."""
        if old is None:
            new = Rate(hours=1, mean=count, least=count, most=count)
        else:
            hours = old.hours + 1
            mean = old.mean + (count - old.mean) / min(hours, MEAN_HOURS)
            least = min(count, old.least + (mean - old.least) / MEAN_HOURS)
            most = max(count, old.most - (old.most - mean) / MEAN_HOURS)
            new = Rate(hours=hours, mean=mean, least=least, most=most)
        self._db.execute(
            "INSERT OR REPLACE INTO usual_rates (kind, hour, hours, mean, least, most) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, hour_of_day, new.hours, new.mean, new.least, new.most),
        )

    def told_on(self, part: str, at_ns: int) -> int:
        """Incidents about this part on the (UTC) day of that moment."""
        day = at_ns // DAY_NS * DAY_NS
        row = self._db.execute(
            "SELECT count(*) FROM unusual WHERE part = ? AND incident IS NOT NULL AND ts_ns >= ? AND ts_ns < ?",
            (part, day, day + DAY_NS),
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def mark(self, values: Sequence[str | int | None]) -> None:
        """Note what was unusual: time, part, subject, object, text, incident row or None."""
        self._db.execute(
            "INSERT INTO unusual (ts_ns, part, subject, object, text, incident) VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )
        last = self._db.last_insert_rowid()
        self._db.execute("DELETE FROM unusual WHERE id <= ?", (last - MAX_UNUSUAL,))
