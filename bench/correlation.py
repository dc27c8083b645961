# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.correlation`: what one finding costs the agent's correlation, with every rule loaded.

Findings of 50,000 addresses, each seen twice, and of local sessions among them; stored and observed in transactions of
a hundred, as ingest does it, on a new state.db. The time is the processor time of Correlator.observe alone. A cost per
finding that grew with what is stored would show between the first and the last tenth.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.state.maintain import ExpireTrail
from innerwarden.agent.state.tx import NewIncident, Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding, IncidentFields, Process, ProcessRef
from innerwarden.model.severity import Severity

START_NS = 1_767_323_045 * NS
BATCH = 100
REMOTE = (
    "ssh_bruteforce",
    "port_scan",
    "web_scan",
    "web_exploit_probe",
    "user_agent_scanner",
    "service_bruteforce",
)
LOCAL = (
    "discovery_burst",
    "download_tool",
    "systemd_persistence",
    "secret_file_read",
    "security_tool_stop",
    "c2_callback",
)
SEVERITIES = {"port_scan": Severity.LOW, "web_scan": Severity.LOW, "user_agent_scanner": Severity.LOW}


class Batch(msgspec.Struct, frozen=True):
    """Operation: store and observe; returns processor seconds of each observe and what was told."""

    findings: tuple[Finding, ...]
    correlator: Correlator
    first: int
    durable: bool = False

    def apply(self, tx: Tx) -> tuple[list[float], int]:
        spent, told = [], 0
        for finding in self.findings:
            new = NewIncident(finding=finding, ts_ns=_ts(finding), fields=msgspec.json.encode(finding.fields))
            stored = tx.insert_incident(new)
            assert stored is not None
            began = time.thread_time()
            told += self.correlator.observe(tx, stored)
            spent.append(time.thread_time() - began)
        return spent, told


def _ts(finding: Finding) -> int:
    return START_NS + int(finding.fields.incident_id.rsplit(".", 1)[1])


def findings(count: int, addresses: int, local_pct: int, seed: int) -> Iterator[Finding]:
    """In order of time, ten a second."""
    chance = random.Random(seed)
    for number in range(count):
        offset_ns = number * NS // 10
        local = chance.randrange(100) < local_pct
        detector = chance.choice(LOCAL if local else REMOTE)
        address = number % addresses
        ip = EntityRef.ip(f"10.{address >> 16}.{address >> 8 & 255}.{address & 255}")
        yield Finding(
            ts=rfc3339(START_NS + offset_ns),
            detector=detector,
            severity=SEVERITIES.get(detector, Severity.MEDIUM),
            fields=IncidentFields(
                incident_id=f"{detector}:{number}.{offset_ns}",
                host="bench",
                title=detector,
                summary="something happened",
                entities=() if local else (ip,),
                process=_process(chance.randrange(500), number) if local else None,
            ),
        )


def _process(session: int, number: int) -> Process:
    """Five hundred sessions of fifty people."""
    shell = 1000 + session
    return Process(
        pid=100_000 + number,
        start_ns=number + 1,
        ppid=shell,
        exe="/usr/bin/dash",
        uid=2000 + session % 50,
        login_uid=2000 + session % 50,
        ancestors=(
            ProcessRef(pid=shell, start_ns=shell, ppid=900, exe="/usr/bin/bash"),
            ProcessRef(pid=900, start_ns=5, ppid=1, exe="/usr/sbin/sshd"),
        ),
    )


def figures(spent: list[float]) -> dict[str, float]:
    """Microseconds by name."""
    ordered = sorted(spent)
    tenth = max(1, len(spent) // 10)
    seconds = {
        "mean": statistics.fmean(spent),
        "median": statistics.median(spent),
        "p99": ordered[int(len(ordered) * 0.99)],
        "worst": ordered[-1],
        "mean of the first tenth": statistics.fmean(spent[:tenth]),
        "mean of the last tenth": statistics.fmean(spent[-tenth:]),
    }
    return {name: value * 1e6 for name, value in seconds.items()}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--findings", type=int, default=100_000)
    options.add_argument("--addresses", type=int, default=50_000)
    options.add_argument("--local-pct", type=int, default=5, help="share of findings about local sessions")
    chosen = options.parse_args()
    correlator = Correlator(find_rules(), lambda uid: f"user{uid}")
    spent: list[float] = []
    told = 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state.db"
        writer = Writer(path)
        batch: list[Finding] = []
        for number, finding in enumerate(findings(chosen.findings, chosen.addresses, chosen.local_pct, 1), 1):
            batch.append(finding)
            if len(batch) == BATCH or number == chosen.findings:
                seconds, more = writer.run(Batch(tuple(batch), correlator, number))
                spent += seconds
                told += more
                batch.clear()
            if number % 300 == 0:
                writer.run(ExpireTrail())
        writer.close()
        size = path.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"findings {len(spent)}, addresses {chosen.addresses}, rules {len(find_rules())}, told {told}")
    print("observe, us: " + ", ".join(f"{name} {us:.0f}" for name, us in figures(spent).items()))
    print(f"state.db {size >> 20} MiB, peak memory {memory} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
