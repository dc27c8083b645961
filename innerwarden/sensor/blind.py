# SPDX-License-Identifier: Apache-2.0
"""The finding that a hook went blind: somebody with root undid it, or it fails on this kernel."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from innerwarden.clock import rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.health import HookHealth
from innerwarden.model.severity import Severity

DETECTOR = "sensor_blind"


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that did not answer twice, and what the attempt to attach it anew did. `was_proven`: it had answered
    this sensor before. `stand_ins` see the same from now on; of them `silent` do not answer either, and `unproven`
    could not be asked."""

    hook: HookHealth
    reason: str
    repair: str
    is_back: bool
    was_proven: bool
    stand_ins: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def is_covered(self) -> bool:
        """Others see the same, as far as could be asked."""
        return bool(self.stand_ins) and not self.silent


def finding(host: str, deaths: Sequence[Death], now_ns: int) -> Finding:
    """One incident for all hooks that went blind together (T1562.001)."""
    ts = rfc3339(now_ns)
    names = ", ".join(death.hook.name for death in deaths)
    gone = [death for death in deaths if not (death.is_back or death.is_covered)]
    fields = IncidentFields(
        incident_id=f"{DETECTOR}:{host}:{ts}",
        host=host,
        title="The sensor went blind" if gone else "The sensor was blind for a while",
        summary=f"Hooks stopped answering the sensor's own control: {names}. Techniques not seen meanwhile: "
        f"{_techniques(deaths)}. After one attempt to repair: {_outcome(deaths, gone)}.",
        evidence=tuple(_evidence(death, ts) for death in deaths),
        recommended_checks=(
            "See who used BPF or was root at that time: innerwarden incidents --since 1h, last -w",
            "Ask again: sudo innerwarden doctor",
            "If nobody did this on purpose, take the host off the network and restart the sensor",
        ),
        tags=("attack.defense-evasion",),
        entities=(EntityRef.service("innerwarden-sensor"),),
        attack=("T1562.001",),
        blind=tuple(f"{death.hook.effect} ({death.hook.name})" for death in deaths),
    )
    high = any(death.was_proven for death in deaths)
    return Finding(
        ts=ts, detector=DETECTOR, severity=Severity.HIGH if high else Severity.MEDIUM, fields=fields
    )


def _techniques(deaths: Sequence[Death]) -> str:
    lost = sorted({technique for death in deaths for technique in death.hook.lost_techniques})
    return ", ".join(lost) or "none on their own"


def _outcome(deaths: Sequence[Death], gone: Sequence[Death]) -> str:
    """What is seen again, by whom, and what is not."""
    if all(death.is_back for death in deaths):
        return "attached anew, they answer again"
    covered = [death.hook.name for death in deaths if death.is_covered]
    back = [death.hook.name for death in deaths if death.is_back]
    parts = [f"other hooks see the same now as {', '.join(covered)}"] if covered else []
    parts += [f"answering again: {', '.join(back)}"] if back else []
    if gone:
        names = ", ".join(death.hook.name for death in gone)
        parts.append(f"still blind: {names} (techniques {_techniques(gone)})")
    return "; ".join(parts)


def _evidence(death: Death, ts: str) -> Evidence:
    before = "" if death.was_proven else "; it has not answered since the sensor started"
    text = f"{death.hook.name} ({death.hook.effect}): {death.reason}{before}; {death.repair}"
    if death.stand_ins:
        text += f"; taken out until the sensor's next start, in its place: {', '.join(death.stand_ins)}"
    if death.silent:
        text += f"; of these silent too: {', '.join(death.silent)}"
    if death.unproven:
        text += f"; of these not proven: {', '.join(death.unproven)}"
    return Evidence(
        kind="hook",
        text=text,
        ts=ts,
        details={"hook": death.hook.name, "techniques": ", ".join(death.hook.lost_techniques) or None},
    )


def unproven(host: str, problem: str, now_ns: int) -> Finding:
    """The control itself does not run, so a hook that goes blind would not be noticed."""
    ts = rfc3339(now_ns)
    fields = IncidentFields(
        incident_id=f"{DETECTOR}:{host}:{ts}",
        host=host,
        title="The sensor cannot prove that it sees",
        summary=f"The sensor's own control did not run three times in a row: {problem}.",
        evidence=(Evidence(kind="sensor", text=f"the canary did not run: {problem}", ts=ts),),
        recommended_checks=(
            "See whether somebody ends it, or whether the machine is out of memory or processes: journalctl -k",
            "Ask by hand: sudo innerwarden doctor",
        ),
        tags=("attack.defense-evasion",),
        entities=(EntityRef.service("innerwarden-sensor"),),
        attack=("T1562.001",),
    )
    return Finding(ts=ts, detector=DETECTOR, severity=Severity.MEDIUM, fields=fields)
