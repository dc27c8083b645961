# SPDX-License-Identifier: Apache-2.0
"""`innerwarden doctor`: does it really see? Every answer rests on an action of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from innerwarden.ctl.doctor import Diagnosis, Proof


#: What the sources that are no hooks give.
SOURCES = {"log": "log lines", "inventory": "what the kernel offers no hook for"}


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    start: Annotated[
        bool, typer.Option("--start", help="Start a sensor of its own for the check, and stop it after.")
    ] = False,
    json: Json = False,
) -> None:
    """Have one harmless event per source caused and see whether the sensor counts it (exit code 1 if not)."""
    from innerwarden.config import load
    from innerwarden.ctl.doctor import examine, temporary_sensor

    settings = load(config)
    if start:
        with temporary_sensor(config) as directory:
            diagnosis = examine(directory, settings)
    else:
        diagnosis = examine(data_dir_of(data_dir), settings)
    if json:
        emit_json("doctor", diagnosis)
    else:
        _print(diagnosis)
    raise typer.Exit(0 if diagnosis.healthy else 1)


def _print(diagnosis: Diagnosis) -> None:
    rows = [(check.name, check.state, check.detail) for check in diagnosis.checks]
    table("This machine", ("check", "state", "detail"), rows, styled=1)
    for check in diagnosis.checks:
        if check.remedy:
            note(f"{check.name}: {check.remedy}")
    _print_kernel(diagnosis)
    if diagnosis.proofs:
        _print_sight(diagnosis.proofs)
    print()
    spots = [(spot.sentence, ", ".join(spot.techniques), spot.instead) for spot in diagnosis.blind_spots]
    table("What no kernel shows", ("blind spot", "techniques", "instead"), spots)


def _print_kernel(diagnosis: Diagnosis) -> None:
    if not diagnosis.capabilities:
        return
    print()
    rows = []
    usable = [one.type for one in diagnosis.capabilities if one.state == "available"]
    if usable:
        rows.append((", ".join(usable), "available", "a sample ran"))
    for one in diagnosis.capabilities:
        if one.state != "available":
            rows.append((one.type, one.state, f"{one.reason}; {one.hint}" if one.hint else one.reason))
    table("This kernel", ("hooks", "state", "detail"), rows, styled=1)


def _print_sight(proofs: Sequence[Proof]) -> None:
    """What is seen, by what: hooks of one effect that are in the same state share a line."""
    print()
    groups: dict[tuple[str, str, str, str, str], list[Proof]] = {}
    for proof in proofs:
        why = "" if proof.result == "working" else _why(proof)
        lost = ", ".join(proof.lost_techniques) or "-"
        key = (
            proof.effect or SOURCES.get(proof.kind, proof.kind),
            proof.result,
            proof.canary or "-",
            lost,
            why,
        )
        groups.setdefault(key, []).append(proof)
    order = {effect: n for n, effect in enumerate(dict.fromkeys(key[0] for key in groups))}
    rows = []
    for key, members in sorted(groups.items(), key=lambda item: order[item[0][0]]):
        effect, result, canary, lost, why = key
        names = ", ".join(proof.source for proof in members)
        fired = str(sum(proof.fires for proof in members)) if members[0].effect else "-"
        rows.append((effect, names, result, fired, _aged(canary, members), lost, why or "-"))
    columns = ("what is seen", "by", "result", "records", "last canary", "blind to", "why not")
    table("Positive controls", columns, rows, styled=2)
    good = sum(proof.result == "working" for proof in proofs)
    print(f"\n{good} of {len(proofs)} sources are proven to work")


def _why(proof: Proof) -> str:
    if proof.stand_in:
        return f"{proof.reason}; seen instead by {proof.stand_in}"
    return f"dead: {proof.reason}" if proof.state == "dead" else proof.reason


def _aged(canary: str, members: Sequence[Proof]) -> str:
    """The sensor's own last control, with the age of the oldest."""
    ages = [proof.canary_age_s for proof in members if proof.canary_age_s is not None]
    return f"{canary}, {max(ages):.0f} s ago" if ages else canary
