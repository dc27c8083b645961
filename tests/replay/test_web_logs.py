# SPDX-License-Identifier: Apache-2.0
"""Access logs through the shipped detectors: who is told, and a benign day that tells nobody."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from innerwarden.config import Config
from innerwarden.sensor import replay
from innerwarden.sensor.replay import ReplayResult

HOSTILE = "198.51.100.66"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def line(second: float, source: str, request: str, status: int = 200, agent: str = BROWSER) -> str:
    at = int(second)
    stamp = f"02/Nov/2026:{at // 3600 % 24:02d}:{at // 60 % 60:02d}:{at % 60:02d} +0000"
    return f'{source} - - [{stamp}] "{request} HTTP/1.1" {status} 512 "-" "{agent}"\n'


def run(path: Path, text: str, source: str = "nginx_access") -> ReplayResult:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return replay.run([path], source, Config(host="web"))


def benign_day(seed: int = 4) -> str:
    """Visitors, their pictures, a crawler, a monitor, a few mistyped passwords, dead links, a search."""
    draw = random.Random(seed)
    rows: list[tuple[float, str]] = []
    for visitor in range(400):
        source, at = f"192.0.2.{visitor % 250 + 1}", draw.uniform(0, 86000)
        for _ in range(draw.randrange(1, 12)):
            at += draw.uniform(2, 40)
            page = draw.choice(["/", "/shop", "/shop/item?id=7", "/about", "/search?q=red+shoes", "/gone"])
            rows.append((at, line(at, source, f"GET {page}", 404 if page == "/gone" else 200)))
            rows += [(at, line(at, source, f"GET /img/{n}.png", 404 if n == 3 else 200)) for n in range(25)]
        if visitor % 5 == 0:
            failed = draw.randrange(0, 3)
            for attempt in range(failed + 1):
                at += 8
                rows.append((at, line(at, source, "POST /login", 401 if attempt < failed else 302)))
    for minute in range(0, 86400, 60):
        rows.append((minute, line(minute, "192.0.2.253", "GET /health", agent="monitor/1.0")))
    for step in range(3000):
        at = step * 28.0
        url = f"/shop/item?id={step}&next=..%2Flist"
        rows.append((at, line(at, "192.0.2.254", f"GET {url}", 404 if step % 9 == 0 else 200, "crawler/2.1")))
    return "".join(text for _, text in sorted(rows, key=lambda row: row[0]))


def test_a_benign_day_tells_nobody(tmp_path: Path) -> None:
    result = run(tmp_path / "access.log", benign_day())
    assert result.malformed == 0 and result.matched == result.lines > 50_000
    assert [(f.detector, f.fields.summary) for f in result.findings] == []


@pytest.mark.parametrize("name", ["access.log", "access.log.2.gz"])
def test_an_attack_inside_it_is_told_with_its_address(tmp_path: Path, name: str) -> None:
    attack = "".join(line(i, HOSTILE, f"GET /.git/{part}", 404) for i, part in enumerate("abcdef"))
    attack += line(10, HOSTILE, "GET /show?file=%252e%252e%252f%252e%252e%252fetc%252fpasswd")
    attack += line(12, HOSTILE, "POST /wp-content/uploads/2026/11/a.php")
    result = run(tmp_path / name, benign_day() + attack)
    told = {(f.detector, f.fields.entities[0].value) for f in result.findings}
    assert told == {(d, HOSTILE) for d in ("wordlist_scan", "web_path_traversal", "web_shell_access")}


def test_files_are_taken_by_the_time_of_their_lines(tmp_path: Path) -> None:
    later, earlier = tmp_path / "access.log", tmp_path / "access.log.1"
    later.write_text(line(9000, HOSTILE, "GET /c99.php"))
    earlier.write_text(line(60, "192.0.2.9", "GET /c99.php"))
    result = replay.run([later, earlier], "apache_access", Config(host="web"))
    assert [(f.ts[11:16], f.fields.entities[0].value) for f in result.findings] == [
        ("00:01", "192.0.2.9"),
        ("02:30", HOSTILE),
    ]
