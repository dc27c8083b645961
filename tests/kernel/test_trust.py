# SPDX-License-Identifier: Apache-2.0
"""Trust on this machine's kernel: the program itself is covered; copies, names, mounts and replacements are not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from innerwarden import clock
from innerwarden.trust.edit import add, remove
from innerwarden.trust.model import Entry, Executable
from innerwarden.trust.programs import digest_of
from tests.kernel.product import ACTS_ONLY, Product, wait_for
from tests.unit.trust.support import entry, roots_own

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

RULES = """\
title: marked program
logsource: {product: linux, category: process_creation}
detection: {s: {CommandLine|contains: iw-trust-mark}, condition: s}
level: high
innerwarden: {id: trust_marked, group_by: [uid], cooldown_s: 0}
---
title: secret read
logsource: {product: linux, category: file_access}
detection: {s: {TargetFilename: /etc/shadow}, condition: s}
level: high
innerwarden: {id: trust_secret, group_by: [path], cooldown_s: 0}
"""


class Watched:
    """A running product with a rule of its own, and what it tells of one process."""

    def __init__(self, product: Product, trust: Path, place: Path) -> None:
        self.product = product
        self.trust = trust
        self.place = place

    def finding(self, detector: str, pid: int) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            path = self.product.data_dir / "findings.jsonl"
            for line in path.read_bytes().splitlines() if path.exists() else ():
                row: dict[str, Any] = json.loads(line)
                if row["detector"] == detector and row["fields"].get("process", {}).get("pid") == pid:
                    return row
            return None

        found: dict[str, Any] = wait_for(look, 10, f"no finding of {detector} about {pid}")
        return found

    def run(self, *command: object, **options: Any) -> int:
        """Run to its end; the pid."""
        child = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
        )
        child.wait(timeout=30)
        return child.pid

    def mark(self, detector: str, *command: object, **options: Any) -> tuple[str, str | None]:
        """(severity, trust entry) of what the command gives."""
        row = self.finding(detector, self.run(*command, **options))
        return row["severity"], row["fields"].get("trusted", {}).get("entry")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("trust")
    directory.chmod(0o750)
    rules = directory / "rules"
    rules.mkdir()
    (rules / "trust.yml").write_text(RULES)
    trust = directory / "trust.d"
    config = f'{ACTS_ONLY}[trust]\ndirectory = "{trust}"\n[rules]\ndirectories = ["{rules}"]\n'
    with roots_own() as place:
        product = Product(directory, config).start()
        try:
            yield Watched(product, trust, place)
        finally:
            product.stop()


@pytest.fixture
def tool(watched: Watched) -> Iterator[Path]:
    """A program of root's, and no entry left behind."""
    path = Path(shutil.copy("/bin/cat", watched.place / "backup-tool"))
    path.chmod(0o755)
    yield path
    path.unlink()
    for file in watched.trust.glob("*.toml"):
        file.unlink()


def about(path: Path, **fields: Any) -> Entry:
    detectors = ("trust_marked", "trust_secret")
    usual = {"exe": Executable(path=str(path)), "detectors": detectors, "up_to": "high"}
    return entry("live", **(usual | fields))


EXEC = ("--version", "iw-trust-mark")
TRUSTED, UNTRUSTED = ("debug", "live"), ("high", None)


def test_the_program_is_covered_and_told(watched: Watched, tool: Path) -> None:
    assert watched.mark("trust_marked", tool, *EXEC) == UNTRUSTED
    add(watched.trust, about(tool))
    assert watched.mark("trust_marked", tool, *EXEC) == TRUSTED
    assert watched.mark("trust_secret", tool, "/etc/shadow") == TRUSTED
    row = watched.finding("trust_secret", watched.run(tool, "/etc/shadow"))
    assert "trusted:live" in row["fields"]["tags"]
    assert row["fields"]["process"]["exe_inode"] == tool.stat().st_ino
    remove(watched.trust, "live")
    assert watched.mark("trust_secret", tool, "/etc/shadow") == UNTRUSTED


def test_copies_and_names_are_not_covered(watched: Watched, tool: Path, tmp_path: Path) -> None:
    add(watched.trust, about(tool))
    copy = Path(shutil.copy(tool, tmp_path / tool.name))  # the same comm, content and owner
    assert watched.mark("trust_marked", copy, *EXEC) == UNTRUSTED
    assert watched.mark("trust_secret", copy, "/etc/shadow") == UNTRUSTED
    other = Path(shutil.copy(tool, watched.place / "other"))
    forged = watched.mark("trust_secret", tool, "/etc/shadow", executable=str(other))
    assert forged == UNTRUSTED
    rename = f"printf {tool.name} > /proc/$$/comm; read line < /etc/shadow"
    assert watched.mark("trust_secret", "/bin/bash", "-c", rename) == UNTRUSTED
    assert watched.mark("trust_secret", tool, "/etc/shadow") == TRUSTED


def test_a_file_mounted_over_it_is_another_one(watched: Watched, tool: Path) -> None:
    add(watched.trust, about(tool))
    other = Path(shutil.copy("/bin/head", watched.place / "other"))
    script = f"mount --bind {other} {tool} && exec {tool} -c 1 /etc/shadow"
    pid = watched.run("unshare", "-m", "/bin/sh", "-c", script)
    row = watched.finding("trust_secret", pid)
    assert row["fields"]["process"]["exe"] == str(tool)
    assert (row["severity"], "trusted" in row["fields"]) == ("high", False)


def test_a_process_that_runs_it_only_afterwards_is_not_it(watched: Watched, tool: Path) -> None:
    add(watched.trust, about(tool))
    script = f"read line < /etc/shadow; exec {tool} /dev/null"
    assert watched.mark("trust_secret", "/bin/bash", "-c", script) == UNTRUSTED


def test_a_replaced_file_loses_a_pinned_trust(watched: Watched, tool: Path) -> None:
    with tool.open("rb") as file:
        digest = digest_of(file.fileno())
    add(watched.trust, about(tool, exe=Executable(path=str(tool), sha256=digest)))
    assert watched.mark("trust_secret", tool, "/etc/shadow") == TRUSTED
    fresh = Path(shutil.copy("/bin/head", watched.place / "fresh"))
    fresh.chmod(0o755)
    fresh.rename(tool)
    assert watched.mark("trust_secret", tool, "-c", "1", "/etc/shadow") == UNTRUSTED
    tool.unlink()
    shutil.copy("/bin/cat", tool)
    assert watched.mark("trust_secret", tool, "/etc/shadow") == TRUSTED
    with tool.open("ab") as file:
        file.write(b"\0")
    assert watched.mark("trust_secret", tool, "/etc/shadow") == UNTRUSTED


def test_a_replaced_file_under_a_running_process_loses_trust(watched: Watched, tool: Path) -> None:
    """The process goes on with the old file; what lies at the path now is not what it runs."""
    add(watched.trust, about(tool))
    fifo = watched.place / "fifo"
    script = f"mkfifo {fifo}; exec {tool} {fifo} /etc/shadow"
    child = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: Path(f"/proc/{child.pid}/exe").readlink() == tool, 10, "the tool does not run")
        fresh = Path(shutil.copy(tool, watched.place / "fresh"))
        fresh.rename(tool)
        fifo.write_bytes(b"go")
        row = watched.finding("trust_secret", child.pid)
        assert (row["severity"], "trusted" in row["fields"]) == ("high", False)
    finally:
        child.kill()
        child.wait()


def test_a_directory_that_others_may_write_ends_trust(watched: Watched, tool: Path) -> None:
    add(watched.trust, about(tool))
    watched.place.chmod(0o777)
    try:
        assert watched.mark("trust_secret", tool, "/etc/shadow") == UNTRUSTED
    finally:
        watched.place.chmod(0o755)


def test_an_entry_stops_to_count_at_its_expiry(watched: Watched, tool: Path) -> None:
    until = datetime.fromtimestamp(clock.realtime_ns() // clock.NS + 4, UTC)
    add(watched.trust, about(tool, created=datetime(2026, 1, 1, tzinfo=UTC), expires=until))
    assert watched.mark("trust_secret", tool, "/etc/shadow") == TRUSTED
    wait_for(lambda: clock.realtime_ns() > until.timestamp() * clock.NS, 10, "the clock stands")
    assert watched.mark("trust_secret", tool, "/etc/shadow") == UNTRUSTED


def test_an_ancestor_that_has_ended_still_counts_as_what_it_was(watched: Watched, tool: Path) -> None:
    """env runs the reader below a shell that is the trusted ancestor; its copy below /tmp is not."""
    parent = Path(shutil.copy("/bin/dash", watched.place / "agent"))
    parent.chmod(0o755)
    add(watched.trust, about(tool, exe=Executable(path=str(tool)), ancestor=Executable(path=str(parent))))
    note = watched.place / "pid"
    script = f"{tool} /etc/shadow > /dev/null & echo $! > {note}; wait"
    watched.run(parent, "-c", script)
    row = watched.finding("trust_secret", int(note.read_text()))
    assert row["fields"].get("trusted", {}).get("entry") == "live"
    watched.run("/bin/dash", "-c", script)
    row = watched.finding("trust_secret", int(note.read_text()))
    assert "trusted" not in row["fields"]
