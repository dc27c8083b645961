# SPDX-License-Identifier: Apache-2.0
"""What `innerwarden run` does: set up, say so, watch the children, print incidents, stop cleanly."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from innerwarden import paths
from innerwarden.agent.dashboard.address import split_listen
from innerwarden.config import Config
from innerwarden.ctl.children import Child
from innerwarden.ctl.output import SEVERITY_STYLE, console, shown
from innerwarden.ctl.sources import sources
from innerwarden.errors import StateError, UnavailableError
from innerwarden.stopping import Stop

if TYPE_CHECKING:
    from innerwarden.agent.state.read import Reader
    from innerwarden.agent.state.rows import IncidentRow

TICK_S = 0.1
AGENT_START_S = 20.0
SENSOR_START_S = 20.0
PRINTED_AT_ONCE = 100


class Foreground:
    """Owns the two children for one data directory."""

    def __init__(self, config: Config, data_dir: Path, config_file: Path | None, listen: str) -> None:
        self._config = config
        self._data_dir = data_dir
        self._listen = listen
        self._stop = Stop()
        self._print_lock = threading.Lock()
        self._last_id = 0
        self._reader: Reader | None = None
        common = ["--data-dir", str(data_dir), *(["--config", str(config_file)] if config_file else [])]
        agent = [*paths.own_command(), "agent", *common, "--listen", listen]
        self._agent = Child("agent", agent, self._say, [*agent, "--no-token"])
        self._sensor = Child("sensor", [*paths.own_command(), "sensor", *common], self._say)
        self._responder: Child | None = None
        if config.responder.enabled and os.geteuid() == 0:
            self._responder = Child("responder", [*paths.own_command(), "responder", *common], self._say)

    def run(self, seconds: float | None) -> int:
        """Until Ctrl-C, SIGTERM or `seconds`; returns the exit code."""
        os.umask(0o077)
        with _signals(self._stop):
            try:
                self._start()
                return self._watch(seconds)
            finally:
                self._say("stopping")
                self._sensor.stop()
                self._agent.stop()
                if self._responder is not None:
                    self._responder.stop()
                if self._reader is not None:
                    self._reader.close()

    def _say(self, text: str) -> None:
        with self._print_lock, contextlib.suppress(BrokenPipeError):
            print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def _start(self) -> None:
        _check_free(self._listen)
        self._say(f"data directory: {self._data_dir} (only its owner may read it)")
        usable = 0
        for source in sources(self._config):
            usable += source.usable
            self._say(f"source {source.name}: {'' if source.usable else 'MISSING, '}{shown(source.detail)}")
        if not usable:
            self._say("no source can be read, so nothing will be seen; `innerwarden doctor` says what to do")
        self._remember_last()
        if self._responder is not None:
            self._say("starting the responder")
            self._responder.start()
        self._say("starting the agent")
        self._agent.start()
        self._announce()
        self._say("starting the sensor")
        self._sensor.start()
        self._sensor_ready()
        self._say(f"{self._switches()}. Stop with Ctrl-C")

    def _switches(self) -> str:
        responder = self._config.responder
        if not responder.enabled:
            return "observing only: nothing is blocked, killed or changed"
        if self._responder is None:
            return "responses need root, so nothing is blocked, killed or changed"
        verbs = ", ".join(responder.verbs)
        if responder.dry_run:
            return f"dry run: it is said what would be done ({verbs}), nothing is touched"
        return f"RESPONDING: {verbs} may happen by themselves where a rule says so"

    def _announce(self) -> None:
        """Wait for the agent's line with the dashboard's address; it is shown this once."""
        deadline = time.monotonic() + AGENT_START_S
        while not self._stop.is_set():
            if self._agent.lines:
                address = self._agent.lines.pop(0).removeprefix("dashboard: ")
                self._say(f"dashboard: {address}")
                return
            status = self._agent.watch()
            if status is not None:
                raise UnavailableError("the agent could not start", "Its reason is printed above")
            if time.monotonic() > deadline:
                raise UnavailableError(f"the agent was not ready within {AGENT_START_S:.0f} s", "Try again")
            self._stop.wait(0.02)

    def _sensor_ready(self) -> None:
        """Wait for the sensor's first report and say what it can see."""
        from innerwarden.model.health import read

        deadline = time.monotonic() + SENSOR_START_S
        while not self._stop.is_set() and time.monotonic() < deadline:
            report = read(paths.sensor_health(self._data_dir))
            if report is not None and report.pid == self._sensor.pid:
                attached = sum(hook.state == "attached" for hook in report.hooks)
                replaced = [hook for hook in report.hooks if hook.state != "attached" and hook.stand_in]
                self._say(
                    f"sensor: {attached} of {len(report.hooks)} kernel hooks attached, "
                    f"{report.detectors.loaded} detectors loaded"
                )
                if replaced:
                    self._say(
                        f"sensor: in place of {len(replaced)} hooks that this kernel refuses others see the same"
                        f" (innerwarden doctor); the first: {shown(replaced[0].reason)}"
                    )
                for hook in report.hooks:
                    if hook.state != "attached" and not hook.stand_in:
                        self._say(
                            f"sensor: hook {hook.name} ({hook.kind}) {hook.state}: {shown(hook.reason)}"
                        )
                for one in report.collectors:
                    if one.state == "absent":
                        self._say(f"sensor: source {one.id} absent: {shown(one.reason)}")
                return
            if self._sensor.watch() is not None:
                raise UnavailableError("the sensor could not start", "Its reason is printed above")
            self._stop.wait(0.02)
        if not self._stop.is_set():
            self._say(f"sensor: no report within {SENSOR_START_S:.0f} s; going on without it")

    def _watch(self, seconds: float | None) -> int:
        end = None if seconds is None else time.monotonic() + seconds
        while not self._stop.is_set() and (end is None or time.monotonic() < end):
            for child in filter(None, (self._sensor, self._agent, self._responder)):
                status = child.watch()
                if status is not None:
                    self._say(
                        f"error: the {child.name} ended (exit code {status}) and will not be started again"
                    )
                    return 3
            self._print_incidents()
            self._agent.lines.clear()
            self._stop.wait(TICK_S)
        self._print_incidents()
        return 0

    def _rows(self, limit: int) -> list[IncidentRow]:
        """The newest incidents; none while the agent has not made the database or migrates it."""
        from innerwarden.agent.state.read import Reader

        try:
            if self._reader is None:
                self._reader = Reader(paths.state_db(self._data_dir))
            return self._reader.incidents(limit=limit)
        except StateError:
            return []

    def _remember_last(self) -> None:
        rows = self._rows(1)
        self._last_id = rows[0].id if rows else 0

    def _print_incidents(self) -> None:
        """Incidents that arrived since the last look, oldest first."""
        newest = self._rows(1)
        if not newest or newest[0].id <= self._last_id:
            return
        new = [row for row in self._rows(PRINTED_AT_ONCE) if row.id > self._last_id]
        if len(new) == PRINTED_AT_ONCE:
            self._say("more incidents than can be printed; `innerwarden incidents` lists them all")
        for row in reversed(new):
            self._last_id = row.id
            self._print_incident(row)

    def _print_incident(self, row: IncidentRow) -> None:
        techniques = f" [{', '.join(row.fields.attack)}]" if row.fields.attack else ""
        line = shown(f"{str(row.severity).upper()} {row.title}: {row.summary}{techniques}")
        if not sys.stdout.isatty():
            self._say(line)
            return
        with self._print_lock:
            console().print(f"{time.strftime('%H:%M:%S')} {line}", style=SEVERITY_STYLE[row.severity])


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_free(listen: str) -> None:
    """Fail before anything starts when the dashboard's address is taken."""
    host, port = split_listen(listen)
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnavailableError(
                f"the dashboard cannot listen on {listen}: {error.strerror}",
                "Stop the other program (another `innerwarden run`?) or choose with --listen 127.0.0.1:8788",
            ) from error
