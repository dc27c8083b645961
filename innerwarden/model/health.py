# SPDX-License-Identifier: Apache-2.0
"""sensor-health.json: what the sensor knows about its own sight, for `doctor`, `status` and the dashboard."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

#: On a full disk the report is written over in place, and may be met half written.
READ_ATTEMPTS = 3
READ_PAUSE_S = 0.01


class HookHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kernel program. `state`: attached, absent (the kernel lacks the hook), failed, dead (attached, and no longer
    answering), or replaced (dead or needless, and taken out since: others see the same); `fires`: records that it
    delivered. `canary`: working (the last harmless action of our own came all the way), failed, unconfirmed (none was
    tried), absent; `canary_ts`: of that action. `lost_techniques`: ATT&CK ids that nobody sees while it does not
    work."""

    name: str
    kind: str
    state: str
    effect: str = ""
    reason: str = ""
    stand_in: str = ""
    """The attached hooks that see the same in its place, with commas between."""
    fires: int = 0
    canary: str = "unconfirmed"
    canary_reason: str = ""
    canary_ts: str | None = None
    lost_techniques: tuple[str, ...] = ()


class RingHealth(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    pending_bytes: int
    size_bytes: int
    consumed: int


class CollectorHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`state`: working (a line or a positive control arrived, or a look was completed), unconfirmed, absent.

    From `cadence_s` on: of collectors that look at the host again and again. `budget_ms` and `last_ms` are CPU time
    of a slice and of the last complete look; `overruns` counts slices far above the budget and looks that took
    longer than the cadence.
    """

    id: str
    state: str
    reason: str = ""
    lines: int = 0
    matched: int = 0
    malformed: int = 0
    lost: int = 0
    cadence_s: float = 0.0
    budget_ms: float = 0.0
    next_due_s: float = 0.0
    last_ms: float = 0.0
    looks: int = 0
    facts: int = 0
    overruns: int = 0
    errors: int = 0


class DisabledDetector(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    reason: str


class DetectorsHealth(msgspec.Struct, frozen=True, kw_only=True):
    loaded: int = 0
    disabled: tuple[DisabledDetector, ...] = ()


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process that runs one module's Python. `state`: starting, working, waiting (to be started again), disabled.

    `reason`: why it last ended. `confinement`: what was taken from it, in words. `lost`: events that it did not take or
    did not answer.
    """

    module: str
    state: str
    reason: str = ""
    pid: int | None = None
    sent: int = 0
    answered: int = 0
    lost: int = 0
    crashes: int = 0
    confinement: dict[str, str] = msgspec.field(default_factory=dict)


class ModulesHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`state`: stamp of the switches that the running set was loaded by (see modules.state.stamp_of).

    `refused_state`, `refused`: the stamp of the switches that were not taken over, and why; the running set stayed.
    `problems`: what of the running set does not load; `notices`: what was loaded all the same.
    `swap_ms`: how long the last change held the sensor up.
    """

    state: str = ""
    refused_state: str = ""
    refused: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    swaps: int = 0
    swap_ms: float = 0.0
    workers: tuple[WorkerHealth, ...] = ()


class ProcessTableHealth(msgspec.Struct, frozen=True, kw_only=True):
    entries: int = 0
    evicted: int = 0


class TrustHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`covered`: findings since the start that an entry covered, by entry; with `problems` nothing is trusted."""

    entries: int = 0
    covered: dict[str, int] = msgspec.field(default_factory=dict)
    problems: tuple[str, ...] = ()


class SensorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are per second over the last report; totals and losses since the sensor's start."""

    ts: str
    pid: int
    version: str
    hooks: tuple[HookHealth, ...] = ()
    rates: dict[str, float] = msgspec.field(default_factory=dict)
    totals: dict[str, int] = msgspec.field(default_factory=dict)
    lost: dict[str, int] = msgspec.field(default_factory=dict)
    rings: tuple[RingHealth, ...] = ()
    collectors: tuple[CollectorHealth, ...] = ()
    detectors: DetectorsHealth = DetectorsHealth()
    modules: ModulesHealth = ModulesHealth()
    process_table: ProcessTableHealth = ProcessTableHealth()
    trust: TrustHealth = TrustHealth()
    rss_bytes: int = 0
    canary_rounds: int | None = None
    """Rounds of proof that came to their end; None where none are made. SIGUSR1 asks for the next one now."""
    table_bytes: dict[str, int] = msgspec.field(default_factory=dict)
    """What the engine's bounded tables hold of it."""
    boot_ns: int = 0
    """CLOCK_BOOTTIME of the report: its age, whatever is done to the wall clock."""
    boot_id: str = ""
    """The boot that `boot_ns` counts from."""
    findings_waiting: int = 0
    """Findings that the disk refused; they are held in memory, in order."""
    recently_lost: dict[str, int] = msgspec.field(default_factory=dict)
    """Of `lost`, what was lost in the last RECENT_S seconds."""
    clock_moved_s: float = 0.0
    """How far the wall clock was last set while the sensor ran, within the last hour; 0 when it was not."""
    cursors_problem: str = ""
    """Why the places in the log files were not taken over from the last sensor, or cannot be kept now."""
    stopped: bool = False
    """The sensor's last word: it was asked to stop and did."""


#: Span of `SensorHealth.recently_lost`.
RECENT_S = 60
#: The sensor reports every 2 s; three missed reports are a silence.
SILENT_AFTER_S = 7.0


def read(path: Path) -> SensorHealth | None:
    """The last report, or None when there is none or it is not whole."""
    for attempt in range(READ_ATTEMPTS):
        if attempt:
            time.sleep(READ_PAUSE_S)
        try:
            return msgspec.json.decode(path.read_bytes(), type=SensorHealth)
        except OSError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return None
