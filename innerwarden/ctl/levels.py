# SPDX-License-Identifier: Apache-2.0
"""The levels: every named way in which the product does less than it should, and goes on.

`status` names those that hold now. Names are permanent; docs/reliability.md lists them with the faults that lead there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.agent.state.rows import CheckRow, CursorRow
from innerwarden.clock import NS, realtime_ns
from innerwarden.model.health import SensorHealth

#: Below this much free room no database page and no batch of findings may fit.
ROOM_BYTES = 256 << 10
#: Findings that are so old and not stored say that the agent does not keep up.
BEHIND_S = 10.0


class Meaning(msgspec.Struct, frozen=True):
    """`part` is what the level is of; `waits`: something stands still or waits until it is over, so that `status`
    ends with 1."""

    part: str
    waits: bool
    text: str
    remedy: str


LEVELS = {
    "sensor_down": Meaning("sensor", True, "Nothing is watched.", "Start the sensor"),
    "sensor_silent": Meaning(
        "sensor",
        True,
        "The sensor runs and does not report: it is stopped, starved, or its disk takes nothing at all. The kernel's"
        " rings hold what they can, and count the rest.",
        "kill -CONT it if it was stopped; else look at its log and its disk",
    ),
    "kernel_absent": Meaning(
        "sensor",
        False,
        "No kernel events: log sources and looks at the host are all there is.",
        "innerwarden doctor says what is missing",
    ),
    "hooks_lost": Meaning(
        "sensor",
        False,
        "Kernel programs that do not attach here or no longer answer, and have no stand-in: their techniques go"
        " unseen.",
        "innerwarden doctor lists them",
    ),
    "events_lost": Meaning(
        "sensor",
        False,
        "Events were lost in the last minute, and counted; findings of that time say so.",
        "See the places below; raise collectors.kernel ring sizes if it happens often",
    ),
    "findings_wait": Meaning(
        "sensor",
        True,
        "The disk refuses findings: they are held in memory in order, 10000 at most, and written when it takes them."
        " Log sources are read again from before them if the sensor is killed.",
        "Free some space, or mend the disk",
    ),
    "findings_lost": Meaning(
        "sensor",
        True,
        "More findings waited than memory may hold: the oldest were dropped in the last minute, and counted.",
        "Free some space, or mend the disk",
    ),
    "cursors_reset": Meaning(
        "sensor",
        False,
        "The places in the log files were unreadable and are set aside: log sources begin at their end, so lines"
        " written while no sensor ran are not judged.",
        "Judge them by hand: innerwarden replay",
    ),
    "source_rests": Meaning(
        "sensor",
        False,
        "A log source failed again and again; it is tried again every half minute, from where it was.",
        "See the reason; free descriptors or memory, or mend the source",
    ),
    "detector_disabled": Meaning(
        "sensor",
        False,
        "A detector kept raising and is switched off; all others go on.",
        "Mend the module, then restart the sensor",
    ),
    "module_refused": Meaning(
        "sensor",
        False,
        "A module, rule or switch is not loaded, or not taken over; what ran before goes on.",
        "innerwarden module validate, innerwarden rules",
    ),
    "worker_down": Meaning(
        "sensor",
        False,
        "A module's own process hangs or crashes; it is started again with growing pauses and given up after five"
        " times. Its detectors are silent meanwhile, all others go on.",
        "Mend the module or switch it off: innerwarden module disable",
    ),
    "trust_ignored": Meaning(
        "sensor",
        False,
        "Trust entries cannot be used: nothing is trusted, so more is told.",
        "innerwarden trust list",
    ),
    "clock_moved": Meaning(
        "sensor",
        False,
        "Somebody set the wall clock in the last hour. Events are dated by the new one from then on, findings from"
        " before by the old one.",
        "Compare times across that moment with care",
    ),
    "storage_full": Meaning(
        "storage",
        True,
        "The data directory's disk has no room. Sensor and agent go on in memory and store when there is room again.",
        "Free some space",
    ),
    "storage_no_inodes": Meaning(
        "storage",
        True,
        "The data directory's disk has no inode left: no file can be made or rotated; those that are there are"
        " written.",
        "Remove files: df -i",
    ),
    "storage_read_only": Meaning(
        "storage",
        True,
        "The data directory's disk takes no writes. Sensor and agent go on in memory; nothing new is stored.",
        "Mend the disk (dmesg, fsck), mount it again, restart",
    ),
    "agent_down": Meaning(
        "agent",
        True,
        "Findings are written and stored nowhere else: no correlation, no triage, no messages. The agent takes up where"
        " it was.",
        "Start the agent",
    ),
    "agent_stopped": Meaning(
        "agent", True, "The agent's process is stopped; findings wait in their file.", "kill -CONT it"
    ),
    "ingest_behind": Meaning(
        "agent",
        True,
        "Findings wait in their file: the agent does not keep up, or cannot store. None is lost until the file is"
        " rotated away, which is counted.",
        "Look at the agent's log and the disk",
    ),
    "state_damaged": Meaning(
        "agent",
        True,
        "state.db is damaged. A damaged file is never changed: the agent refuses to start on it, and tells what it"
        " finds while it runs.",
        "innerwarden restore BACKUP, or set the file aside as the message says",
    ),
    "responder_down": Meaning(
        "responder",
        True,
        "Nothing can be done: orders wait. What is in effect stays until its time is over.",
        "Look at the responder's log",
    ),
    "notify_waits": Meaning(
        "agent",
        True,
        "Messages to a channel fail and wait; they are tried again with growing pauses, the other channels go on.",
        "innerwarden notify outbox",
    ),
}


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One that holds now; `detail` is about this host."""

    name: str
    part: str
    waits: bool
    meaning: str
    detail: str
    remedy: str


def level(name: str, detail: str) -> Level:
    meaning = LEVELS[name]
    return Level(
        name=name,
        part=meaning.part,
        waits=meaning.waits,
        meaning=meaning.text,
        detail=detail,
        remedy=meaning.remedy,
    )


def of_sensor(health: SensorHealth) -> Iterator[Level]:
    """What a report of a living sensor says."""
    kernel = next((one for one in health.collectors if one.id == "kernel"), None)
    if kernel is not None and kernel.state == "absent" and not kernel.reason.startswith("disabled in "):
        yield level("kernel_absent", kernel.reason)
    blind = [h.name for h in health.hooks if h.state in ("absent", "failed", "dead") and not h.stand_in]
    if blind:
        yield level("hooks_lost", f"{len(blind)} of {len(health.hooks)}: {', '.join(blind)}")
    if health.clock_moved_s:
        yield level("clock_moved", f"by {health.clock_moved_s:+.0f} s")
    yield from _of_losses(health)
    yield from _of_sources(health)
    yield from _of_detection(health)


def _of_losses(health: SensorHealth) -> Iterator[Level]:
    lost = {place: n for place, n in health.recently_lost.items() if place != "findings"}
    if lost:
        yield level("events_lost", ", ".join(f"{place} {n}" for place, n in sorted(lost.items())))
    if health.findings_waiting:
        yield level("findings_wait", f"{health.findings_waiting} findings wait")
    if dropped := health.recently_lost.get("findings"):
        yield level("findings_lost", f"{dropped} in the last minute")


def _of_sources(health: SensorHealth) -> Iterator[Level]:
    if health.cursors_problem:
        yield level("cursors_reset", health.cursors_problem)
    for source in health.collectors:
        if source.reason.startswith("rests after "):
            yield level("source_rests", f"{source.id} {source.reason}")


def _of_detection(health: SensorHealth) -> Iterator[Level]:
    for one in health.detectors.disabled:
        yield level("detector_disabled", f"{one.id}: {one.reason}")
    for problem in (*health.modules.problems, *health.modules.refused):
        yield level("module_refused", problem)
    for worker in health.modules.workers:
        if worker.state in ("waiting", "disabled"):
            yield level("worker_down", f"{worker.module} is {worker.state}: {worker.reason}")
    for problem in health.trust.problems:
        yield level("trust_ignored", problem)


def of_storage(data_dir: Path) -> Iterator[Level]:
    """What the file system of the data directory says of itself."""
    try:
        found = os.statvfs(data_dir)
    except OSError:
        return
    if refuses_writes(data_dir):
        yield level("storage_read_only", str(data_dir))
    elif found.f_blocks and found.f_bavail * found.f_frsize < ROOM_BYTES:
        yield level("storage_full", f"{data_dir}: {found.f_bavail * found.f_frsize} bytes are free")
    elif found.f_files and found.f_favail == 0:
        yield level("storage_no_inodes", f"{data_dir}: 0 of {found.f_files} are free")


def refuses_writes(place: Path) -> bool:
    """Whether the mount, or the file system after an error (ext4: emergency_ro, shutdown), takes no writes.

    statvfs tells the first only, since the kernel no longer sets the flag on the superblock for the second.
    """
    device = place.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    options: set[str] = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, rest = line.partition(" - ")
        cells = mount.split()
        if cells[2] == wanted and _below(str(place.resolve()), cells[4]):
            options = {*cells[5].split(","), *rest.split()[-1].split(",")}
    return bool(options & {"ro", "emergency_ro", "shutdown"})


def _below(path: str, mount_point: str) -> bool:
    return mount_point in ("/", path) or path.startswith(mount_point + "/")


def of_agent(data_dir: Path, pid: int | None, ingest: CursorRow | None) -> Iterator[Level]:
    """How a living agent gets on with what the sensor wrote."""
    if pid is not None and is_stopped(pid):
        yield level("agent_stopped", f"pid {pid}")
    unread = unread_bytes(data_dir, ingest)
    if pid is not None and unread:
        yield level("ingest_behind", f"{unread} bytes of findings are not stored")


def unread_bytes(data_dir: Path, ingest: CursorRow | None) -> int:
    """Of the newest findings file, when its last line has waited for BEHIND_S; 0 when nobody knows better."""
    try:
        found = paths.findings(data_dir).stat()
    except OSError:
        return 0
    if abs(realtime_ns() - found.st_mtime_ns) < BEHIND_S * NS:
        return 0
    place = paths.findings(data_dir).name
    known = ingest is not None and ingest.file is not None and Path(ingest.file).name == place
    return max(0, found.st_size - (ingest.offset if ingest is not None and known else 0))


def is_stopped(pid: int) -> bool:
    """Whether the process has taken a SIGSTOP, or a debugger holds it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")


def of_checks(checks: tuple[CheckRow, ...]) -> Iterator[Level]:
    """What the agent last found out about its own state."""
    names = {"state": "state_damaged", "responder": "responder_down"}
    for check in checks:
        if not check.ok and check.name in names:
            yield level(names[check.name], check.detail)
