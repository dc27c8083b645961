# SPDX-License-Identifier: Apache-2.0
"""Row 17: what real work loses with the sensor on: compiling C with both cores, and a busy redis server.

The sensor is started and stopped around every other round, so that both variants see the same drift. The build is done
twice behind each start: programs that a sensor sees for the first time are scanned once, which the note tells apart.
redis also meets a program that returns at once at the end of each of its calls: what the kernel takes for being asked.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.floor import FLOORS, floor
from bench.measure import Bound, Result, Unavailable, interleaved, median, spread
from bench.sensor import Sensor, need_quiet

UNITS = 24
SOURCE = """
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
"""
FUNCTION = """
static int part{n}(const char *text, unsigned long *counts)
{{
	for (size_t i = 0; text[i]; i++)
		counts[(unsigned char)text[i] % {n}1] += i * {n};
	return printf("%s %lu\\n", text, counts[{n}]) < 0 ? errno : 0;
}}
int entry{n}(const char *text, unsigned long *counts) {{ return part{n}(text, counts); }}
"""


def compile_project(directory: Path) -> float:
    """Seconds of a parallel build of many small files, each with the usual headers."""
    for object_file in directory.glob("*.o"):
        object_file.unlink()
    began = time.monotonic()
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", str(directory)], check=True)
    return time.monotonic() - began


def write_project(directory: Path) -> None:
    names = []
    for number in range(1, UNITS + 1):
        body = "".join(FUNCTION.format(n=number * 100 + part) for part in range(20))
        (directory / f"unit{number}.c").write_text(SOURCE + body)
        names.append(f"unit{number}.o")
    rule = "%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"
    (directory / "Makefile").write_text(f"all: {' '.join(names)}\n{rule}")


@contextmanager
def redis() -> Iterator[int]:
    """A server of its own on a free port, without persistence."""
    program = shutil.which("redis-server")
    if program is None or shutil.which("redis-benchmark") is None:
        raise Unavailable("needs redis-server and redis-benchmark (apt-get install redis-server redis-tools)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1", "--daemonize", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def redis_seconds(port: int, requests: int) -> float:
    command = ["redis-benchmark", "-p", str(port), "-n", str(requests), "-c", "20", "-t", "set,get", "-q"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def result(
    what: str, times: dict[str, list[float]], goal: float, gate: float, note: str = ""
) -> dict[str, object]:
    bare = median(times["bare"])
    slower = 100 * (median(times["sensor"]) / bare - 1)
    return Result(
        row=17,
        what=what,
        value=slower,
        unit="% slower",
        peer=f"bare {bare:.2f} s",
        ratio=median(times["sensor"]) / bare,
        goal=f"<= {goal:.0f} %",
        gate=f"<= {gate:.0f} %",
        passed=slower <= gate,
        spread=spread(times["bare"]),
        rounds=len(times["bare"]),
        lower_is_better=True,
        bound=Bound(max(slower, 0.1), goal, gate, at_least=False),
        note=f"the spread is that of the bare rounds{note}",
    ).as_dict()


def run(quick: bool) -> list[dict[str, object]]:
    need_quiet()
    rounds, requests = (3, 60_000) if quick else (5, 200_000)
    rows = []

    def watched(work: object) -> float:
        assert callable(work)
        with Sensor() as sensor:
            sensor.at_home()
            return float(work())

    with tempfile.TemporaryDirectory(prefix="iw-bench-c-") as holder:
        project = Path(holder)
        write_project(project)
        compile_project(project)  # files and compiler into the page cache

        def build() -> float:
            return compile_project(project)

        firsts: list[float] = []

        def second_build() -> float:
            firsts.append(build())
            return build()

        times = interleaved(rounds, {"bare": build, "sensor": lambda: watched(second_build)})
        first = 100 * (median(firsts) / median(times["bare"]) - 1)
        note = f"; the first build behind a start, whose programs are scanned: {first:.1f} % slower"
        rows.append(result("compiling a C project", times, 2, 5, note))
    try:
        with redis() as port:

            def serve() -> float:
                return redis_seconds(port, requests)

            def serve_on_floor() -> float:
                with floor("call_end"):
                    return serve()

            times = interleaved(
                rounds, {"bare": serve, "sensor": lambda: watched(serve), "floor": serve_on_floor}
            )
            asked = 100 * (median(times["floor"]) / median(times["bare"]) - 1)
            note = f"; {FLOORS['call_end']}, at the end of each of its calls: {asked:.1f} % slower"
            rows.append(result("redis-benchmark, SET and GET", times, 5, 10, note))
    except Unavailable as reason:
        rows.append(Result(row=17, what="redis-benchmark", note=f"not measured: {reason}").as_dict())
    return rows
