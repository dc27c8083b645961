# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.progress [FINDINGS] [ADDRESSES]`: what following process trees, attackers and habits takes of each
finding, beside storing it, and what the process keeps in memory. Each figure is a process of its own."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from innerwarden import clock, paths
from innerwarden.agent.baseline.engine import Baseline
from innerwarden.agent.dna.engine import Dna
from innerwarden.agent.ingest import Ingest, Observer
from innerwarden.agent.killchain.engine import KillChain
from innerwarden.agent.state.writer import Writer
from innerwarden.config import BaselineConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields, Process, ProcessRef
from innerwarden.model.severity import Severity

START_NS = 1_767_323_045 * clock.NS
DETECTORS = (
    ("ssh_bruteforce", "T1110.001"),
    ("port_scan", "T1046"),
    ("web_path_traversal", "T1190"),
    ("credential_stuffing", "T1110.004"),
    ("shadow_file_read", "T1003.008"),
    ("reverse_shell", "T1059.004"),
    ("cron_persistence", "T1053.003"),
)
SHELLS = 2_000


def line(number: int, addresses: int, chance: random.Random) -> bytes:
    """By turns about an address, about a process below one of SHELLS shells, and a fact."""
    at_ns = START_NS + number * clock.NS // 10
    detector, technique = chance.choice(DETECTORS)
    place = chance.randrange(addresses)
    process: Process | None = None
    entities: tuple[EntityRef, ...] = ()
    severity = Severity.MEDIUM
    evidence = Evidence(kind="ssh.login_failed", text="")
    if number % 3 == 0:
        entities = (EntityRef.ip(f"10.{place // 65536}.{place // 256 % 256}.{place % 256}"),)
    else:
        process = below(place, chance.randrange(SHELLS))
    if number % 3 == 2:
        detector, severity = "first_seen", Severity.DEBUG
        evidence = Evidence(kind="process.exec", text="")
    ts = clock.rfc3339(at_ns)
    fields = IncidentFields(
        incident_id=f"{detector}:{number}:{ts}",
        host="bench",
        title="bench",
        summary="bench",
        evidence=(evidence,),
        entities=entities,
        attack=(technique,),
        process=process,
    )
    return msgspec.json.encode(Finding(ts=ts, detector=detector, severity=severity, fields=fields)) + b"\n"


def below(place: int, shell: int) -> Process:
    above = (
        ProcessRef(pid=400 + shell, ppid=90, start_ns=(400 + shell) * clock.NS, exe="/usr/bin/bash"),
        ProcessRef(pid=90, ppid=1, start_ns=90 * clock.NS, exe="/usr/sbin/sshd"),
    )
    exe = f"/opt/{chr(97 + place % 26)}{chr(97 + place // 26 % 26)}"
    return Process(
        pid=5000 + place, ppid=400 + shell, start_ns=(5000 + place) * clock.NS, exe=exe, ancestors=above
    )


def observer(name: str) -> Observer:
    rooms: dict[str, Observer] = {
        "killchain": KillChain().observe,
        "dna": Dna().observe,
        "baseline": Baseline(BaselineConfig(), lambda _: True).observe,
    }
    if name == "nothing":
        return lambda _tx, _stored: 0
    return rooms[name]


def measure(name: str, findings: int, addresses: int) -> str:
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as place:
        data_dir = Path(place)
        with paths.findings(data_dir).open("wb") as file:
            for number in range(findings):
                file.write(line(number, addresses, chance))
        writer = Writer(paths.state_db(data_dir))
        ingest = Ingest(paths.findings(data_dir), writer, observer(name))
        began, halves = time.process_time(), [0.0]
        stored = 0
        while (done := ingest.step()) is not None:
            stored += done.incidents
            if stored >= findings // 2 and len(halves) == 1:
                halves.append(time.process_time() - began)
        took = time.process_time() - began
        ingest.close()
        writer.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    first, second = halves[1] / (findings // 2) * 1e6, (took - halves[1]) / (findings // 2) * 1e6
    return f"{name:<10} first half {first:4.0f} us, second half {second:4.0f} us of processor a finding, {peak} MiB"


def main() -> None:
    findings, addresses = (int(one) for one in (*sys.argv[1:3], "100000", "50000")[:2])
    if len(sys.argv) == 4:
        print(measure(sys.argv[3], findings, addresses), flush=True)
        return
    for name in ("nothing", "killchain", "dna", "baseline"):
        command = [sys.executable, "-m", "bench.progress", str(findings), str(addresses), name]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
