# SPDX-License-Identifier: Apache-2.0
"""Positive controls against the running sensor: cause an event, then look whether its counters moved."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from innerwarden import __version__, clock, paths
from innerwarden.canary.runner import (
    ABSENT,
    FAILED,
    NO_CALL,
    WORKING,
    Counts,
    Verdict,
    judge,
    numbers_for,
    pull,
)
from innerwarden.canary.triggers import TRIGGERS
from innerwarden.config import Config
from innerwarden.ctl.children import Child
from innerwarden.ctl.output import note
from innerwarden.ctl.reading import locked_by, sensor_health
from innerwarden.ctl.responding import responder_checks
from innerwarden.ctl.sources import Check, kernel_checks
from innerwarden.errors import BpfError, UnavailableError
from innerwarden.model.health import SILENT_AFTER_S, CollectorHealth, HookHealth, SensorHealth
from innerwarden.modules import signature
from innerwarden.modules.install import find as find_module
from innerwarden.modules.state import read as read_switches
from innerwarden.sensor.blind_spots import BlindSpot, declared
from innerwarden.sensor.capabilities import Capability, probe

WAIT_S = 5.0
#: A round of the sensor's own takes a second or two; on an emulated machine some tens.
PROOF_S = 60.0
START_S = 20.0
LOW_DISK_BYTES = 256 << 20
#: Log sources into which a line of our own can be put, through /dev/log.
CONTROLLED = ("auth_log", "journald")


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One source. `result`: working (an own action was counted), unconfirmed or absent. The rest is for hooks:
    what it sees, the sensor's view of it, and the sensor's own last control with its age."""

    source: str
    kind: str
    result: str
    reason: str
    lost_techniques: tuple[str, ...] = ()
    effect: str = ""
    state: str = ""
    stand_in: str = ""
    """The attached hooks that see the same in its place, with commas between."""
    fires: int = 0
    canary: str = ""
    canary_age_s: float | None = None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`capabilities`: what this kernel takes, empty when nothing could be tried; `blind_spots`: what none shows."""

    sensor_pid: int | None
    checks: tuple[Check, ...]
    proofs: tuple[Proof, ...]
    capabilities: tuple[Capability, ...] = ()
    blind_spots: tuple[BlindSpot, ...] = ()

    @property
    def healthy(self) -> bool:
        good = all(check.state != "failed" for check in self.checks)
        return good and bool(self.proofs) and all(p.result == "working" or p.stand_in for p in self.proofs)


def examine(data_dir: Path, config: Config) -> Diagnosis:
    """Checks of this machine and its kernel, then a positive control per source of the sensor on `data_dir`."""
    kernel = config.collectors.kernel.enabled
    checks = [*(kernel_checks() if kernel else []), *_data_dir_checks(data_dir), *_signature_checks(config)]
    checks += responder_checks(config, data_dir)
    capabilities = _capabilities() if kernel else ()
    report, report_age_s = sensor_health(data_dir)
    pid = locked_by(data_dir / "sensor.lock")
    proofs: tuple[Proof, ...] = ()
    if report is None or report.stopped or report_age_s is None or report_age_s > SILENT_AFTER_S:
        known = f"the sensor (pid {pid}) does not report" if pid else f"no sensor runs on {data_dir}"
        remedy = "Start it (innerwarden run), or use `innerwarden doctor --start`"
        checks.append(Check(name="sensor", state="failed", detail=known, remedy=remedy))
    else:
        pid = report.pid
        checks.append(Check(name="sensor", state="ok", detail=f"pid {pid}, version {report.version}"))
        proofs = _controls(data_dir, report)
    return Diagnosis(
        sensor_pid=pid,
        checks=tuple(checks),
        proofs=proofs,
        capabilities=capabilities,
        blind_spots=declared(),
    )


def _capabilities() -> tuple[Capability, ...]:
    """What this kernel takes; empty where nothing can be tried, which the checks tell."""
    try:
        return tuple(probe())
    except (UnavailableError, BpfError):
        return ()


def _controls(data_dir: Path, report: SensorHealth) -> tuple[Proof, ...]:
    """What a round of the sensor's own canary shows, which no rule judges. Where it makes none, what an act of ours
    does, which is told like anybody's."""
    before = _next_report(data_dir, report, lambda _: True)
    log_reason = _log_control()
    if not _asked_for_proof(data_dir, before):
        return _acting(data_dir, before, log_reason)
    after = _next_report(data_dir, before, lambda now: _is_proven(now, before), PROOF_S)
    verdicts = {hook.name: Verdict(hook.canary, hook.canary_reason) for hook in after.hooks}
    return _proofs(before, after, verdicts, log_reason)


def _asked_for_proof(data_dir: Path, report: SensorHealth) -> bool:
    """Without the right to ask, the last round stands. A sensor of another version may not know the signal."""
    if report.canary_rounds is None or report.version != __version__:
        return False
    if locked_by(data_dir / "sensor.lock") != report.pid:
        return False
    with suppress(PermissionError, ProcessLookupError):
        os.kill(report.pid, signal.SIGUSR1)
    return True


def _is_proven(now: SensorHealth, before: SensorHealth) -> bool:
    if os.geteuid() != 0 and now.canary_rounds:
        return True
    more = (now.canary_rounds or 0) > (before.canary_rounds or 0)
    return more and all(hook.canary != FAILED or hook.state == "dead" for hook in now.hooks)


def _acting(data_dir: Path, before: SensorHealth, log_reason: str) -> tuple[Proof, ...]:
    """Act between two reports of the same sensor, and judge by what rose."""
    attached = [hook.name for hook in before.hooks if hook.state in ("attached", "dead")]
    triggers = [TRIGGERS[number] for number in numbers_for(attached)]
    with tempfile.TemporaryDirectory(prefix="innerwarden-doctor-") as directory:
        outcomes = pull(triggers, Path(directory), root=os.geteuid() == 0)
    verdicts: dict[str, Verdict] = {}

    def all_arrived(report: SensorHealth) -> bool:
        verdicts.update(judge(outcomes, _counts(before), _counts(report)))
        return all(verdict.state != FAILED for verdict in verdicts.values())

    after = _next_report(data_dir, before, all_arrived)
    return _proofs(before, after, verdicts, log_reason)


def _proofs(
    before: SensorHealth, after: SensorHealth, verdicts: Mapping[str, Verdict], log_reason: str
) -> tuple[Proof, ...]:
    found = [_hook(hook, verdicts.get(hook.name)) for hook in after.hooks]
    old = {one.id: one for one in before.collectors}
    logs = [one for one in after.collectors if one.id != "kernel" or not found]
    return (*found, *(_collector(one, old.get(one.id), log_reason) for one in logs))


def _counts(report: SensorHealth) -> Counts:
    return Counts({hook.name: hook.fires for hook in report.hooks}, report.totals)


def _next_report(
    data_dir: Path, last: SensorHealth, enough: Callable[[SensorHealth], bool], within_s: float | None = None
) -> SensorHealth:
    """The first newer report that is `enough`; the newest one after `within_s`, by default WAIT_S."""
    deadline = time.monotonic() + (WAIT_S if within_s is None else within_s)
    newest = last
    while time.monotonic() < deadline:
        report, _ = sensor_health(data_dir)
        if report is not None and report.pid == last.pid and report.ts != newest.ts:
            newest = report
            if enough(newest):
                break
        time.sleep(0.05)
    return newest


def _hook(hook: HookHealth, verdict: Verdict | None) -> Proof:
    result, reason = "unconfirmed", "no harmless action causes it"
    if hook.state not in ("attached", "dead"):
        result, reason = "absent", hook.reason or f"the hook is {hook.state}"
    elif verdict is not None:
        result = verdict.state if verdict.state in (WORKING, ABSENT) else "unconfirmed"
        reason = verdict.reason
    lost = () if result == "working" or verdict == Verdict(ABSENT, NO_CALL) else hook.lost_techniques
    return Proof(
        source=hook.name,
        kind=hook.kind,
        result=result,
        reason=reason,
        lost_techniques=lost,
        effect=hook.effect,
        state=hook.state,
        stand_in=hook.stand_in,
        fires=hook.fires,
        canary=hook.canary,
        canary_age_s=clock.age_s(hook.canary_ts) if hook.canary_ts else None,
    )


def _collector(one: CollectorHealth, old: CollectorHealth | None, log_reason: str) -> Proof:
    if one.cadence_s:
        done = f"{one.looks} looks, every {one.cadence_s:.0f} s"
        return Proof(source=one.id, kind="inventory", result=one.state, reason=one.reason or done)
    moved = one.lines - (old.lines if old else 0)
    result, reason = "unconfirmed", log_reason or "our own log line did not arrive"
    if one.state == "absent":
        result, reason = "absent", one.reason or "it could not be opened"
    elif moved > 0:
        result, reason = "working", f"{moved} lines arrived after our own"
    elif one.id not in CONTROLLED:
        read = f"{one.lines} lines since the start of the sensor"
        result, reason = one.state, one.reason or f"{read}; no line of our own could be put there"
    return Proof(source=one.id, kind="log", result=result, reason=reason)


def _log_control() -> str:
    """Send one line, marked as ours, to the system log; returns why that was not possible."""
    line = b"<86>sudo: innerwarden doctor: positive control, nothing happened"  # authpriv.info
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.settimeout(1)
            log.connect("/dev/log")
            log.send(line)
    except OSError as error:
        return f"no line could be sent through /dev/log: {error.strerror or error}"
    return ""


def _data_dir_checks(data_dir: Path) -> list[Check]:
    if not data_dir.exists():
        return [
            Check(
                name="data_dir",
                state="warning",
                detail=f"{data_dir} does not exist yet",
                remedy="It is made by: innerwarden run",
            )
        ]
    if not os.access(data_dir, os.W_OK | os.X_OK):
        return [
            Check(
                name="data_dir",
                state="failed",
                detail=f"{data_dir} cannot be written by this user",
                remedy="Run with sudo, or name your own with --data-dir",
            )
        ]
    free = shutil.disk_usage(data_dir).free
    room = Check(name="disk", state="ok", detail=f"{free >> 20} MiB free for {data_dir}")
    if free < LOW_DISK_BYTES:
        room = Check(
            name="disk",
            state="failed",
            detail=room.detail,
            remedy=f"Free at least {LOW_DISK_BYTES >> 20} MiB",
        )
    return [Check(name="data_dir", state="ok", detail=f"{data_dir} is writable"), room]


def _signature_checks(config: Config) -> list[Check]:
    """Of the modules that are on and did not ship; none where there are none, or signatures do not count."""
    if config.modules.signatures == "off":
        return []
    checks = []
    for module in sorted(read_switches(paths.module_state()).enabled):
        there = find_module(module)
        if there is None or there[1] or module in config.modules.disabled:
            continue
        verdict = signature.check(there[0], config.modules)
        checks.append(_signature_check(module, verdict, required=config.modules.signatures == "require"))
    return checks


def _signature_check(module: str, verdict: signature.Verdict, *, required: bool) -> Check:
    name = f"module {module}"
    if verdict.signed_by is not None:
        return Check(name=name, state="ok", detail=f"signed by {verdict.signed_by}")
    remedy = f"See: innerwarden module verify {module}"
    if required:
        return Check(name=name, state="failed", detail=f"not loaded: {verdict.problem}", remedy=remedy)
    if verdict.problem == signature.UNSIGNED:
        return Check(name=name, state="ok", detail="not signed, and modules.signatures does not require it")
    return Check(name=name, state="warning", detail=f"loaded, but {verdict.problem}", remedy=remedy)


@contextmanager
def temporary_sensor(config_file: Path | None) -> Iterator[Path]:
    """A sensor of our own on a private directory, gone at the end. Yields that directory."""
    with tempfile.TemporaryDirectory(prefix="innerwarden-doctor-") as name:
        data_dir = Path(name)
        argv = [*paths.own_command(), "sensor", "--data-dir", name]
        argv += ["--config", str(config_file)] if config_file else []
        sensor = Child("sensor", argv, note)
        try:
            sensor.start()
            _wait_for_report(data_dir, sensor)
            yield data_dir
        finally:
            sensor.stop()


def _wait_for_report(data_dir: Path, sensor: Child) -> None:
    deadline = time.monotonic() + START_S
    while sensor_health(data_dir)[0] is None:
        if sensor.watch() is not None:
            raise UnavailableError("the temporary sensor could not start", "Its reason is printed above")
        if time.monotonic() > deadline:
            raise UnavailableError(f"the temporary sensor did not report within {START_S:.0f} s", "Try again")
        time.sleep(0.05)
