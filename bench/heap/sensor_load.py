# SPDX-License-Identifier: Apache-2.0
"""What the sensor is given: processes that end at once, connections, and log lines of ever new addresses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import gmtime, strftime, time, time_ns

from bench.measure import program
from bench.sensor import child

PROCESSES, ADDRESSES = 1_000_000, 1_000_000
ROUNDS = 40
EXEC_EVERY = 10
#: Of a hundred addresses so many come by connections; each of those is two addresses, caller's and called.
CONNECTED_PCT = 10
#: One address in so many comes back until detectors that count say so.
STUBBORN_EVERY = 50
TRIES = 8
WORKERS = 2


@dataclass(frozen=True)
class Source:
    """A log file that the sensor reads: where in the configuration, and how a line about an address reads."""

    table: str
    option: str
    line: Callable[[str, int], str]


def _syslog(program_name: str, text: str) -> str:
    now = time()
    stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now))
    return f"{stamp}.{int(now % 1 * 1e6):06d}+00:00 host {program_name}: {text}\n"


def sshd(address: str, number: int) -> str:
    text = (
        f"Failed password for invalid user u{number % 5000} from {address} port {1024 + number % 60000} ssh2"
    )
    return _syslog(f"sshd[{2000 + number % 30000}]", text)


def mail(address: str, number: int) -> str:
    text = f"warning: unknown[{address}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
    return _syslog(f"postfix/smtpd[{2000 + number % 30000}]", text)


def access(address: str, number: int) -> str:
    stamp = strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime())
    page = ("/wp-login.php", "/index.html", f"/page/{number}", "/.env", "/a?q=../../etc/passwd")[number % 5]
    status = 404 if number % 3 else 200
    return f'{address} - - [{stamp}] "GET {page} HTTP/1.1" {status} 512 "-" "agent/{number % 100}"\n'


def packet(address: str, number: int) -> str:
    text = (
        f"[{number}.000001] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC={address}"
        f" DST=203.0.113.5 LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO=TCP SPT={1024 + number % 60000}"
        f" DPT={1 + number % 1000} WINDOW=1024 RES=0x00 SYN URGP=0"
    )
    return _syslog("kernel", text)


SOURCES = (
    Source("auth_log", "path", sshd),
    Source("service_log", "paths", mail),
    Source("nginx_access", "paths", access),
    Source("apache_access", "paths", access),
    Source("kernel_log", "paths", packet),
)


def configuration(place: Path) -> str:
    """Every source on; those that read files read ours."""
    lines = []
    for source in SOURCES:
        path = f'"{file_of(place, source)}"'
        lines += [
            f"[collectors.{source.table}]",
            f"{source.option} = {path if source.option == 'path' else f'[{path}]'}",
        ]
    return "\n".join(lines) + "\n"


def file_of(place: Path, source: Source) -> Path:
    return place / f"{source.table}.log"


def address(number: int) -> str:
    """Every number below 2^24 is another public address; one in four is IPv6, in a /64 of its own."""
    mixed = number * 2654435761 & 0xFFFFFF
    if number % 4 == 3:
        return f"2a0b:{mixed >> 16:x}:{mixed & 0xFFFF:x}::{1 + number % 9:x}"
    return f"45.{mixed >> 16}.{mixed >> 8 & 255}.{mixed & 255}"


@dataclass
class Made:
    processes: int = 0
    executed: int = 0
    connections: int = 0
    addresses: int = 0
    lines: int = 0

    @property
    def events(self) -> int:
        return self.processes + self.connections + self.lines


class Load:
    """`rounds` times the same mixture, so that nothing but the count tells the halves apart."""

    def __init__(self, place: Path, processes: int, addresses: int, rounds: int = ROUNDS) -> None:
        self.made = Made()
        self._place = place
        self._rounds = rounds
        self._processes = processes // rounds // WORKERS
        self._connections = addresses * CONNECTED_PCT // 100 // 2 // rounds
        self._logged = addresses // rounds - 2 * self._connections
        self._program = program("heap.c")
        self._child = child()
        for source in SOURCES:
            file_of(place, source).touch()

    def run(self) -> Iterator[Made]:
        """What was made, after each round."""
        with ThreadPoolExecutor(WORKERS + 1) as pool:
            for _ in range(self._rounds):
                yield self._round(pool)

    def _round(self, pool: ThreadPoolExecutor) -> Made:
        first = [time_ns() // 1000 + worker for worker in range(WORKERS)]
        started = [
            pool.submit(self._start, "processes", self._processes, EXEC_EVERY, self._child, number)
            for number in first
        ]
        started.append(pool.submit(self._start, "connects", self._connections, self.made.connections))
        self._log()
        for each in started[:-1]:
            made, executed = each.result()
            self.made.processes += made
            self.made.executed += executed
        connections, _ = started[-1].result()
        self.made.connections += connections
        self.made.addresses += 2 * connections
        return self.made

    def _start(self, *words: object) -> tuple[int, int]:
        run = subprocess.run([self._program, *map(str, words)], capture_output=True, text=True, check=True)
        found = re.fullmatch(r"made (\d+) executed (\d+)\n", run.stdout)
        assert found, run.stdout
        return int(found[1]), int(found[2])

    def _log(self) -> None:
        """New addresses by turns to every log file."""
        begin = self.made.addresses
        texts: dict[str, list[str]] = {source.table: [] for source in SOURCES}
        for number in range(begin, begin + self._logged):
            source = SOURCES[number % len(SOURCES)]
            tries = TRIES if number // len(SOURCES) % STUBBORN_EVERY == 0 else 1
            texts[source.table] += [source.line(address(number), number + n) for n in range(tries)]
        for source in SOURCES:
            with file_of(self._place, source).open("a") as file:
                file.writelines(texts[source.table])
            self.made.lines += len(texts[source.table])
        self.made.addresses += self._logged
