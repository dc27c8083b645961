# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.flood [FINDINGS] [ADDRESSES]`: the whole agent, as a person starts it, takes a flood of findings
about many addresses while its dashboard is read. Tells what the pages took, the memory, and that nothing was lost."""

from __future__ import annotations

import http.client
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from bench.triage import line
from innerwarden import paths
from innerwarden.agent.state.read import Reader

PAGES = ("/", "/incidents", "/responses", "/api/v1/overview", "/api/v1/pulse")
EVERY_S = 0.1
LONGEST_S = 900.0


class Visitor:
    """A browser that is logged in."""

    def __init__(self, address: str) -> None:
        found = re.search(r"http://([\d.:]+)/login#(\S+)", address)
        if found is None:
            raise SystemExit(f"the agent printed no address: {address}")
        self._link = http.client.HTTPConnection(found[1], timeout=60)
        self._cookie = ""
        answer = self._ask("POST", "/login", urlencode({"token": found[2]}))
        self._cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def _ask(self, method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self._cookie}
        self._link.request(method, path, body, headers)
        answer = self._link.getresponse()
        answer.read()
        return answer

    def read_ms(self, path: str) -> float:
        began = time.perf_counter()
        status = self._ask("GET", path).status
        if status != 200:
            raise SystemExit(f"{path} answered {status}")
        return (time.perf_counter() - began) * 1000


def anonymous_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"Anonymous:\s+(\d+)", text)
    return int(found[1]) / 1024 if found else 0.0


def counted(data_dir: Path) -> tuple[int, int]:
    """(incidents that came from the file, those that are not decided yet)."""
    with Reader(paths.state_db(data_dir)) as reader:
        return reader.counters().get("incidents", 0), reader.funnel().waiting


def main() -> None:
    findings, addresses = (int(text) for text in (*sys.argv[1:], "100000", "50000")[:2])
    with tempfile.TemporaryDirectory() as place:
        data_dir = Path(place)
        argv = [sys.executable, "-m", "innerwarden", "agent", "--data-dir", place, "--listen", "127.0.0.1:0"]
        agent = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        try:
            visitor = Visitor(agent.stdout.readline() if agent.stdout else "")
            idle = {path: statistics.median(visitor.read_ms(path) for _ in range(5)) for path in PAGES}
            with paths.findings(data_dir).open("wb") as file:
                file.writelines(line(number, addresses) for number in range(findings))
            watch(agent.pid, visitor, data_dir, findings, idle)
        finally:
            agent.terminate()
            agent.wait(30)


def watch(pid: int, visitor: Visitor, data_dir: Path, findings: int, idle: dict[str, float]) -> None:
    took: dict[str, list[float]] = {path: [] for path in PAGES}
    most, began, stored, waiting = 0.0, time.monotonic(), 0, 1
    while (stored < findings or waiting) and time.monotonic() - began < LONGEST_S:
        for path in PAGES:
            took[path].append(visitor.read_ms(path))
        most = max(most, anonymous_mib(pid))
        stored, waiting = counted(data_dir)
        time.sleep(EVERY_S)
    seconds = time.monotonic() - began
    print(
        f"{stored} of {findings} stored, {waiting} undecided after {seconds:.1f} s: {stored / seconds:.0f} a second"
    )
    print(f"anonymous memory at most {most:.1f} MiB, at the end {anonymous_mib(pid):.1f} MiB")
    for path, values in took.items():
        values.sort()
        p50, p99 = values[len(values) // 2], values[min(len(values) - 1, int(len(values) * 0.99))]
        print(
            f"{path:18} idle {idle[path]:6.1f} ms, p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, most {values[-1]:6.1f} ms"
        )


if __name__ == "__main__":
    main()
