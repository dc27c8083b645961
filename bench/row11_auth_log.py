# SPDX-License-Identifier: Apache-2.0
"""Row 11: an sshd log file to findings, beside fail2ban's own matcher on the same lines.

Ours is the whole way: read, parse, rules, correlations, findings, once with every shipped detector and once
without those in Python, which shows what a Python detector's prefilter lets through. The peer is
`fail2ban-regex` with its sshd filter, which parses the date and matches, and keeps no state; its start-up is
measured with one line and subtracted. Per line, because the peer gets a part of the file. Beside both: Debian's
CrowdSec with its sshd parser and its two scenarios. All by CPU time: CrowdSec reads with several threads.

Alone: `python -m bench.row11_auth_log [--json]`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from innerwarden_core import AuthParser, Engine

from bench.crowdsec import CrowdSec
from bench.measure import Bound, Result, Unavailable, children_cpu_ns, interleaved, median, scratch, spread
from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from innerwarden.sensor.detection.host import DetectionHost

LINES = 200_000
OTHERS_LINES = 5_000  # of which CrowdSec takes some seconds
CHUNK_BYTES = 256 << 10
FILTER = Path("/etc/fail2ban/filter.d/sshd.conf")
NOW_S = 1_795_252_800


def lines(count: int, seed: int = 11) -> list[str]:
    """Nine of ten lines are sshd's; many sources with few attempts, a few with many, some logins."""
    draw = random.Random(seed)
    users = ["root", "admin", "test", "oracle", "git", "ubuntu", "postgres", "kim"]
    out: list[str] = []
    clock = 0
    while len(out) < count:
        clock += draw.randrange(3)
        day, hour, minute = clock // 86400 + 1, clock // 3600 % 24, clock // 60 % 60
        stamp = f"Nov {day:2d} {hour:02d}:{minute:02d}:{clock % 60:02d} web"
        pid, port = draw.randrange(300, 32768), draw.randrange(1024, 65535)
        ip = f"203.0.113.{draw.randrange(8)}" if draw.random() < 0.3 else _address(draw)
        tag, what, user = f"{stamp} sshd[{pid}]:", draw.random(), draw.choice(users)
        if what < 0.10:
            out.append(f"{stamp} CRON[{pid}]: (root) CMD (/usr/lib/sysstat/debian-sa1 1 1)")
        elif what < 0.13:
            ip = f"192.0.2.{draw.randrange(1, 40)}"
            out.append(
                f"{tag} Accepted publickey for kim from {ip} port {port} ssh2: ED25519 SHA256:abcdefghijkl"
            )
            out.append(f"{tag} pam_unix(sshd:session): session opened for user kim(uid=1000) by (uid=0)")
        elif what < 0.5:
            out.append(f"{tag} Invalid user {user} from {ip} port {port}")
            out.append(f"{tag} Failed password for invalid user {user} from {ip} port {port} ssh2")
            out.append(f"{tag} Connection closed by invalid user {user} {ip} port {port} [preauth]")
        elif what < 0.9:
            out.append(
                f"{tag} pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                f"rhost={ip}  user={user}"
            )
            out.append(f"{tag} Failed password for {user} from {ip} port {port} ssh2")
            out.append(f"{tag} Received disconnect from {ip} port {port}:11: Bye Bye [preauth]")
        else:
            out.append(f"{tag} Connection closed by {ip} port {port} [preauth]")
    return out[:count]


def _address(draw: random.Random) -> str:
    return f"198.{draw.randrange(18, 20)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


def crowdsec(few: Path, one: Path) -> tuple[list[float], str]:
    """CPU ns a line, by round, or why there are none."""
    found = []
    try:
        for _ in range(5):
            base, _told = CrowdSec().cpu_ns(one)
            taken, told = CrowdSec().cpu_ns(few)
            assert "crowdsecurity/ssh-bf by ip" in told, told[-500:]
            found.append((taken - base) / (OTHERS_LINES - 1))
    except Unavailable as reason:
        return [], f"; CrowdSec not measured: {reason}"
    return found, ""


def run(quick: bool) -> list[dict[str, object]]:
    """Two results for the table (see bench.measure.Result)."""
    if shutil.which("fail2ban-regex") is None or not FILTER.exists():
        raise Unavailable("fail2ban is missing (apt-get install fail2ban)")
    text = lines(LINES)
    part = 10_000 if quick else 50_000
    whole, some, few, one = (scratch() / name for name in ("auth.log", "part.log", "few.log", "one.log"))
    for path, count in ((whole, LINES), (some, part), (few, OTHERS_LINES), (one, 1)):
        path.write_text("\n".join(text[:count]) + "\n")
    modules = load_modules(paths.modules_dirs(), Config())
    found: dict[bool, set[int]] = {True: set(), False: set()}

    def ours(with_python: bool) -> float:
        """ns a line, with an engine that has seen nothing yet."""
        engine = Engine()
        rules = [rule for rule in modules.rules if with_python or rule.owner not in modules.python]
        engine.configure(rules, modules.correlations, modules.natives)
        python = {name: type(one)(one.parameters) for name, one in modules.python.items()}
        host = DetectionHost(modules.specs, engine, host_name="web", python=python)
        parser = AuthParser(now_s=NOW_S)
        findings, rest = 0, b""
        began = time.thread_time_ns()
        with whole.open("rb", buffering=0) as file:
            while block := file.read(CHUNK_BYTES):
                chunk = rest + block
                hits, used = engine.feed_lines(chunk, parser)
                rest = chunk[used:]
                findings += len(host.findings(hits))
        taken = time.thread_time_ns() - began
        assert parser.stats()["lines"] == LINES and parser.stats()["malformed"] == 0
        found[with_python].add(findings)
        return taken / LINES

    def fail2ban(path: Path) -> float:
        began = children_cpu_ns()
        done = subprocess.run(
            ["fail2ban-regex", str(path), str(FILTER)], capture_output=True, text=True, check=False
        )
        taken = children_cpu_ns() - began
        assert f"Lines: {1 if path is one else part} lines" in done.stdout, (
            done.stdout[-300:] + done.stderr[-300:]
        )
        return float(taken)

    def peer() -> float:
        return (fail2ban(some) - fail2ban(one)) / (part - 1)

    times = interleaved(5, {"all": lambda: ours(True), "native": lambda: ours(False), "peer": peer})
    others, missing = crowdsec(few, one)
    beside = f", CrowdSec {median(others) / 1e3:.0f} us" if others else ""
    assert all(len(counts) == 1 and min(counts) > 0 for counts in found.values()), f"rounds differ: {found}"
    theirs = median(times["peer"])
    count = len(modules.specs)
    results = []
    for name, python, what in (
        ("all", True, f"{count} detectors"),
        ("native", False, "without those in Python"),
    ):
        mine = median(times[name])
        results.append(
            Result(
                row=11,
                what="sshd log file to findings" + ("" if python else ", no Python detector"),
                value=1e3 / mine,
                unit="M lines/s",
                peer=f"fail2ban-regex {theirs / 1e3:.1f} us a line{beside}",
                ratio=theirs / mine,
                goal=">= 200 x",
                gate=">= 50 x",
                passed=theirs / mine >= 50,
                spread=spread(times[name]),
                rounds=5,
                bound=Bound(theirs / mine, 200, 50),
                note=f"{mine:.0f} ns a line, {what}, {min(found[python])} findings of {LINES} lines{missing}",
                details={"ours_ns": mine, "peer_ns": theirs, "peer_spread": spread(times["peer"])}
                | ({"crowdsec_ns": median(others)} if others else {}),
            ).as_dict()
        )
    return results


if __name__ == "__main__":
    measured = run(quick=True)
    if "--json" in sys.argv[1:]:
        print(json.dumps(measured, indent=1))
    else:
        for row in measured:
            print(f"{row['ratio']:.0f} x {row['what']}: {row['note']}; {row['peer']}")
