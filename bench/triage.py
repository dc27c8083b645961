# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.triage [FINDINGS] [ADDRESSES]`: what triage takes. Two figures: a flood of findings about many
addresses (rate, memory), and from a stored incident to its decision while findings come in steadily (p50, p99)."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from innerwarden import clock, paths
from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.compose import open_triage
from innerwarden.agent.triage.engine import Triage
from innerwarden.agent.worker import Worker
from innerwarden.config import Config
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity


def line(number: int, addresses: int) -> bytes:
    """Guessing over SSH, every tenth of high severity, as the sensor tells it."""
    place = number % addresses
    address = f"{45 + place // 65536}.{place // 256 % 256}.{place % 256}.77"
    ts = clock.rfc3339(clock.realtime_ns())
    grave = number % 10 == 0
    detector = "credential_stuffing" if grave else "ssh_bruteforce"
    details = {"src_ip": address, "method": "password", "user": "root", "src_port": 4000}
    fields = IncidentFields(
        incident_id=f"{detector}:{address}:{ts}.{number}",
        host="bench",
        title="Many failed SSH logins from one address",
        summary=f"8 SSH logins failed from {address} within 7 seconds; accounts tried: root.",
        evidence=(Evidence(kind="ssh.login_failed", text="login failed", ts=ts, details=details),),
        entities=(EntityRef.ip(address),),
        attack=("T1110.001",),
    )
    severity = Severity.HIGH if grave else Severity.MEDIUM
    return msgspec.json.encode(Finding(ts=ts, detector=detector, severity=severity, fields=fields)) + b"\n"


@contextmanager
def agent(data_dir: Path) -> Iterator[tuple[Ingest, Triage]]:
    rules = find_rules()
    paths.findings(data_dir).touch()
    writer = Writer(paths.state_db(data_dir))
    ingest = Ingest(paths.findings(data_dir), writer, Correlator(rules, lambda uid: None).observe)
    triage = open_triage(Config(), data_dir, writer, chains=[rule.id for rule in rules])
    try:
        yield ingest, triage
    finally:
        ingest.close()
        triage.close()
        writer.close()


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flood(findings: int, addresses: int) -> None:
    with tempfile.TemporaryDirectory(prefix="iw-bench-") as name, agent(Path(name)) as (ingest, triage):
        with paths.findings(Path(name)).open("wb") as file:
            file.writelines(line(number, addresses) for number in range(findings))
        began = time.perf_counter()
        while ingest.step() is not None:
            pass
        stored = time.perf_counter()
        before = peak_mib()
        while triage.step():
            pass
        took = time.perf_counter() - stored
        size = os.path.getsize(paths.state_db(Path(name)))  # noqa: PTH202
        print(
            f"flood: {findings} findings about {addresses} addresses: ingest {findings / (stored - began):.0f}/s,"
            f" triage {findings / took:.0f}/s ({took:.1f} s); peak memory {before:.0f} -> {peak_mib():.0f} MiB;"
            f" state.db {size >> 20} MiB"
        )


def steady(per_second: int, seconds: float, idle_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="iw-bench-") as name, agent(Path(name)) as (ingest, triage):
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                if ingest.step() is None:
                    ended.wait(0.01)

        reader = threading.Thread(target=read)
        reader.start()
        worker = Worker("triage", triage.step, idle_s)
        with paths.findings(Path(name)).open("ab", buffering=0) as file:
            for number in range(int(per_second * seconds)):
                file.write(line(number, 100_000))
                time.sleep(1 / per_second)
        time.sleep(1)
        ended.set()
        reader.join()
        worker.close()
        db = open_read_only(paths.state_db(Path(name)))
        sql = "SELECT (triaged_ns - stored_ns) / 1e6 FROM incidents WHERE triaged_ns IS NOT NULL ORDER BY 1"
        delays = [ms for (ms,) in db.execute(sql)]
        db.close()
        p50, p99 = (delays[int(len(delays) * part)] for part in (0.5, 0.99))
        print(
            f"steady: {per_second}/s, worker idles {idle_s * 1000:.0f} ms: {len(delays)} decided,"
            f" stored to decided p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {delays[-1]:.1f} ms"
        )


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    flood(*(numbers or [100_000, 50_000]))
    for idle in (0.2, 0.02):
        steady(100, 15, idle)
