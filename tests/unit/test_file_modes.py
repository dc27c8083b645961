# SPDX-License-Identifier: Apache-2.0
"""Every file, directory and socket that the running product makes is in the table of docs/security-model.md, and
nobody else may read it, whatever the umask is."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from innerwarden import paths
from tests.kernel.product import REPOSITORY, wait_for

DOCUMENT = (REPOSITORY / "docs/security-model.md").read_text(encoding="utf-8")
#: `| `name` | kind | mode | ... |`, names with wildcards, below the data directory or the socket's directory.
ROW = re.compile(r"^\| `([^`]+)` \| (file|directory|socket) \| ([0-7]{4}) \|", re.MULTILINE)
TABLE = [(name, kind, int(mode, 8)) for name, kind, mode in ROW.findall(DOCUMENT)]
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFSOCK: "socket"}


class Daemons:
    """Sensor, agent and responder by themselves, as a service manager starts them, with nothing masked."""

    def __init__(self, place: Path, *, kernel: bool) -> None:
        self.place = place
        self.data, self.run = place / "data", place / "run"
        self.log = place / "auth.log"
        self.log.touch()
        config = place / "config.toml"
        config.write_text(
            f"[collectors.kernel]\nenabled = {str(kernel).lower()}\n"
            f'[collectors.auth_log]\npath = "{self.log}"\n[collectors.inventory.memory_maps]\nenabled = false\n'
            f"[sensor]\nwrite_events = true\nfindings_max_bytes = 4096\n"
            f'[responder]\nenabled = true\nsocket = "{self.run}/responder.sock"\n'
        )
        common = ["--data-dir", str(self.data), "--config", str(config)]
        words = {"sensor": common, "agent": [*common, "--listen", "127.0.0.1:0"], "responder": common}
        self.processes = [self._start(name, *more) for name, more in words.items()]

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.place / f"{name}.out").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "innerwarden", name, *words],
                cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT, umask=0,
            )  # fmt: skip

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in self.place.glob("*.out"))

    def made(self) -> dict[str, os.stat_result]:
        """Name below its root -> what the kernel says; what came and went meanwhile is left out."""
        found = {}
        for root in (self.data, self.run):
            for path in (root, *_below(root, paths.canary(self.data))):
                try:
                    found[f"{root.name}/{path.relative_to(root)}".removesuffix("/.")] = path.lstat()
                except FileNotFoundError:
                    continue
        return found

    def stop(self) -> list[int]:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return [process.wait(30) for process in self.processes]


def _below(directory: Path, closed: Path) -> Iterator[Path]:
    """All that lies in it, but not what is behind `closed`, a directory of mode 0700 in which much comes and goes."""
    try:
        found = list(directory.iterdir())
    except FileNotFoundError:
        return
    for path in found:
        yield path
        if path != closed and path.is_dir() and not path.is_symlink():
            yield from _below(path, closed)


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.kernel)], ids=["logs", "kernel"])
def daemons(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Daemons]:
    made = Daemons(tmp_path, kernel=request.param)
    yield made
    made.stop()


def row_of(name: str) -> tuple[str, str, int] | None:
    return next((row for row in TABLE if fnmatchcase(name, row[0])), None)


def wrong(name: str, found: os.stat_result) -> str | None:
    """Why this is not as the table says."""
    kind, mode = KINDS.get(stat.S_IFMT(found.st_mode), "something else"), stat.S_IMODE(found.st_mode)
    row = row_of(name)
    if row is None:
        return f"{name} ({kind}, {mode:04o}) is in no row"
    if kind != row[1]:
        return f"{name} is a {kind}"
    if mode & ~row[2]:
        return f"{name} has mode {mode:04o}, not {row[2]:04o}"
    return f"{name} belongs to {found.st_uid}" if found.st_uid != os.geteuid() else None


def test_nothing_is_for_others(daemons: Daemons) -> None:
    wait_for(paths.sensor_health(daemons.data).exists, 90, "no sensor")
    wait_for((daemons.run / "responder.sock").exists, 30, "no responder\n" + daemons.said())
    wait_for(paths.agent_socket(daemons.data).exists, 30, "no agent\n" + daemons.said())
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    line = f"{now}.000000+00:00 web sshd[77]: Failed password for root from 198.51.100.{{}} port 4242 ssh2\n"
    with daemons.log.open("a") as file:
        file.writelines(line.format(address) for address in range(1, 40) for _ in range(12))
    wait_for(
        lambda: any("198.51.100." in path.read_text() for path in daemons.data.glob("findings.jsonl*")),
        40,
        "no finding\n" + daemons.said(),
    )
    seen: dict[str, os.stat_result] = {}
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        seen |= daemons.made()
        time.sleep(0.02)
    assert daemons.stop() == [0, 0, 0], daemons.said()
    seen |= daemons.made()
    assert [text for name, found in sorted(seen.items()) if (text := wrong(name, found))] == []
    for needed in (
        "data/state.db",
        "data/findings.jsonl",
        "run/responder.sock",
        "data/responder/journal.jsonl",
    ):
        assert needed in seen


def test_the_table_lets_nobody_else_in() -> None:
    assert len(TABLE) > 10
    for name, kind, mode in TABLE:
        assert mode & 0o007 == 0, f"{name}: others"
        assert kind != "file" or mode in (0o600, 0o640), f"{name}: {mode:04o}"


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604, 0o4640])
def test_the_eyes_see_a_wrong_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state.db"
    path.touch()
    path.chmod(mode)
    assert wrong("data/state.db", path.lstat()) is not None
    assert wrong("data/made-up", path.lstat()) == f"data/made-up (file, {mode:04o}) is in no row"
    path.chmod(0o600)
    assert wrong("data/state.db", path.lstat()) is None
