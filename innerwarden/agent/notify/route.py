# SPDX-License-Identifier: Apache-2.0
"""From what triage handed over to the outbox of each channel: gate, groups, digest, burst, bounds."""

from __future__ import annotations

import msgspec

from innerwarden.agent.notify import hours
from innerwarden.agent.notify.gate import About, Standing, Verdict, gate
from innerwarden.agent.notify.message import ENTITIES, VALUE_LIMIT, Message, bounded_id, cut
from innerwarden.agent.notify.settle import take
from innerwarden.agent.state import notices
from innerwarden.agent.state.notices import HOUR_NS, Group, Held, Incident, NewNotice
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb

#: Incidents that one transaction takes over.
BATCH = 100
GROUPS_KEPT = 5_000
#: How long repetitions of a Critical are counted at most before the number is told.
REPEATS_S = 600
#: An attack that goes on is told again after so long.
BURST_AGAIN_NS = 4 * HOUR_NS
#: These keep an alarm open until they hear that the incident is closed.
CLOSES = ("pagerduty", "opsgenie", "webhook")
_SEVERITIES = tuple(Severity)
#: What an incident is about, the most lasting first; a process is another one each time.
_PREFERRED = (
    EntityType.IP, EntityType.USER, EntityType.CONTAINER, EntityType.SERVICE, EntityType.PATH, EntityType.PROCESS,
)  # fmt: skip
_JSON = msgspec.json.Encoder()


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """`taken`: incidents; BATCH means that there may be more. `due`: channels that have something to send and may."""

    taken: int
    due: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: take a batch over and do what the time asks for. `now_ns` is wall time."""

    notify: NotifyConfig
    host: str
    now_ns: int
    prune: bool = False
    durable: bool = True

    def apply(self, tx: Tx) -> Routed:
        channels = {name: one for name, one in self.notify.channels.items() if one.enabled}
        if not self.notify.enabled or not channels:
            notices.drop_intake(tx)
            return Routed(taken=0, due=())
        router = _Router(tx, channels, self.host, self.now_ns)
        taken = notices.taken(tx, BATCH)
        for incident in taken:
            for name in channels:
                router.incident(name, incident)
        router.windows()
        for name in channels:
            router.digest(name)
            router.burst(name)
        notices.evict(tx, self.notify.outbox_entries)
        if self.prune:
            notices.orphans(tx, tuple(channels), self.now_ns)
            notices.prune(tx, self.now_ns - HOUR_NS)
        due = notices.due_channels(tx, self.now_ns)
        ready = tuple(name for name in due if name in channels and take(tx, name, self.now_ns) is not None)
        return Routed(taken=len(taken), due=ready)


class _Router:
    """One transaction's work; never kept."""

    def __init__(self, tx: Tx, channels: dict[str, ChannelConfig], host: str, now_ns: int) -> None:
        self._tx = tx
        self._channels = channels
        self._host = host
        self._now_ns = now_ns

    def incident(self, name: str, incident: Incident) -> None:
        if incident.closed:
            self._closed(name, incident)
            return
        key, follows = incident.fields.incident_id, False
        if notices.knows(self._tx, name, key):
            if incident.response_id is None:
                return
            key, follows = f"{key}#{incident.response_id}", True  # told before anything was proposed
            if notices.knows(self._tx, name, key):
                return
        policy = self._channels[name]
        entity = subject(incident.fields.entities)
        group = None if follows else notices.group(self._tx, name, incident.detector, entity)
        about = About(
            severity=incident.severity,
            outcome=incident.outcome,
            detector=incident.detector,
            tags=incident.fields.tags,
        )
        verdict = gate(policy, about, self._standing(name, group, incident))
        if verdict is Verdict.SKIP:
            return
        state = {Verdict.SEND: "due", Verdict.GROUP: "grouped", Verdict.DEFER: "deferred"}[verdict]
        message = self._message(incident) if verdict is Verdict.SEND else None
        if message is not None and follows:
            message = msgspec.structs.replace(message, key=f"{message.key}#{incident.response_id}")
        self._add(
            NewNotice(
                channel=name,
                key=key,
                kind="incident",
                state=state,
                severity=incident.severity,
                detector=incident.detector,
                entity=entity,
                outcome=incident.outcome.value,
                incident_id=incident.fields.incident_id,
                due_ns=self._now_ns,
                body=None if message is None else _JSON.encode(message),
            )
        )
        if verdict is Verdict.GROUP:
            self._hold(policy, group or self._closed_group(name, incident, entity), incident, entity)
        elif verdict is Verdict.SEND and incident.severity is not Severity.CRITICAL and not follows:
            self._open(name, policy, incident, entity)

    def _standing(self, name: str, group: Group | None, incident: Incident) -> Standing:
        policy = self._channels[name]
        since_s = None if group is None else (self._now_ns - group.told_ns) / NS
        return Standing(
            repeated=incident.repeated,
            group_is_open=group is not None and group.ends_ns > 0,
            # A message from the future was sent before the clock was set back.
            since_told_s=None if since_s is None or since_s < 0 else since_s,
            passed=notices.passed_since(self._tx, name, self._now_ns - HOUR_NS, policy.hourly_cap or 1),
            quiet=hours.is_quiet(policy, self._now_ns),
        )

    def _message(self, incident: Incident) -> Message:
        fields = incident.fields
        name = bounded_id(fields.incident_id)
        return Message(
            kind="incident",
            key=name,
            host=cut(fields.host, VALUE_LIMIT),
            ts_ns=incident.ts_ns,
            severity=incident.severity,
            incident_id=name,
            detector=cut(incident.detector, VALUE_LIMIT),
            title=cut(fields.title),
            summary=cut(fields.summary),
            entities=tuple(
                EntityRef(one.type, cut(one.value, VALUE_LIMIT)) for one in fields.entities[:ENTITIES]
            ),
            tags=tuple(cut(tag, 64) for tag in fields.tags[:16]),
            attack=tuple(cut(one, 16) for one in fields.attack[:16]),
            outcome=incident.outcome,
            reason=cut(incident.reason),
            action="" if incident.verb is None else action_text(incident.verb),
            ttl_s=incident.ttl_s,
            dry_run=incident.dry_run,
            response_id=incident.response_id,
        )

    def _closed(self, name: str, incident: Incident) -> None:
        """Only where the begin was told, and stays open otherwise."""
        begin = incident.fields.incident_id
        if self._channels[name].kind not in CLOSES or not notices.knows(self._tx, name, begin):
            return
        told = self._message(incident)
        message = msgspec.structs.replace(told, kind="closed", key=f"closed:{told.key}")
        self._add(
            NewNotice(
                channel=name,
                key=f"closed:{begin}",
                kind="closed",
                state="due",
                severity=incident.severity,
                detector=incident.detector,
                outcome=incident.outcome.value,
                incident_id=begin,
                due_ns=self._now_ns,
                body=_JSON.encode(message),
            )
        )

    def _open(self, name: str, policy: ChannelConfig, incident: Incident, entity: str) -> None:
        if not policy.group_window_s and not policy.cooldown_s:
            return
        group = self._closed_group(name, incident, entity)
        if window_ns := policy.group_window_s * NS:
            group = msgspec.structs.replace(group, ends_ns=self._now_ns + window_ns)
        notices.put_group(self._tx, group)

    def _closed_group(self, name: str, incident: Incident, entity: str) -> Group:
        """Of something that was told just now, without a window."""
        return Group(
            channel=name,
            detector=incident.detector,
            entity=entity,
            began_ns=self._now_ns,
            ends_ns=0,
            told_ns=self._now_ns,
            held=0,
            severity=0,
            summarised=False,
            incident_id=incident.fields.incident_id,
        )

    def _hold(self, policy: ChannelConfig, group: Group, incident: Incident, entity: str) -> None:
        if not group.ends_ns:  # nothing was counted since the last message: a window begins
            window_ns = (max(policy.group_window_s, policy.cooldown_s) or REPEATS_S) * NS
            group = msgspec.structs.replace(
                group,
                began_ns=self._now_ns,
                ends_ns=self._now_ns + window_ns,
                held=0,
                severity=0,
                summarised=False,
            )
        repeats_end_ns = self._now_ns + REPEATS_S * NS
        if incident.severity is Severity.CRITICAL and group.severity < incident.severity.rank:
            group = msgspec.structs.replace(group, ends_ns=min(group.ends_ns, repeats_end_ns))
        group = msgspec.structs.replace(
            group,
            held=group.held + 1,
            severity=max(group.severity, incident.severity.rank),
            incident_id=incident.fields.incident_id,
        )
        if group.held >= policy.group_count and not group.summarised:
            self._summary(group)
            group = msgspec.structs.replace(group, held=0, severity=0, summarised=True, told_ns=self._now_ns)
        notices.put_group(self._tx, group)

    def windows(self) -> None:
        """Windows that are over, and the oldest beyond GROUPS_KEPT: what they held is told."""
        over = notices.groups_over(self._tx, self._now_ns, BATCH)
        for group in over:
            if group.channel not in self._channels:
                notices.drop_group(self._tx, group)
                continue
            if group.held:
                self._summary(group)
            told_ns = self._now_ns if group.held else group.told_ns
            notices.put_group(
                self._tx, msgspec.structs.replace(group, ends_ns=0, held=0, severity=0, told_ns=told_ns)
            )
        for name, policy in self._channels.items():
            notices.forget_groups(self._tx, name, self._now_ns - policy.cooldown_s * NS)
        for group in notices.oldest_groups(self._tx, GROUPS_KEPT):
            if group.held and group.channel in self._channels:
                self._summary(group)
            notices.drop_group(self._tx, group)

    def _summary(self, group: Group) -> None:
        policy = self._channels[group.channel]
        severity = _SEVERITIES[group.severity]
        kind, _, value = group.entity.partition(":")
        message = Message(
            kind="summary",
            key=f"summary:{bounded_id(group.incident_id)}",
            host=self._host,
            ts_ns=group.told_ns,
            severity=severity,
            incident_id=bounded_id(group.incident_id),
            detector=cut(group.detector, VALUE_LIMIT),
            entities=(EntityRef(EntityType(kind), cut(value, VALUE_LIMIT)),) if kind else (),
            count=group.held,
        )
        critical = severity is Severity.CRITICAL
        due_ns = self._now_ns if critical else hours.quiet_until_ns(policy, self._now_ns)
        self._queue(group.channel, message, due_ns)

    def digest(self, name: str) -> None:
        """Whatever waits, once a local day; rows and not times say what is in it, so none is lost or told twice."""
        policy = self._channels[name]
        state = notices.channel(self._tx, name)
        day = hours.digest_day(policy, self._now_ns)
        if not state.digest_day:  # a new channel: its first digest is the next one
            notices.put_channel(self._tx, msgspec.structs.replace(state, digest_day=day))
            return
        if not hours.is_later(day, state.digest_day):
            return
        up_to = notices.last_id(self._tx)
        held = notices.held(self._tx, name, notices.WAITING, (up_to,))
        if held.total or state.evicted:
            message = Message(
                kind="digest",
                key=f"digest:{day}:{up_to}",
                host=self._host,
                ts_ns=held.since_ns or self._now_ns,
                severity=worst(held.by_severity),
                held=_bounded(held),
                evicted=state.evicted,
            )
            self._queue(name, message, hours.quiet_until_ns(policy, self._now_ns))
            notices.told(self._tx, name, up_to, self._now_ns)
        notices.put_channel(self._tx, msgspec.structs.replace(state, digest_day=day, evicted=0))

    def burst(self, name: str) -> None:
        """Many held back within an hour: say so, with the numbers of what was held and nothing more."""
        policy = self._channels[name]
        since_ns = self._now_ns - HOUR_NS
        if notices.kept_back_count(self._tx, name, since_ns) < policy.burst_count:
            return
        state = notices.channel(self._tx, name)
        if 0 <= self._now_ns - state.burst_ns < BURST_AGAIN_NS:
            return
        held = notices.held(self._tx, name, notices.KEPT_BACK, (since_ns,))
        message = Message(
            kind="burst",
            key=f"burst:{self._now_ns}",
            host=self._host,
            ts_ns=held.since_ns,
            severity=worst(held.by_severity),
            held=_bounded(held),
            evicted=state.evicted,
        )
        self._queue(name, message, self._now_ns)
        notices.put_channel(self._tx, msgspec.structs.replace(state, burst_ns=self._now_ns))

    def _queue(self, name: str, message: Message, due_ns: int) -> None:
        self._add(
            NewNotice(
                channel=name,
                key=message.key,
                kind=message.kind,
                state="due",
                severity=message.severity,
                detector=message.detector,
                incident_id=message.incident_id,
                due_ns=due_ns,
                body=_JSON.encode(message),
            )
        )

    def _add(self, new: NewNotice) -> None:
        notices.add(self._tx, new, self._now_ns)


def subject(entities: tuple[EntityRef, ...]) -> str:
    """`type:value` of what an incident is about; "" when it names nothing."""
    for kind in _PREFERRED:
        for one in entities:
            if one.type is kind:
                return f"{one.type.value}:{one.value}"
    return ""


def worst(by_severity: dict[str, int]) -> Severity:
    """Below Critical: a message that tells of several never overtakes a Critical."""
    ranks = [Severity(name).rank for name, count in by_severity.items() if count]
    return _SEVERITIES[min(max(ranks, default=Severity.INFO.rank), Severity.HIGH.rank)]


def _bounded(held: Held) -> Held:
    return msgspec.structs.replace(
        held,
        worst=tuple(bounded_id(one) for one in held.worst),
        by_detector=tuple((cut(name, VALUE_LIMIT), count) for name, count in held.by_detector),
    )


def action_text(verb: AnyVerb) -> str:
    target = verb.target()
    return cut(f"{verb.id.replace('_', ' ')}: {target.value}", 300)
