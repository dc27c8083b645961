# SPDX-License-Identifier: Apache-2.0
"""Row 11: an access log to findings, beside fail2ban's own matcher on the same lines.

Ours is the whole way with every shipped detector: read, parse, rules, correlations, findings. The peer is
`fail2ban-regex` with its nginx-botsearch filter, one rule of the kind of which ours has hundreds; it keeps no
state, and its start-up is measured with one line and subtracted. Per line, because the peer gets a part of the file.

Alone: `python -m bench.row11_web_log [--json]`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from innerwarden_core import Engine, WebParser

from bench.measure import Bound, Result, Unavailable, children_cpu_ns, interleaved, median, scratch, spread
from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from innerwarden.sensor.detection.host import DetectionHost

LINES = 200_000
CHUNK_BYTES = 256 << 10
FILTER = Path("/etc/fail2ban/filter.d/nginx-botsearch.conf")
NOW_S = 1_795_252_800
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
PAGES = ("/", "/shop/item?id={}", "/api/v1/items?page={}&sort=name%20asc", "/blog/{}", "/search?q=red+shoes")


def lines(count: int, seed: int = 11) -> list[str]:
    """Visitors with their pictures; one line in fifty is a scanner's, one in a hundred a login."""
    draw = random.Random(seed)
    out = []
    for number in range(count):
        clock = number // 50
        hour, minute, second = clock // 3600 % 24, clock // 60 % 60, clock % 60
        stamp = f"{clock // 86400 + 1:02d}/Nov/2026:{hour:02d}:{minute:02d}:{second:02d} +0000"
        source, status, what = f"198.18.{draw.randrange(64)}.{draw.randrange(1, 255)}", 200, draw.random()
        request = "GET " + draw.choice(PAGES).format(number)
        if what < 0.02:
            source, status = f"203.0.113.{draw.randrange(8)}", 404
            request = f"GET /phpmyadmin{draw.randrange(40)}/scripts/setup.php"
        elif what < 0.03:
            request, status = "POST /login", 401 if draw.random() < 0.1 else 302
        elif what < 0.7:
            request = f"GET /static/{draw.randrange(500)}.png"
        answer = f'"{request} HTTP/1.1" {status} {draw.randrange(60000)}'
        out.append(f'{source} - - [{stamp}] {answer} "https://example.org/" "{BROWSER}"')
    return out


def run(quick: bool) -> dict[str, object]:
    """One result for the table (see bench.measure.Result)."""
    if shutil.which("fail2ban-regex") is None or not FILTER.exists():
        raise Unavailable("fail2ban is missing (apt-get install fail2ban)")
    text = lines(LINES)
    part = 10_000 if quick else 50_000
    whole, some, one = (scratch() / name for name in ("access.log", "access-part.log", "access-one.log"))
    for path, count in ((whole, LINES), (some, part), (one, 1)):
        path.write_text("\n".join(text[:count]) + "\n")
    modules = load_modules(paths.modules_dirs(), Config())
    found: set[int] = set()

    def ours() -> float:
        """ns a line, with an engine that has seen nothing yet."""
        engine = Engine()
        engine.configure(modules.rules, modules.correlations, modules.natives)
        python = {name: type(one)(one.parameters) for name, one in modules.python.items()}
        host = DetectionHost(modules.specs, engine, host_name="web", python=python)
        parser = WebParser(now_s=NOW_S)
        findings, rest = 0, b""
        began = time.thread_time_ns()
        with whole.open("rb", buffering=0) as file:
            while block := file.read(CHUNK_BYTES):
                chunk = rest + block
                hits, used = engine.feed_lines(chunk, parser)
                rest = chunk[used:]
                findings += len(host.findings(hits))
        taken = time.thread_time_ns() - began
        assert parser.stats()["lines"] == parser.stats()["matched"] == LINES
        found.add(findings)
        return taken / LINES

    def fail2ban(path: Path) -> float:
        began = children_cpu_ns()
        done = subprocess.run(
            ["fail2ban-regex", str(path), str(FILTER)], capture_output=True, text=True, check=False
        )
        taken = children_cpu_ns() - began
        expected = f"Lines: {1 if path is one else part} lines"
        assert expected in done.stdout, done.stdout[-300:] + done.stderr[-300:]
        return float(taken)

    def peer() -> float:
        return (fail2ban(some) - fail2ban(one)) / (part - 1)

    times = interleaved(5, {"ours": ours, "peer": peer})
    assert len(found) == 1 and min(found) > 0, f"rounds differ: {found}"
    mine, theirs = median(times["ours"]), median(times["peer"])
    return Result(
        row=11,
        what="access log file to findings",
        value=1e3 / mine,
        unit="M lines/s",
        peer=f"fail2ban-regex {theirs / 1e3:.1f} us a line",
        ratio=theirs / mine,
        goal=">= 10 x",
        gate=">= 4 x",
        passed=theirs / mine >= 4,
        spread=spread(times["ours"]),
        rounds=5,
        bound=Bound(theirs / mine, 10, 4),
        note=f"{mine:.0f} ns a line, {len(modules.specs)} detectors, {min(found)} findings of {LINES} lines",
        details={"ours_ns": mine, "peer_ns": theirs, "peer_spread": spread(times["peer"])},
    ).as_dict()


if __name__ == "__main__":
    measured = run(quick=True)
    if "--json" in sys.argv[1:]:
        print(json.dumps(measured, indent=1))
    else:
        print(f"{measured['ratio']:.0f} x {measured['what']}: {measured['note']}; {measured['peer']}")
