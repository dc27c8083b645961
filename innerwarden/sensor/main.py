# SPDX-License-Identifier: Apache-2.0
"""The sensor's composition root: sources -> engine -> detection host -> findings.jsonl.

One thread, beside which the kernel programs are loaded at the start (see beginning.py). They are attached before
anything is looked at, so that the rings already fill while the process table is seeded from /proc; what is in both is
merged. The sensor opens no network connection.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from innerwarden_core import Engine, Hit, Ring
from innerwarden_core.memory import trim

from innerwarden import paths
from innerwarden.clock import NS, boot_to_realtime_ns, boottime_ns, realtime_ns
from innerwarden.config import Config
from innerwarden.errors import BpfError, UnavailableError
from innerwarden.model.health import RECENT_S, CollectorHealth, RingHealth, TrustHealth
from innerwarden.modules.loader import ModuleSet
from innerwarden.rules.reach import Readers
from innerwarden.sensor import collectors, gap, inventory, modules_changed, procfs
from innerwarden.sensor.beginning import Beginning, Loading
from innerwarden.sensor.canary import Canary
from innerwarden.sensor.collectors import CollectorSet, Surroundings
from innerwarden.sensor.detection.folding import configure, prepare, told_apart
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from innerwarden.sensor.detection.trusting import Trusting
from innerwarden.sensor.enforcement import HEARTBEAT_S
from innerwarden.sensor.health import Reporter, Snapshot
from innerwarden.sensor.inventory import Inventory
from innerwarden.sensor.loader import KernelSource
from innerwarden.sensor.losses import SKIPPED, LossLedger
from innerwarden.sensor.module_switch import ModuleSwitch, Ready
from innerwarden.sensor.sinks.events import EventsSink
from innerwarden.sensor.sinks.findings import FindingsSink
from innerwarden.sensor.threat_lists import ThreatLists
from innerwarden.sensor.watching import watched_names
from innerwarden.stopping import Stop
from innerwarden.trust import TrustStore

logger = logging.getLogger("innerwarden.sensor")

COLLECTOR_PERIOD_S = 0.1
#: From one turn of the loop to the next, where nothing was found: all that is done has a period of its own.
TURN_PERIOD_MS = 50
HEALTH_PERIOD_S = 2.0
TEND_PERIOD_S = HEARTBEAT_S
TELEMETRY_PERIOD_S = 60.0
#: The wall clock drifts from the boot clock while it is slewed; beyond this somebody set it.
CLOCK_SLACK_NS = NS
CLOCK_TOLD_NS = 3600 * NS
#: Kind and field by which the audit log is told what nobody reads.
AUDIT_TYPE = ("audit.record", "audit_type")


class Sensor:
    """Owns every room of the sensor for one data directory."""

    def __init__(self, config: Config, data_dir: Path, loading: Loading | None = None) -> None:
        """`loading`: the kernel programs, being loaded since before; else `start` loads them."""
        self.config = config
        self.data_dir = data_dir
        self._loading = loading
        self._offset_ns = boot_to_realtime_ns()
        self._started_ns = realtime_ns()
        self.trust = TrustStore(Path(config.trust.directory))
        self.trust.require()
        sensor = config.sensor
        self.engine = Engine(
            process_entries=sensor.process_entries,
            window_keys=sensor.window_keys,
            boot_to_realtime_ns=self._offset_ns,
        )
        self.switch = ModuleSwitch(config, paths.rule_cache(data_dir), self.ready_for)
        self.modules: ModuleSet = self.switch.current
        self._audit_readers = Readers(self.modules.compiled_rules, *AUDIT_TYPE)
        for problem in self.modules.problems:
            logger.warning("not loaded %s", problem)
        for notice in self.modules.notices:
            logger.warning("loaded all the same %s", notice)
        self.threat_lists = ThreatLists(config.threat_lists, self.engine)
        self.losses = LossLedger()
        self.host = DetectionHost(
            self.modules.specs,
            self.engine,
            host_name=config.host_name(),
            boot_to_realtime_ns=self._offset_ns,
            python=self.modules.python,
            blind=self.losses.sentences,
            acting_rules=acting_rules_of(self.modules.compiled_correlations),
            remote=self.modules.remote,
            workers=self.switch.workers,
            trusting=Trusting(
                self.trust, self.engine, {c.owner: c for c in self.modules.compiled_correlations}
            ),
        )
        self.engine.install(self.switch.first.prepared)
        self.host.told_apart = self.switch.first.apart
        self._tell_apart()
        self.sink = FindingsSink(
            paths.findings(data_dir), max_bytes=sensor.findings_max_bytes, keep=sensor.findings_keep
        )
        self.events: EventsSink | None = None
        if sensor.write_events:
            self.events = EventsSink(
                paths.events(data_dir),
                max_bytes=sensor.findings_max_bytes,
                keep=sensor.findings_keep,
            )
        self._unwatched_since_ns = gap.last_seen_ns(paths.sensor_health(data_dir))
        self.reporter = Reporter(paths.sensor_health(data_dir), config.host_name(), self._started_ns)
        self.kernel: KernelSource | None = None
        self.kernel_absent = ""
        self.canary: Canary | None = None
        self._proof_wanted = False
        self._clock_moved = (0, 0.0)  # when, by the boot clock, and how many seconds
        self._rings: list[Ring] = []
        self._ring_bytes: dict[str, int] = {}
        self.collectors: CollectorSet | None = None
        self.inventory: Inventory | None = None
        collectors.prepare()

    def start(self) -> None:
        """Attach the kernel source (or say why not), seed the process table, open the log sources."""
        if self.config.collectors.kernel.enabled:
            self._start_kernel()
        else:
            self.kernel_absent = "disabled in the configuration (collectors.kernel.enabled)"
        seeded = procfs.seed(self.engine)
        if self.kernel is not None:
            self.kernel.seed(seeded)
        self.collectors = collectors.load(
            self.config.collectors, self.data_dir, self.engine, self._surroundings()
        )
        self.inventory = inventory.load(self.config.collectors.inventory, self.data_dir, self.engine)
        self.threat_lists.tick(time.monotonic())
        self.engine.stream(self.events is not None)
        trim()  # what libbpf needed to fit the programs to this kernel
        if self._unwatched_since_ns is not None:
            self.sink.write([gap.finding(self.config.host_name(), self._unwatched_since_ns, realtime_ns())])
        logger.info(
            "sensor started detectors=%d processes=%d rings=%d",
            len(self.modules.specs),
            len(seeded),
            len(self._rings),
        )

    def _surroundings(self) -> Surroundings:
        """What is captured is for whoever replays it: there nothing is left out."""
        every = self.config.sensor.write_events
        return Surroundings(
            kernel=self.kernel is not None,
            wants_audit=lambda kind: every or self._audit_readers(kind),
            recipes=self.modules.recipes,
        )

    def _start_kernel(self) -> None:
        loading = self._loading or Loading(self.config)
        try:
            kernel = loading.result()
            kernel.attach()
        except (UnavailableError, BpfError) as error:
            # A layout mismatch is not caught: what would be decoded wrongly must not be decoded.
            self.kernel_absent = str(error)
            logger.warning("kernel source absent: %s", error)
            loading.close()
            return
        self.kernel = kernel
        canary = self.config.collectors.kernel.canary
        directory = paths.canary(self.data_dir)
        self.canary = Canary(canary, kernel, self.engine, directory, self.config.host_name())
        kernel.watch_names(watched_names(self.modules.watch))
        for fd, size, name in kernel.rings:
            self._rings.append(Ring(fd, size, name))
            self._ring_bytes[name] = size

    def ready_for(self, modules: ModuleSet) -> Ready:
        """The set as the engine takes it; may run beside the loop."""
        apart = told_apart(modules, self.trust.current)
        return Ready(prepared=prepare(self.engine, modules, apart), apart=apart)

    def swap(self, modules: ModuleSet, ready: Ready) -> None:
        """Judge by another set from the next record on; what did not change keeps its state. Raises ValueError."""
        if self.kernel is not None:
            try:
                self.kernel.watch_names(watched_names(modules.watch))
            except BpfError as error:
                raise ValueError(f"the kernel does not watch its files: {error}") from error
        self.engine.install(ready.prepared)
        told = modules_changed.finding(self.config.host_name(), self.modules, modules, realtime_ns())
        if told is not None:
            self.sink.write([told])
        self.modules = modules
        self._audit_readers = Readers(modules.compiled_rules, *AUDIT_TYPE)
        self.host.told_apart = ready.apart
        if self.host.trusting is not None:
            self.host.trusting.correlations = {one.owner: one for one in modules.compiled_correlations}
        if self.collectors is not None:
            self.collectors.follow(modules.recipes)
        self.host.replace(
            modules.specs,
            python=modules.python,
            acting_rules=acting_rules_of(modules.compiled_correlations),
            remote=modules.remote,
        )
        self._tell_apart()  # an entry may have come while the set was prepared

    def ask_for_proof(self) -> None:
        """Do not wait for the canary's period; for a signal handler."""
        self._proof_wanted = True

    def _prove(self, canary: Canary, now_s: float) -> None:
        if self._proof_wanted:
            self._proof_wanted = False
            canary.hasten()
        if told := canary.step(now_s):
            self.sink.write(told)

    def loop(self, stop: threading.Event, stop_after_s: float | None = None) -> None:
        """Drain, judge, write, report until `stop` is set or the time is over."""
        began = time.monotonic()
        next_turn = next_collect = next_health = next_tend = began
        next_telemetry = began + TELEMETRY_PERIOD_S
        while not stop.is_set():
            # PERF: what is done a hundred times a second is cold each time, so that little of it is. Row 5.
            is_waited_for = self._is_waited_for()
            hits = self._drained(stop, 0 if is_waited_for else TURN_PERIOD_MS)
            if hits or is_waited_for:
                self._tell(hits)
            now = time.monotonic()
            if not hits and now < next_turn and not is_waited_for:
                continue
            next_turn = now + TURN_PERIOD_MS / 1000
            if now >= next_collect:
                next_collect = now + COLLECTOR_PERIOD_S
                self._tell(self._collected(now))
            self.threat_lists.tick(now)
            if now >= next_tend and self.kernel is not None:
                next_tend = now + TEND_PERIOD_S
                self.kernel.tend()
            if self.switch.step(now, self.swap):
                next_health = now
            if self.canary is not None:
                self._prove(self.canary, now)
            if self.events is not None:
                self.events.write(self.engine.take_stream())
            if now >= next_health:
                next_health = now + HEALTH_PERIOD_S
                snapshot = self._report()
                if now >= next_telemetry:
                    next_telemetry = now + TELEMETRY_PERIOD_S
                    self.sink.write([self.reporter.telemetry(snapshot)])
            if stop_after_s is not None and now - began >= stop_after_s:
                return

    def _tell(self, hits: list[Hit]) -> None:
        """Write what they are findings of, and what workers answered."""
        if hits:
            self.follow_trust()
        findings = [*self.host.findings(hits), *self.host.answers()]
        if findings or self.sink.backlog:
            self.sink.write(findings)

    def _drained(self, stop: threading.Event, idle_ms: int) -> list[Hit]:
        """What the next records of the rings found; waits for some at most `idle_ms`, or one look at the rings."""
        poll_ms = self.config.collectors.kernel.poll_ms
        if not self._rings:
            stop.wait(max(poll_ms, TURN_PERIOD_MS) / 1000)
            return []
        return self.engine.drain(self._rings, poll_ms, idle_ms=idle_ms)

    def _collected(self, now: float) -> list[Hit]:
        """What the logs and the looks at the host found."""
        hits = self.collectors.poll() if self.collectors is not None else []
        return hits + (self.inventory.tick(now) if self.inventory is not None else [])

    def _is_waited_for(self) -> bool:
        """Does anything want a turn after every drain: workers that answer, a stream, findings that wait, a canary?"""
        return (
            self.events is not None
            or bool(self.switch.workers.active)
            or self.sink.backlog > 0
            or (self.canary is not None and self.canary.is_at_work)
        )

    def follow_trust(self) -> None:
        """Take up changed trust files before the next finding is told; windows stay as they are."""
        if not self.trust.refresh():
            return
        for problem in self.trust.problems:
            logger.error("trust entries not used, nothing is trusted: %s", problem)
        self._tell_apart()

    def _tell_apart(self) -> None:
        """Let the engine keep apart what trust is asked about."""
        apart = told_apart(self.modules, self.trust.current)
        if apart != self.host.told_apart:
            configure(self.engine, self.modules, apart)
            self.host.told_apart = apart
            logger.info("trust entries=%d detectors=%d", len(self.trust.current.entries), len(apart))

    def _report(self, *, stopped: bool = False) -> Snapshot:
        self.follow_trust()
        self.follow_clock()
        snapshot = self.snapshot()
        self.losses.update(snapshot.now_ns, snapshot.lost)
        recent_ns = snapshot.now_ns - RECENT_S * NS
        snapshot.recently_lost = self.losses.between(recent_ns, snapshot.now_ns)
        try:
            self.reporter.write(snapshot, stopped=stopped)
        except OSError as error:
            logger.error("health file not written error=%s", error)
        if not self.sink.backlog:
            self._save_places()
        return snapshot

    def _save_places(self) -> None:
        """Only behind findings that are written: what waits in memory is read again after a kill."""
        if self.collectors is not None:
            self.collectors.save()
        if self.inventory is not None:
            self.inventory.save()

    def follow_clock(self) -> None:
        """Date events by the wall clock as it is now, when somebody has set it."""
        offset_ns = boot_to_realtime_ns()
        moved_ns = offset_ns - self._offset_ns
        if abs(moved_ns) < CLOCK_SLACK_NS:
            return
        self._offset_ns = offset_ns
        self._clock_moved = (boottime_ns(), moved_ns / NS)
        self.engine.follow_clock(offset_ns)
        self.host.follow_clock(offset_ns)
        self.losses.shift(moved_ns)
        logger.warning("the wall clock was set seconds=%.1f", moved_ns / NS)

    def snapshot(self) -> Snapshot:
        """Counters of every room; see `Snapshot`."""
        stats = self.engine.stats()
        records: dict[str, int] = stats.get("records", {})
        table = stats.get("processes", {})
        return Snapshot(
            now_ns=realtime_ns(),
            totals={kind: count for kind, count in records.items() if count},
            lost=self._lost(stats),
            hooks=self.canary.health() if self.canary is not None else [],
            rings=[
                RingHealth(
                    name=r.name,
                    pending_bytes=r.pending(),
                    size_bytes=self._ring_bytes[r.name],
                    consumed=r.consumed,
                )
                for r in self._rings
            ],
            collectors=self._collector_health(),
            detectors_loaded=len(self.modules.specs),
            disabled=self.host.disabled,
            modules=self.switch.health(),
            trust=self._trust_health(),
            canary_rounds=self.canary.rounds if self.canary is not None else None,
            table_bytes=stats.get("table_bytes", {}),
            findings_waiting=self.sink.backlog,
            clock_moved_s=self._clock_moved_s(),
            cursors_problem=self.collectors.store.problem if self.collectors is not None else "",
            process_entries=table.get("entries", 0),
            process_evicted=table.get("evicted", 0),
        )

    def _clock_moved_s(self) -> float:
        at_ns, seconds = self._clock_moved
        return seconds if boottime_ns() - at_ns < CLOCK_TOLD_NS else 0.0

    def _trust_health(self) -> TrustHealth:
        counts = self.host.trusting.counts if self.host.trusting else {}
        return TrustHealth(
            entries=len(self.trust.current.entries), covered=dict(counts), problems=self.trust.problems
        )

    def _lost(self, stats: dict[str, Any]) -> dict[str, int]:
        lost = {
            "hits": stats.get("hits_lost", 0),
            "findings": self.sink.lost,
            "events": stats.get("stream_lost", 0) + (self.events.lost if self.events else 0),
            "malformed": sum(stats.get("malformed", {}).values()),
            "detector_errors": self.host.errors,
        }
        lost |= {f"worker.{name}": one.lost for name, one in self.switch.workers.active.items()}
        if self.kernel is not None:
            counted = self.kernel.stats()
            lost |= {f"kernel.{kind}": count for kind, count in counted.get("lost", {}).items()}
            lost |= {f"suppressed.{kind}": count for kind, count in counted.get("suppressed", {}).items()}
            lost |= {SKIPPED + program: count for program, count in self.kernel.skipped().items()}
            if self.kernel.enforcement is not None:
                counters = self.kernel.enforcement.counters()
                lost["enforcement.faults"] = counters.faults
                lost["enforcement.stale"] = counters.stale
                lost["enforcement.unrecorded"] = counters.unrecorded
        return {place: count for place, count in lost.items() if count}

    def _collector_health(self) -> list[CollectorHealth]:
        kernel = CollectorHealth(
            id="kernel",
            state="absent" if self.kernel is None else "working",
            reason=self.kernel_absent,
        )
        logs = self.collectors.health() if self.collectors else []
        lists = self.threat_lists.health()
        return [kernel, *logs, *lists, *(self.inventory.health(time.monotonic()) if self.inventory else [])]

    def stop(self, *, asked: bool) -> None:
        """Detach, save cursors, write what waits; leaves no program, map or child behind.

        `asked`: this end is wanted, so the next sensor does not report a gap.
        """
        self.sink.flush()
        self._report(stopped=asked)
        if self.canary is not None:
            self.canary.close()
        if self.collectors is not None:
            self.collectors.close(save=not self.sink.backlog)
        for ring in self._rings:
            ring.close()
        if self.kernel is not None:
            self.kernel.close()
        self.switch.close()
        self.sink.close()
        if self.events is not None:
            self.events.close()


def run(
    config: Config, data_dir: Path, stop_after_s: float | None = None, beginning: Beginning | None = None
) -> int:
    """Run in the foreground until SIGTERM or SIGINT; returns the exit code. `beginning` is what has begun already."""
    sys.setswitchinterval(0.001)
    with beginning or Beginning(config, data_dir) as begun:
        stop = Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        sensor = Sensor(config, data_dir, begun.kernel)
        signal.signal(signal.SIGUSR1, lambda *_: sensor.ask_for_proof())
        try:
            sensor.start()
            sensor.loop(stop, stop_after_s)
        except BaseException:
            sensor.stop(asked=False)
            raise
        sensor.stop(asked=True)
    logger.info("sensor stopped")
    return 0
