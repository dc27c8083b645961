# SPDX-License-Identifier: Apache-2.0
"""`innerwarden status`: is it alive, what does it see, what did it lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from innerwarden import clock
from innerwarden.ctl.options import DataDir, Json, data_dir_of
from innerwarden.ctl.output import bytes_text, emit_json, note, shown, table

if TYPE_CHECKING:
    from innerwarden.agent.state.rows import Funnel
    from innerwarden.ctl.health import Status
    from innerwarden.model.health import ModulesHealth, WorkerHealth


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(data_dir: DataDir = None, json: Json = False) -> None:
    """Show whether sensor and agent live, levels, rates, losses and tasks (exit code 1 when one is down or waits)."""
    from innerwarden.ctl.health import gather

    found = gather(data_dir_of(data_dir))
    if json:
        emit_json("status", found)
    else:
        _print(found)
    well = found.sensor.alive and found.agent.alive and not found.trouble
    raise typer.Exit(0 if well and not any(one.waits for one in found.levels) else 1)


def _print(found: Status) -> None:
    sensor, agent = found.sensor, found.agent
    rows = [
        ("sensor", "ok" if sensor.alive else "failed", sensor.detail),
        ("agent", "ok" if agent.alive else "failed", agent.detail),
    ]
    table("", ("process", "state", "detail"), rows, styled=1)
    _print_levels(found)
    if found.health is not None:
        health = found.health
        proven = sum(hook.canary == "working" for hook in health.hooks)
        print(f"\nhooks      {proven} of {len(health.hooks)} proven, {bytes_text(health.rss_bytes)} resident")
        print(f"detectors  {health.detectors.loaded} loaded, {len(health.detectors.disabled)} disabled")
        for one in health.detectors.disabled:
            note(f"detector {one.id} is disabled: {one.reason}")
        for worker in health.modules.workers:
            print(_worker(worker))
        _print_modules(health.modules)
        busiest = sorted(health.totals.items(), key=lambda item: -item[1])
        kinds = [(kind, f"{health.rates.get(kind, 0.0):.1f}", str(total)) for kind, total in busiest]
        if kinds:
            print()
            table("Events", ("event", "per second", "since start"), kinds)
        lost = [(place, str(n)) for place, n in sorted(health.lost.items()) if n]
        print("\nnothing was lost since the sensor started" if not lost else "")
        if lost:
            table("Lost since the sensor's start", ("place", "records"), lost)
    if found.state is not None:
        state = found.state
        print(
            f"\nstate.db   {bytes_text(state.file_bytes)}, {bytes_text(state.free_bytes)} of it free,"
            f" {bytes_text(state.wal_bytes)} not folded in, {state.record_entries} entries in the record"
        )
    if found.checks:
        checks = [
            (c.name, "ok" if c.ok else "failed", clock.rfc3339(c.ts_ns)[:19], c.detail) for c in found.checks
        ]
        table("Checks of state.db", ("check", "state", "last (UTC)", "detail"), checks, styled=1)
    if found.tasks:
        print()
        tasks = [(t.name, t.state, str(t.runs), str(t.overruns), str(t.failures)) for t in found.tasks]
        table("Periodic tasks", ("task", "state", "runs", "slow", "failed"), tasks)
    if found.notify:
        print()
        told = [(c.channel, str(c.due), str(c.sent_day), str(c.given_up_day)) for c in found.notify]
        table("Notifications", ("channel", "due", "sent 24h", "given up 24h"), told)
    if found.triage is not None and found.triage.came_in:
        print_funnel(found.triage)
    for text in found.trouble:
        note(text)


def _print_levels(found: Status) -> None:
    """In one word, then each with what it means once."""
    print(f"\nlevel      {found.level}")
    if found.levels:
        table(
            "Degraded", ("level", "of", "detail"), [(one.name, one.part, one.detail) for one in found.levels]
        )
    for text in dict.fromkeys(f"{one.name}: {one.meaning} {one.remedy}." for one in found.levels):
        note(text)


def print_funnel(funnel: Funnel) -> None:
    """In, gated, decided, executed."""
    print()
    gates = [(g.gate, str(g.came_in), str(g.spoke), str(g.settled)) for g in funnel.gates]
    table("Triage", ("gate", "in", "spoke", "settled"), gates)
    came = ", ".join(f"{count} {outcome}" for outcome, count in sorted(funnel.outcomes.items()))
    print(f"decided    {funnel.came_in} in, {funnel.folded} folded, {came or 'nothing else'}")
    print(
        f"done       {funnel.proposed} proposed ({funnel.open_proposals} wait), {funnel.ordered} ordered,"
        f" {funnel.executed} executed ({funnel.in_effect} in effect), {funnel.dry_run} dry runs"
    )


def _print_modules(modules: ModulesHealth) -> None:
    for problem in (*modules.problems, *modules.refused):
        note(f"not loaded: {problem}")
    for notice in modules.notices:
        note(f"loaded all the same: {notice}")


def _worker(worker: WorkerHealth) -> str:
    """One line about the process that runs a module's Python."""
    text = f"worker     {worker.module}: {worker.state}, {worker.answered} events judged, {worker.lost} lost"
    if worker.crashes:
        text += f", ended {worker.crashes} times, last because {worker.reason}"
    return shown(text)
