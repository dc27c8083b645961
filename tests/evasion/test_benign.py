# SPDX-License-Identifier: Apache-2.0
"""Everyday work in front of a running sensor: none of it may raise an alarm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evasion.runner import ROOM, Sensor

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

ALARMS = ("medium", "high", "critical")
#: How long after the last piece of work a finding may come.
SETTLE_S = 3.0

PYTHON_WORK = """
import ctypes, multiprocessing, socket, sqlite3, ssl, subprocess, threading
multiprocessing.set_start_method("fork")
with multiprocessing.Pool(2) as pool:
    pool.map(abs, range(99))
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
subprocess.run("true | true", shell=True)
ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)()
"""
NODE_WORK = """
let s = 0; for (let i = 0; i < 3e6; i++) s += i % 7;
require("fs").readFileSync("/etc/hosts"); require("child_process").execSync("true");
require("net").createServer().listen(0, function () { this.close() })
"""
JAVA_WORK = """
public class W {
    public static void main(String[] a) { long s = 0; for (int i = 0; i < 1 << 24; i++) s += i % 7; }
}
"""
BUILD = """
printf 'int main(void) { return 0; }' >a.c && cc -O2 -o a a.c && ./a
printf 'a: a.c\\n\\tcc -o a a.c\\n' >Makefile && make -B
"""
GIT = """
git init -q one && cd one && git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m x && cd ..
git clone -q one two && git -C two log
"""
DOWNLOAD = f"""
"{sys.executable}" -m http.server --bind 127.0.0.1 18999 & server=$!
until curl -so f http://127.0.0.1:18999/; do :; done
kill $server
"""

#: name -> (programs that are needed, shell text); run in an empty directory that only root writes.
WORK: dict[str, tuple[tuple[str, ...], str]] = {
    "python": ((), f"echo '{PYTHON_WORK}' >w.py && \"{sys.executable}\" w.py"),
    "virtual environment": ((), f'"{sys.executable}" -m venv --without-pip v && v/bin/python -c pass'),
    "node": (("node",), f"echo '{NODE_WORK}' >w.js && node w.js"),
    "java": (("javac", "java"), f"echo '{JAVA_WORK}' >W.java && javac W.java && java -cp . W"),
    "java virtual machine": (("java",), "java -XshowSettings:vm -version"),
    "perl": (("perl",), "perl -MPOSIX -e 'fork; print strftime(q(%F), gmtime), 10'"),
    "build": (("cc", "make"), BUILD),
    "git": (("git",), GIT),
    "archives": (
        ("tar",),
        "mkdir d && echo x >d/x && tar cpf d.tar d && tar xpf d.tar && cp -a d e && touch -r d/x e/x",
    ),
    "package questions": (("apt-get",), "apt-get -s install bash && dpkg -l >list"),
    "debugger": (("gdb",), "gdb -q -batch -ex run --args true"),
    "tracer": (("strace",), "strace -f -o out sh -c 'true; true'"),
    "download": (("curl",), DOWNLOAD),
    "keys": (("ssh-keygen",), "ssh-keygen -q -t ed25519 -N '' -f k && ssh-keygen -lf k"),
    "buffered pipe": (("stdbuf",), "stdbuf -oL echo x | cat"),
    "many arguments": ((), "seq 100000 | xargs echo | wc -c"),
    "private mounts": (("unshare",), "unshare -m sh -c 'mount -t tmpfs x . && echo x >y'"),
    "containers' namespaces": (("unshare",), "unshare -mpf --mount-proc sh -c 'ps || true'"),
}


def work(sensor: Sensor, name: str) -> subprocess.CompletedProcess[bytes] | str:
    """Do one piece of work; the reason when it cannot be done here."""
    needs, text = WORK[name]
    missing = [program for program in needs if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    directory = sensor.data.parent / mark(name)
    directory.mkdir()
    command = ["/bin/sh", "-c", text, mark(name)]
    return subprocess.run(command, cwd=directory, capture_output=True, timeout=120, check=False)


def mark(name: str) -> str:
    return f"iwb-{os.getpid()}-{name.replace(' ', '-')}"


Done = tuple[dict[str, subprocess.CompletedProcess[bytes] | str], list[str]]


@pytest.fixture(scope="module")
def done() -> Iterator[Done]:
    """What became of every piece of work, and the lines of findings."""
    ROOM.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix="iwb-", dir=ROOM))
    room.chmod(0o755)
    sensor = Sensor(room)
    try:
        results = {name: work(sensor, name) for name in WORK}
        time.sleep(SETTLE_S)  # an alarm would have come by now
        path = sensor.data / "findings.jsonl"
        yield results, path.read_text().splitlines() if path.exists() else []
    finally:
        sensor.stop()
        shutil.rmtree(room, ignore_errors=True)


@pytest.mark.parametrize("name", WORK)
def test_work_raises_no_alarm(done: Done, name: str) -> None:
    results, lines = done
    result = results[name]
    if isinstance(result, str):
        pytest.skip(result)
    assert result.returncode == 0, result.stderr.decode()
    rows = [json.loads(line) for line in lines if mark(name) in line]
    assert [(row["detector"], row["fields"]["summary"]) for row in rows if row["severity"] in ALARMS] == []
