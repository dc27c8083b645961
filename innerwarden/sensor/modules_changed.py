# SPDX-License-Identifier: Apache-2.0
"""What is detected changed while the sensor ran: whoever gets in switches off what sees him, so it is told."""

from __future__ import annotations

from innerwarden.clock import rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity
from innerwarden.modules.loader import ModuleSet

DETECTOR = "modules_changed"
#: Ids that one sentence names.
SHOWN = 20


def finding(host: str, old: ModuleSet, new: ModuleSet, now_ns: int) -> Finding | None:
    """Detectors that came and went; None when the same ones run, be it in another version."""
    gone, came = sorted(old.specs.keys() - new.specs.keys()), sorted(new.specs.keys() - old.specs.keys())
    if not gone and not came:
        return None
    before, after = ({module.id for module in one.modules} for one in (old, new))
    parts = [
        f"{what} {', '.join(sorted(names))}"
        for what, names in (("off:", before - after), ("on:", after - before))
        if names
    ]
    now = rfc3339(now_ns)
    evidence = [
        Evidence(kind="sensor", text=f"{len(names)} detectors {what}: {_some(names)}", ts=now)
        for what, names in (("no longer run", gone), ("run now", came))
        if names
    ]
    fields = IncidentFields(
        incident_id=f"{DETECTOR}:{host}:{now}",
        host=host,
        title="Detectors were switched off" if gone else "Detectors were switched on",
        summary=f"Modules were switched while the sensor ran ({'; '.join(parts) or 'changed'}): "
        f"{len(gone)} detectors fewer, {len(came)} more.",
        evidence=tuple(evidence),
        recommended_checks=(
            "If it was not you, see who was root then: last -w; and: innerwarden module list",
        ),
        tags=("attack.defense-evasion",) if gone else (),
        entities=(EntityRef.service("innerwarden-sensor"),),
        attack=("T1562.001",) if gone else (),
    )
    severity = Severity.MEDIUM if gone else Severity.INFO
    return Finding(ts=now, detector=DETECTOR, severity=severity, fields=fields)


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
