# SPDX-License-Identifier: Apache-2.0
"""Row 16: links of the record verified a second; incidents stored a second, and what readers notice.

The chain is verified as `innerwarden audit verify` does it, from the file; appending is measured beside it. Incidents
go through the agent's own ingest: lines parsed, rows with entities inserted, the cursor moved, a transaction with
synchronous FULL for a hundred lines. Meanwhile another process asks for the newest fifty incidents; its median is
compared with that of the same question while nothing is written. Beside it: the same lines with correlation, of which
each begins a chain.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.measure import ROOT, Bound, Result, median, scratch, spread
from innerwarden import paths
from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.ingest import Ingest, Observer
from innerwarden.agent.main import observer
from innerwarden.agent.state import record
from innerwarden.agent.state.audit import Audit
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, rfc3339
from innerwarden.config import Config
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding, IncidentFields
from innerwarden.model.record import Decided, Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import BlockAddress

LINKS = 200_000
START_NS = 1_767_323_045 * NS
#: Prints, in microseconds, how long each question took in SECONDS.
READER = """
import sys, time
from pathlib import Path
from innerwarden.agent.state.read import Reader
path, seconds = Path(sys.argv[1]), float(sys.argv[2])
with Reader(path) as reader:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        began = time.perf_counter_ns()
        reader.incidents(limit=50)
        print((time.perf_counter_ns() - began) // 1000)
        time.sleep(0.005)
"""


class Append:
    """Operation: so many entries as triage writes them."""

    durable = True

    def __init__(self, first: int, count: int) -> None:
        self._numbers = range(first, first + count)

    def apply(self, tx: Tx) -> None:
        for n in self._numbers:
            address = f"203.0.113.{n & 255}"
            record.append(
                tx,
                Decided(
                    incident_id=f"ssh_bruteforce:{address}:{rfc3339(START_NS + n)}",
                    outcome=Outcome.ACT,
                    by="rule:password-guessing",
                    reason="passwords are guessed from there; confidence 0.60 = 0.45 medium +0.15 chain",
                    verb=BlockAddress(address=address),
                    ttl_s=86_400,
                    confidence=0.6,
                ),
            )


def chain(rounds: int) -> tuple[list[float], float]:
    """Links verified a second, by round; entries appended a second."""
    directory = scratch() / "chain"
    directory.mkdir()
    writer = Writer(paths.state_db(directory))
    began = time.perf_counter()
    for first in range(0, LINKS, 1000):
        writer.run(Append(first, 1000))
    appended = LINKS / (time.perf_counter() - began)
    writer.close()
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        with Audit(paths.state_db(directory)) as audit:
            report = audit.verify()
        rates.append(LINKS / (time.perf_counter() - began))
        assert report.holds and report.entry_count == LINKS
    return rates, appended


def finding(n: int) -> Finding:
    ts, address = rfc3339(START_NS + n * 1_000_000), f"198.{18 + (n >> 16 & 1)}.{n >> 8 & 255}.{n & 255}"
    fields = IncidentFields(
        incident_id=f"ssh_bruteforce:{address}:{ts}",
        host="web-1",
        title="Passwords are guessed over SSH",
        summary=f"{address} failed 8 times within 300 s",
        entities=(EntityRef.ip(address),),
        attack=("T1110.001",),
    )
    return Finding(ts=ts, detector="ssh_bruteforce", severity=Severity.MEDIUM, fields=fields)


def ask(path: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READER, str(path), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def answers(reader: subprocess.Popen[str]) -> float:
    """Median, microseconds."""
    out, _ = reader.communicate(timeout=60)
    return median([float(line) for line in out.split()])


class Stored:
    """Of one round."""

    def __init__(self, rate: float, cpu_us: float, readers: float) -> None:
        self.rate = rate
        self.cpu_us = cpu_us
        self.readers = readers


def insert(lines: int, observe: Observer) -> Stored:
    """Rows a second, CPU of a row, and the readers' median beside it divided by the idle one."""
    directory = Path(tempfile.mkdtemp(dir=scratch()))
    state = paths.state_db(directory)
    writer = Writer(state)
    ingest = Ingest(paths.findings(directory), writer, observe)
    with paths.findings(directory).open("wb") as file:
        file.writelines(msgspec.json.encode(finding(n)) + b"\n" for n in range(lines))
    for _ in range(20):  # what readers look at
        ingest.step()
    idle = answers(ask(state, 2.0))
    reader = ask(state, 30.0)
    assert reader.stdout is not None
    first = reader.stdout.readline()
    began, cpu, stored = time.perf_counter(), time.process_time(), 0
    while (done := ingest.step()) is not None:
        stored += done.incidents
    rate, cpu = stored / (time.perf_counter() - began), time.process_time() - cpu
    reader.terminate()
    out, _ = reader.communicate(timeout=60)
    busy = [float(line) for line in (first + out).splitlines()[:-1]]
    ingest.close()
    writer.close()
    shutil.rmtree(directory)
    return Stored(rate, cpu / stored * 1e6, median(busy) / idle)


def run(quick: bool) -> list[dict[str, object]]:
    links, appended = chain(3 if quick else 7)
    lines = 20_000 if quick else 100_000
    rounds = 3 if quick else 5
    plain = [insert(lines, lambda _tx, _incident: 0) for _ in range(rounds)]
    joined = insert(lines, Correlator(find_rules(), lambda _: None).observe)
    whole = insert(lines // 4, observer(find_rules(), Config()))
    rates, ratio = [one.rate for one in plain], median([one.readers for one in plain])
    return [
        Result(
            row=16,
            what="links of the record verified",
            value=median(links) / 1000,
            unit="k links/s",
            goal=">= 500 k",
            gate=">= 200 k",
            passed=median(links) >= 200_000,
            spread=spread(links),
            rounds=len(links),
            bound=Bound(median(links) / 1000, 500, 200),
            note=f"{LINKS:,} entries from the file; {appended / 1000:.0f} k a second appended, 1000 a transaction",
            details={"links_per_s": median(links), "appended_per_s": appended},
        ).as_dict(),
        Result(
            row=16,
            what="incidents stored, synchronous FULL, 100 a transaction",
            value=median(rates) / 1000,
            unit="k rows/s",
            peer="readers' median while nothing is written",
            ratio=ratio,
            goal=">= 30 k, readers <= 1.2 x",
            gate=">= 10 k, <= 2 x",
            passed=median(rates) >= 10_000 and ratio <= 2,
            spread=spread(rates),
            rounds=len(rates),
            lower_is_better=True,
            bound=Bound(median(rates) / 1000, 30, 10),
            note=f"{median([one.cpu_us for one in plain]):.0f} us of CPU a row; {joined.rate / 1000:.1f} k/s"
            f" ({joined.cpu_us:.0f} us) when each begins a chain of correlation, {whole.rate / 1000:.1f} k/s"
            f" ({whole.cpu_us:.0f} us) with process trees, habits and sessions too",
            details={
                "rows_per_s": median(rates),
                "readers": ratio,
                "chains_per_s": joined.rate,
                "whole_per_s": whole.rate,
            },
        ).as_dict(),
    ]
