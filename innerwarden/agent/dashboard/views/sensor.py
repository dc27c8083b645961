# SPDX-License-Identifier: Apache-2.0
"""What the sensor can see, what it lost, and what the agent does in the background."""

from __future__ import annotations

from collections.abc import Sequence

import falcon

from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.dashboard.html import Child, Html, el, join
from innerwarden.agent.dashboard.types import SensorView
from innerwarden.agent.dashboard.view import View
from innerwarden.agent.dashboard.widgets import (
    count,
    facts,
    grid,
    moment,
    panel,
    sensor_line,
    size,
    state,
    technique,
)
from innerwarden.clock import rfc3339
from innerwarden.model.health import CollectorHealth, HookHealth, SensorHealth

#: What is not seen comes first.
WORST_FIRST = {"failed": 0, "unconfirmed": 1, "absent": 2, "working": 3}


def load(context: Context, req: falcon.Request, params: dict[str, str]) -> SensorView:
    reader = context.reader()
    health = context.health()
    telemetry = reader.telemetry_latest()
    return SensorView(
        sensor=context.sensor_state(health),
        health=health,
        telemetry=telemetry.fields if telemetry else None,
        telemetry_ts=telemetry.ts if telemetry else None,
        ingest=reader.cursor(),
        tasks=tuple(reader.tasks()),
    )


def render(body: SensorView) -> Html:
    headline = el(
        "div",
        el("h1", "Sensor health"),
        sensor_line(body.sensor),
        id="headline",
        class_="headline",
        data_live=True,
    )
    if body.health is None:
        return join(headline, _agent(body))
    health = body.health
    return join(
        headline,
        el("div", _hooks(health), class_="whole"),
        el(
            "div",
            el("div", _collectors(health), _rates(health), class_="wide"),
            el("div", _losses(health), _rings(health), _sensor(body, health), _agent(body), class_="side"),
            class_="columns",
        ),
    )


def _hooks(health: SensorHealth) -> Html:
    """One row for each thing that is seen, with the hooks that see it."""
    effects: dict[str, list[HookHealth]] = {}
    for hook in health.hooks:
        effects.setdefault(hook.effect or hook.kind, []).append(hook)
    worst = {effect: _worst(hooks) for effect, hooks in effects.items()}
    columns = ("what is seen", "canary", "records", "hooks", "goes blind without them")
    rows = [
        _effect(effect, worst[effect], effects[effect])
        for effect in sorted(effects, key=lambda effect: WORST_FIRST.get(worst[effect], 0))
    ]
    return panel(
        "Kernel hooks",
        grid("Kernel hooks", columns, rows, "No kernel hook: the sensor runs without eBPF."),
        id_="hooks",
        note="Working means that a harmless action of our own came all the way; every minute each hook gets one.",
    )


def _worst(hooks: Sequence[HookHealth]) -> str:
    """The worst canary of those hooks in whose place no other one is."""
    needed = [hook.canary for hook in hooks if not hook.stand_in] or [hook.canary for hook in hooks]
    return min(needed, key=lambda canary: WORST_FIRST.get(canary, 0))


def _effect(effect: str, canary: str, hooks: Sequence[HookHealth]) -> tuple[Html, ...]:
    last = max((hook.canary_ts for hook in hooks if hook.canary_ts), default=None)
    proven = moment(last, "health.hooks.canary_ts", brief=True) if last else None
    troubled = [hook for hook in hooks if hook.state != "attached" or hook.canary != "working"]
    lost = dict.fromkeys(attack for hook in hooks for attack in hook.lost_techniques)
    return (
        el("span", effect, data_field="health.hooks.effect"),
        join(state(canary, "health.hooks.canary"), proven),
        el(
            "span", count(sum(hook.fires for hook in hooks)), class_="number", data_field="health.hooks.fires"
        ),
        join(
            el("span", *(_name(hook) for hook in hooks), class_="chips"),
            *(_trouble(hook) for hook in troubled),
        ),
        el("span", *(technique(attack, "health.hooks.lost_techniques") for attack in lost), class_="chips"),
    )


def _name(hook: HookHealth) -> Html:
    mark = (
        "✓" if hook.canary == "working" else "→" if hook.stand_in else "✗" if hook.canary == "failed" else "?"
    )
    if hook.state in ("absent", "failed", "dead") and not hook.stand_in:
        mark = "✗"
    return el(
        "span",
        el("span", mark, aria_hidden="true"),
        " ",
        el("span", hook.name, class_="mono", data_field="health.hooks.name"),
        class_="chip",
        title=f"{hook.state}, canary {hook.canary}, {hook.fires} records",
    )


def _trouble(hook: HookHealth) -> Html:
    """Why a hook is not attached and proven, and what sees the same."""
    parts: list[Child] = [el("span", hook.name, class_="mono"), " "]
    if hook.state == "attached":
        parts.append(el("span", hook.canary, data_field="health.hooks.canary"))
        reason, field = hook.canary_reason, "health.hooks.canary_reason"
    else:
        parts.append(el("span", hook.state, data_field="health.hooks.state"))
        reason, field = hook.reason or hook.canary_reason, "health.hooks.reason"
    if reason:
        parts += [": ", el("span", reason, data_field=field)]
    if hook.stand_in:
        parts += [
            "; seen instead by ",
            el("span", hook.stand_in, class_="mono", data_field="health.hooks.stand_in"),
        ]
    return el("p", *parts, class_="note")


def _collectors(health: SensorHealth) -> Html:
    columns = ("source", "state", "lines", "matched", "malformed", "lost")
    rows = [_collector(one) for one in health.collectors]
    return panel("Sources", grid("Sources", columns, rows, "No source is configured."), id_="collectors")


def _collector(one: CollectorHealth) -> tuple[Html, ...]:
    reason = el("p", one.reason, class_="note", data_field="health.collectors.reason") if one.reason else None
    numbers = (
        el("span", count(getattr(one, name)), class_="number", data_field=f"health.collectors.{name}")
        for name in ("lines", "matched", "malformed", "lost")
    )
    name = join(el("span", one.id, class_="mono", data_field="health.collectors.id"), reason)
    return (name, state(one.state, "health.collectors.state"), *numbers)


def _rates(health: SensorHealth) -> Html:
    rows = [
        (
            el("span", kind, class_="mono"),
            el("span", f"{health.rates.get(kind, 0.0):,.1f}", class_="number", data_field="health.rates"),
            el("span", count(total), class_="number", data_field="health.totals"),
        )
        for kind, total in sorted(health.totals.items(), key=lambda item: -item[1])
    ]
    return panel(
        "Events", grid("Events", ("event", "per second", "since start"), rows, "None so far."), id_="rates"
    )


def _losses(health: SensorHealth) -> Html:
    lost = {place: n for place, n in health.lost.items() if n}
    if not lost:
        return panel(
            "Losses", el("p", "Nothing was lost since the sensor started.", class_="good"), id_="losses"
        )
    rows = [
        (
            el("span", place, class_="mono"),
            el("span", count(n), class_="number warn", data_field="health.lost"),
        )
        for place, n in sorted(lost.items(), key=lambda item: -item[1])
    ]
    return panel("Losses", grid("Losses", ("place", "since start"), rows, ""), id_="losses")


def _rings(health: SensorHealth) -> Html:
    rows = [
        (
            el("span", ring.name, class_="mono", data_field="health.rings.name"),
            el("progress", value=ring.pending_bytes, max=ring.size_bytes, aria_label=f"{ring.name} fill"),
            el(
                "span",
                el("span", size(ring.pending_bytes), data_field="health.rings.pending_bytes"),
                " of ",
                el("span", size(ring.size_bytes), data_field="health.rings.size_bytes"),
            ),
            el("span", count(ring.consumed), class_="number", data_field="health.rings.consumed"),
        )
        for ring in health.rings
    ]
    return panel("Rings", grid("Rings", ("ring", "fill", "", "consumed"), rows, "No ring."), id_="rings")


def _sensor(body: SensorView, health: SensorHealth) -> Html:
    off = [
        (f"off: {one.id}", el("span", one.reason, data_field="health.detectors.disabled.reason"))
        for one in health.detectors.disabled
    ]
    table = health.process_table
    minute = None
    if body.telemetry and body.telemetry_ts:
        events = sum(body.telemetry.events.values())
        minute = join(
            el("span", count(events), data_field="telemetry.events"),
            el("span", f" events in {body.telemetry.period_s:.0f} s, ", data_field="telemetry.period_s"),
            moment(body.telemetry_ts, "telemetry_ts"),
        )
    return panel(
        "Sensor process",
        facts(
            [
                ("version", el("span", health.version, data_field="health.version")),
                ("pid", el("span", health.pid, data_field="health.pid")),
                ("report", moment(health.ts, "health.ts")),
                ("memory", el("span", size(health.rss_bytes), data_field="health.rss_bytes")),
                (
                    "detectors",
                    el("span", count(health.detectors.loaded), data_field="health.detectors.loaded"),
                ),
                (
                    "processes known",
                    el("span", count(table.entries), data_field="health.process_table.entries"),
                ),
                (
                    "processes forgotten",
                    el("span", count(table.evicted), data_field="health.process_table.evicted"),
                ),
                ("last telemetry", minute),
                *off,
            ]
        ),
        id_="process",
    )


def _agent(body: SensorView) -> Html:
    ingest = body.ingest
    last = moment(rfc3339(ingest.updated_ns), "ingest.updated_ns") if ingest.updated_ns else None
    bad = [
        el("li", f"{one.file} at byte {one.offset}: {one.reason}", data_field="ingest.last_bad.reason")
        for one in ingest.last_bad
    ]
    rows = [
        (
            el("span", task.name, class_="mono", data_field="tasks.name"),
            join(
                state(task.state, "tasks.state"),
                el("p", task.last_error, class_="note", data_field="tasks.last_error")
                if task.last_error
                else None,
            ),
            el("span", count(task.runs), class_="number", data_field="tasks.runs"),
            el("span", count(task.overruns), class_="number", data_field="tasks.overruns"),
            el("span", count(task.failures), class_="number", data_field="tasks.failures"),
        )
        for task in body.tasks
    ]
    return panel(
        "Agent",
        facts(
            [
                ("findings read to byte", el("span", count(ingest.offset), data_field="ingest.offset")),
                ("last read", last),
                ("unreadable lines", el("span", count(ingest.bad_lines), data_field="ingest.bad_lines")),
                (
                    "seen twice, stored once",
                    el("span", count(ingest.duplicates), data_field="ingest.duplicates"),
                ),
            ]
        ),
        el("ul", *bad, class_="blind") if bad else None,
        grid(
            "Background tasks",
            ("task", "state", "runs", "slow", "failed"),
            rows,
            "No background task has run yet.",
        ),
        id_="agent",
    )


VIEW = View(
    name="sensor",
    title="Sensor",
    path="/sensor",
    api_path="/api/v1/sensor",
    body=SensorView,
    load=load,
    render=render,
    nav=4,
)
