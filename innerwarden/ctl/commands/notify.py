# SPDX-License-Identifier: Apache-2.0
"""`innerwarden notify test|list|outbox`: whom to tell, whether it works, what waits."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown, table

group = typer.Typer(help="Try the channels of notifications, and see what waits.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="notify")


@group.command("test")
def test(
    channel: Annotated[
        str | None, typer.Argument(metavar="[CHANNEL]", help="As in the configuration; without it all.")
    ] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Send a test message now, past the outbox (exit code 1 when one does not arrive)."""
    from innerwarden.config import load
    from innerwarden.ctl.notifying import try_channels

    tried = try_channels(load(config), channel)
    if json:
        emit_json("notify test", tried)
    else:
        table(
            "",
            ("channel", "state", "detail"),
            [(t.channel, "ok" if t.ok else "failed", t.detail) for t in tried],
            styled=1,
        )
    raise typer.Exit(0 if all(t.ok for t in tried) else 1)


@group.command("list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """List the channels, and whether their files can be used (exit code 1 when one cannot)."""
    from innerwarden.config import load
    from innerwarden.ctl.notifying import listed, remarks

    notify = load(config).notify
    rows = listed(notify)
    if json:
        emit_json("notify list", {"enabled": notify.enabled, "channels": rows, "remarks": remarks(notify)})
    else:
        if rows:
            cells = [
                (
                    r.channel,
                    r.kind,
                    "yes" if r.enabled else "no",
                    r.min_severity,
                    r.digest_severity,
                    r.quiet_hours or "-",
                    "yes" if r.approve else "no",
                    r.problem or "ok",
                )
                for r in rows
            ]
            table("", ("channel", "kind", "on", "at once", "digest", "quiet", "answers", "files"), cells)
        for text in remarks(notify):
            note(text)
    raise typer.Exit(1 if any(r.problem for r in rows) else 0)


@group.command("outbox")
def outbox(
    limit: Annotated[int, typer.Option(help="At most so many messages, the latest first.", min=1)] = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show per channel what waits, went out and was given up, and the messages that wait or were given up."""
    from innerwarden.ctl.reading import reading

    with reading(data_dir_of(data_dir)) as reader:
        found = reader.outbox(limit)
    if json:
        emit_json("notify outbox", found)
        return
    if not found.channels:
        note("nothing was handed to a channel yet")
    else:
        cells = [
            (
                c.channel,
                str(c.due),
                str(c.deferred),
                str(c.sent_day),
                str(c.given_up_day),
                (c.last_sent or "never")[:19],
                c.last_error or "-",
            )
            for c in found.channels
        ]
        table(
            "", ("channel", "due", "for digest", "sent 24h", "given up 24h", "last sent", "last error"), cells
        )
    if found.notices:
        print()
        table(
            "Messages that wait or were given up",
            ("severity", "channel", "state", "kind", "tries", "next try", "incident", "last answer"),
            [
                (
                    n.severity.value,
                    n.channel,
                    n.state,
                    n.kind,
                    str(n.attempts),
                    n.due[:19] if n.state == "due" else "-",
                    n.incident_id or "-",
                    n.detail or "-",
                )
                for n in found.notices
            ],
            styled=0,
        )
    totals = ", ".join(f"{shown(name)} {count}" for name, count in found.totals.items())
    print(f"\nsince the database was made: {totals}")
