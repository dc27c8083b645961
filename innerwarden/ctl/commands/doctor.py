# SPDX-License-Identifier: Apache-2.0
"""`innerwarden doctor`: does it really see? Every answer rests on an action of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, table

if TYPE_CHECKING:
    from innerwarden.ctl.doctor import Diagnosis


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
    """Cause one harmless event per source and see whether the sensor counts it (exit code 1 if not)."""
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
    if not diagnosis.proofs:
        return
    print()
    proofs = [
        (proof.source, proof.kind, proof.result, ", ".join(proof.lost_techniques) or "-", proof.reason)
        for proof in diagnosis.proofs
    ]
    table("Positive controls", ("source", "event", "result", "blind to", "why"), proofs, styled=2)
    good = sum(proof.result == "working" for proof in diagnosis.proofs)
    print(f"\n{good} of {len(diagnosis.proofs)} sources are proven to work")
