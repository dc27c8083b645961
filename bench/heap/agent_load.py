# SPDX-License-Identifier: Apache-2.0
"""What the agent is given: findings about ever new addresses, processes, files and containers; and an open page."""

from __future__ import annotations

import http.client
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.flood import Visitor
from bench.heap.sensor_load import address
from innerwarden import clock, paths
from innerwarden.agent.state.read import Reader
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import FACTS, Evidence, Finding, IncidentFields, Process, ProcessRef
from innerwarden.model.severity import Severity

FINDINGS = 100_000
ROUNDS = 40
#: A page that is shown asks for the change mark every 400 ms and is fetched anew where that moved.
PULSES = 9_000
PAGES = 1_200
VIEWS = ("/", "/incidents", "/responses", "/sensor")
API = ("/api/v1/overview", "/api/v1/incidents", "/api/v1/responses", "/api/v1/sensor")
PULSE = "/api/v1/pulse"
STORED_WITHIN_S = 120.0

#: Detectors with their technique: about an address, about a process, a fact of the baseline.
REMOTE = (("ssh_bruteforce", "T1110.001"), ("port_scan", "T1046"), ("web_path_traversal", "T1190"))
LOCAL = (
    ("reverse_shell", "T1059.004"),
    ("shadow_file_read", "T1003.008"),
    ("cron_persistence", "T1053.003"),
    ("container_escape", "T1611"),
)
FACT = ("first_seen", "T1078")


def _process(number: int, chance: random.Random) -> Process:
    shell = ProcessRef(
        pid=400 + number % 30000, ppid=90, start_ns=number // 4 * clock.NS, exe="/usr/bin/bash"
    )
    daemon = ProcessRef(pid=90, ppid=1, start_ns=90 * clock.NS, exe="/usr/sbin/sshd")
    return Process(
        pid=1000 + number % 4_000_000,
        ppid=shell.pid,
        start_ns=number * clock.NS + 7,
        exe=f"/opt/tool-{chance.randrange(50_000)}",
        argv=("tool", "--number", str(number)),
        uid=number % 3000,
        user=f"u{number % 3000}",
        container_id=f"{number:064x}" if number % 5 == 0 else None,
        ancestors=(shell, daemon),
    )


def finding(number: int, chance: random.Random) -> Finding:
    """By turns about an address, about a process with a file, about both, and a fact."""
    ts = clock.rfc3339(clock.realtime_ns())
    detector, technique = (REMOTE, LOCAL, LOCAL, (FACT,))[number % 4][
        number // 4 % (1 if number % 4 == 3 else 3)
    ]
    process = None if number % 4 == 0 else _process(number, chance)
    where = EntityRef.ip(address(number))
    entities = [where] if number % 4 in (0, 2) else []
    if process is not None:
        entities += [EntityRef.process(process.pid, process.start_ns), EntityRef.path(f"/srv/data/{number}")]
    severity = (
        Severity.DEBUG if detector in FACTS else (Severity.HIGH if number % 10 == 0 else Severity.MEDIUM)
    )
    evidence = Evidence(
        kind="process.exec" if process else "ssh.login_failed",
        text=f"what was seen, number {number}",
        ts=ts,
        details={"src_ip": where.value, "user": f"u{number % 3000}", "src_port": 4000},
    )
    fields = IncidentFields(
        incident_id=f"{detector}:{where.value}:{ts}.{number}",
        host="bench",
        title="Something that the memory budget made up",
        summary=f"Number {number}, seen from {where.value}.",
        evidence=(evidence,) * 3,
        entities=tuple(entities),
        attack=(technique,),
        process=process,
    )
    return Finding(ts=ts, detector=detector, severity=severity, fields=fields)


class Load:
    """Findings by rounds, each read to the end, and an hour's questions of a browser spread over them."""

    def __init__(
        self, data_dir: Path, visitor: Visitor, findings: int, share: float, rounds: int = ROUNDS
    ) -> None:
        self.findings = self.asked = 0
        self._data_dir = data_dir
        self._visitor = visitor
        self._rounds = rounds
        self._findings = findings // rounds
        self._pulses = int(PULSES * share) // rounds
        self._pages = int(PAGES * share) // rounds
        self._chance = random.Random(1)

    @property
    def events(self) -> int:
        return self.findings

    def run(self) -> Iterator[Load]:
        for _ in range(self._rounds):
            with paths.findings(self._data_dir).open("ab") as file:
                for number in range(self.findings, self.findings + self._findings):
                    file.write(msgspec.json.encode(finding(number, self._chance)) + b"\n")
            self.findings += self._findings
            self._browse()
            yield self

    def stored(self) -> bool:
        """All findings of before are stored and decided."""
        with Reader(paths.state_db(self._data_dir)) as reader:
            return reader.counters().get("incidents", 0) >= self.findings and not reader.funnel().waiting

    def _ask(self, path: str) -> None:
        """Again where the server let go of a connection that was quiet for half a minute."""
        try:
            self._visitor.read_ms(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            self._visitor.read_ms(path)

    def _browse(self) -> None:
        for _ in range(self._pulses):
            self._ask(PULSE)
        with Reader(paths.state_db(self._data_dir)) as reader:
            newest = [f"/incident/{row.incident_id}" for row in reader.incidents(limit=2)]
        places = [*VIEWS, *API, *newest, *(f"/api/v1{path}" for path in newest)]
        for number in range(self._pages):
            self._ask(places[number % len(places)])
        self.asked += self._pulses + self._pages
