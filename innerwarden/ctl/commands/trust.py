# SPDX-License-Identifier: Apache-2.0
"""`innerwarden trust add|list|remove|check`: who may do what without alarm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown, table

if TYPE_CHECKING:
    from innerwarden.trust import Placed

group = typer.Typer(
    help="Say who may do what without alarm, until when, and why; see docs/trust.md.", no_args_is_help=True
)

Detectors = Annotated[
    list[str] | None,
    typer.Option("--detector", help='An id, module:<id>, tag:<tag>, or "all". May be repeated.'),
]
Uids = Annotated[
    list[int] | None, typer.Option("--uid", help="Only processes of this user id. May be repeated.", min=0)
]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="trust")


@group.command("add")
def add(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="Names the entry, e.g. nightly-backup.")],
    detector: Detectors = None,
    reason: Annotated[str, typer.Option(help="Why it is harmless.")] = "",
    owner: Annotated[str, typer.Option(help="The person who answers for it.")] = "",
    *,
    exe: Annotated[str | None, typer.Option(help="The program's file.")] = None,
    package: Annotated[str | None, typer.Option(help="The dpkg package that the program belongs to.")] = None,
    pin_inode: Annotated[
        bool, typer.Option("--pin-inode", help="Only the very file that is there now.")
    ] = False,
    pin_sha256: Annotated[
        bool, typer.Option("--pin-sha256", help="Only with the content that the file has now.")
    ] = False,
    ancestor: Annotated[
        str | None, typer.Option(help="A program that it must have been started by, at any distance.")
    ] = None,
    ancestor_package: Annotated[str | None, typer.Option(help="The same by package.")] = None,
    address: Annotated[
        list[str] | None, typer.Option("--address", help="An address or network. May be repeated.")
    ] = None,
    uid: Uids = None,
    distrust: Annotated[
        bool, typer.Option("--distrust", help="Never trust these addresses; a longer prefix wins.")
    ] = False,
    up_to: Annotated[
        str, typer.Option(help="Lower findings up to this severity; graver ones are only marked.")
    ] = "medium",
    expires: Annotated[str, typer.Option(help="30d, 12h, 8w from now, or an RFC 3339 time.")] = "",
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="It counts until it is removed.")] = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Add an entry. All conditions that are given must hold together."""
    from innerwarden.ctl import trusting
    from innerwarden.trust.edit import add as write

    wanted = trusting.Wanted(
        id=entry_id, detectors=tuple(detector or ()), reason=reason, owner=owner, exe=exe, package=package,
        pin_inode=pin_inode, pin_sha256=pin_sha256, ancestor=ancestor, ancestor_package=ancestor_package,
        networks=tuple(address or ()), uids=tuple(uid or ()), distrust=distrust, up_to=up_to, expires=expires,
        no_expiry=no_expiry,
    )  # fmt: skip
    entry = trusting.entry_of(wanted)
    specs = trusting.specs_of(config)
    trusting.check_detectors(entry, specs)
    path = write(trusting.directory_of(config), entry)
    if json:
        emit_json("trust add", {"file": str(path), "entry": entry})
    else:
        print(f"{shown(entry.id)}: {shown(entry.subject())}, {entry.until()}, in {shown(str(path))}")
    for text in trusting.remarks(entry, specs):
        note(text)


@group.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List the entries, which of them count, and how many findings each covered (exit code 1 with problems)."""
    from innerwarden.ctl import trusting
    from innerwarden.ctl.reading import sensor_health
    from innerwarden.trust.store import load

    placed, problems = load(trusting.directory_of(config))
    health, _age = sensor_health(data_dir_of(data_dir))
    covered = health.trust.covered if health else {}
    rows = [trusting.listed(one, bool(problems), covered.get(one.entry.id, 0)) for one in placed]
    if json:
        emit_json("trust list", {"entries": rows, "problems": problems})
    else:
        if rows:
            cells = [
                (r.id, r.state, ", ".join(r.detectors), r.subject, r.until, str(r.covered), r.owner, r.reason)
                for r in rows
            ]
            table("", ("entry", "state", "detectors", "who", "until", "covered", "owner", "reason"), cells)
        else:
            note("nobody is trusted")
        for problem in problems:
            note(problem)
    raise typer.Exit(1 if problems else 0)


@group.command("remove")
def remove(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden trust list` prints it.")],
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Remove an entry; a running sensor follows before its next finding."""
    from innerwarden.ctl import trusting
    from innerwarden.trust.edit import remove as cut

    gone: Placed = cut(trusting.directory_of(config), entry_id)
    if json:
        emit_json("trust remove", {"file": gone.file, "line": gone.line, "entry": gone.entry})
    else:
        print(f"{shown(entry_id)} removed from {shown(gone.file)}")


@group.command("check")
def check(
    *,
    detector: Annotated[str, typer.Option(help="Of which detector the finding would be.")] = "",
    exe: Annotated[
        Path | None, typer.Option(help="A program's file, as if a process ran it, started by nobody known.")
    ] = None,
    pid: Annotated[int | None, typer.Option(help="A process that runs, with its ancestors.", min=1)] = None,
    uid: Annotated[int | None, typer.Option("--uid", help="With --exe: its user id.", min=0)] = None,
    address: Annotated[list[str] | None, typer.Option("--address", help="What the finding is about.")] = None,
    incident: Annotated[str | None, typer.Option(help="A stored finding by its id.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Would a finding be trusted now, and by which entry (exit code 1: by none)?"""
    from innerwarden.ctl import trusting

    asked = trusting.Asked(detector=detector, exe=exe, pid=pid, uid=uid, addresses=tuple(address or ()))
    subject = (
        trusting.subject_of_incident(incident, data_dir_of(data_dir), config)
        if incident
        else trusting.subject_of(asked, config)
    )
    verdict = trusting.ask(subject, config)
    by = verdict.by
    if json:
        data = {
            "detector": subject.detector,
            "trusted_by": by.entry.id if by else None,
            "lowered": verdict.lowered,
            "answers": [
                {
                    "entry": a.placed.entry.id,
                    "file": a.placed.file,
                    "line": a.placed.line,
                    "objection": a.objection,
                }
                for a in verdict.answers
            ],
        }
        emit_json("trust check", data)
        raise typer.Exit(0 if by else 1)
    for line in trusting.told(verdict, subject):
        print(shown(line))
    raise typer.Exit(0 if by else 1)
