# SPDX-License-Identifier: Apache-2.0
"""Files of ours that are cut or overwritten: refused, set aside or made anew, said so, and no incident twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import apsw
import msgspec
import pytest

from innerwarden import paths
from tests.faults.daemons import Host, until
from tests.unit.modules.sample import write_module

pytestmark = pytest.mark.timeout(300)

NOISE = b"\xa5" * 4096


def filled(host: Host, attacks: int = 5) -> list[str]:
    """Both daemons have run and were ended; the addresses whose incidents are stored."""
    host.start("sensor")
    host.start("agent")
    addresses = [host.attack() for _ in range(attacks)]
    host.until_told(*addresses)
    assert host.end("agent") == 0
    assert host.end("sensor") == 0
    return addresses


def refused(host: Host) -> str:
    """What the agent says when it does not start."""
    with pytest.raises(AssertionError, match="agent ended with 3"):
        host.start("agent")
    host.running.pop("agent")
    return host.said("agent")


@pytest.mark.fault(
    fault="state.db overwritten in its middle",
    expect="refused and left as it is; set aside by the printed command, the findings are read anew, each once",
    levels=("state_damaged", "agent_down"),
)
def test_damaged_database(host: Host) -> None:
    addresses = filled(host)
    state = paths.state_db(host.data_dir)
    with state.open("r+b") as file:
        file.seek(4096)
        file.write(NOISE * 8)
    damaged = state.read_bytes()
    said = refused(host)
    assert "is damaged" in said
    host.start("sensor")
    assert host.until_levels("state_damaged", "agent_down")["exit_code"] == 1
    assert state.read_bytes() == damaged
    command = re.search(r"Set it aside with `(.*)` and start again", said)
    assert command is not None
    subprocess.run(["sh", "-ec", command[1]], check=True)
    host.start("agent")
    host.until_told(*addresses)
    host.until_levels()


@pytest.mark.fault(
    fault="state.db cut to half",
    expect="as above",
    levels=("state_damaged", "agent_down"),
)
def test_cut_database(host: Host) -> None:
    filled(host)
    state = paths.state_db(host.data_dir)
    os.truncate(state, state.stat().st_size // 2)
    assert "is damaged" in refused(host)
    host.until_levels("state_damaged", "agent_down")


@pytest.mark.fault(
    fault="state.db overwritten while the agent runs",
    expect="the agent ends at the first write that meets it, and says why; findings stay in their file",
    levels=("state_damaged", "agent_down"),
)
def test_database_damaged_under_the_agent(host: Host) -> None:
    host.start("sensor")
    agent = host.start("agent")
    before = host.attack()
    host.until_told(before)
    state = paths.state_db(host.data_dir)
    db = apsw.Connection(str(state))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'incidents'").get
    db.close()
    with state.open("r+b") as file:
        file.seek((int(str(root)) - 1) * 4096)
        file.write(NOISE)
    host.attack()
    assert agent.wait(30) == 3
    host.running.pop("agent")
    assert "is damaged" in host.said("agent")
    assert host.until_levels("state_damaged", "agent_down")["exit_code"] == 1


@pytest.mark.fault(
    fault="WAL cut or overwritten after kill -9 of the agent",
    expect="what the WAL no longer holds is read again from the findings: each incident once",
)
@pytest.mark.parametrize("how", ["cut", "noise"])
def test_damaged_wal(host: Host, how: str) -> None:
    host.start("sensor")
    host.start("agent")
    first = host.attack()
    host.until_told(first)
    state = str(paths.state_db(host.data_dir))
    looking = apsw.Connection(state, flags=apsw.SQLITE_OPEN_READONLY)
    looking.execute("BEGIN")
    looking.execute("SELECT count(*) FROM incidents").fetchall()  # nothing is folded in from here on
    addresses = [first, *(host.attack() for _ in range(5))]
    host.until_told(*addresses)
    host.end("agent", signal.SIGKILL)
    looking.close()
    wal = Path(f"{state}-wal")
    size = wal.stat().st_size
    assert size > 16 * 4096
    if how == "cut":
        os.truncate(wal, size // 2)
    else:
        with wal.open("r+b") as file:
            file.seek(size // 2)
            file.write(NOISE * 2)
    host.start("agent")
    host.until_told(*addresses)
    host.until_levels()
    assert "Traceback" not in host.said("agent")


@pytest.mark.fault(
    fault="the sensor's cursor file damaged",
    expect="set aside; log sources begin at the end, new lines are judged, nothing is told twice",
    levels=("cursors_reset",),
)
@pytest.mark.parametrize(
    "content",
    [b"", b'{"version":1,"curs', NOISE],
    ids=["empty", "cut", "noise"],
)
def test_damaged_cursors(host: Host, content: bytes) -> None:
    (before,) = filled(host, 1)
    place = paths.sensor_state(host.data_dir)
    place.write_bytes(content)
    host.start("sensor")
    host.start("agent")
    host.until_levels("cursors_reset")
    assert place.with_name(place.name + ".corrupt").read_bytes() == content
    host.until_told(before, host.attack())


@pytest.mark.fault(
    fault="rule cache and last report damaged",
    expect="keeps working: rules are compiled anew, the report is written anew",
)
def test_damaged_cache_and_report(host: Host) -> None:
    (before,) = filled(host, 1)
    paths.rule_cache(host.data_dir).write_bytes(NOISE)
    paths.sensor_health(host.data_dir).write_bytes(b'{"ts":"20')
    host.start("sensor")
    host.start("agent")
    host.until_told(before, host.attack())
    host.until_levels()


@pytest.mark.fault(
    fault="a rule file and a module file damaged",
    expect="that module is not loaded, with file and line; all others go on",
    levels=("module_refused",),
)
@pytest.mark.parametrize("what", ["rule", "manifest"])
def test_damaged_module(host: Host, what: str) -> None:
    work = host.directory / "work"
    write_module(work, "own-rules")
    for words in (("install", str(work / "own-rules")), ("enable", "own-rules")):
        done = host.module(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    place = host.modules / "own-rules"
    (rule,) = place.glob("detectors/*.yml")
    target = rule if what == "rule" else place / "module.toml"
    target.write_bytes(target.read_bytes()[: target.stat().st_size // 2] + NOISE)
    host.start("sensor")
    host.start("agent")
    found = host.until_levels("module_refused")
    assert any("own-rules" in one["detail"] for one in found["levels"])
    assert found["health"]["detectors"]["loaded"] > 200
    host.until_told(host.attack())


@pytest.mark.fault(
    fault="a trust file damaged while the sensor runs",
    expect="nothing is trusted and more is told, until it is whole again",
    levels=("trust_ignored",),
)
def test_damaged_trust(host: Host) -> None:
    host.start("sensor")
    host.start("agent")
    (host.trust / "own.toml").write_bytes(b'[[trust]]\nname = "off')
    assert host.until_levels("trust_ignored")["exit_code"] == 0
    host.until_told(host.attack())
    (host.trust / "own.toml").unlink()
    host.until_levels()


@pytest.mark.fault(
    fault="findings.jsonl with a torn and an overwritten line",
    expect="keeps working: the lines are counted and shown, all others are stored once",
)
def test_damaged_findings(host: Host) -> None:
    host.start("sensor")
    first = host.attack()
    findings = paths.findings(host.data_dir)
    until(lambda: first in findings.read_text(), 20, "the first finding")
    host.end("sensor")
    whole = findings.read_bytes()
    findings.write_bytes(whole + NOISE + b"\n" + whole[: len(whole) // 2])
    host.start("sensor")
    host.start("agent")
    second = host.attack()
    host.until_told(first, second)
    found = host.status()
    assert found["ingest"]["bad_lines"] == 2
    assert found["exit_code"] == 1 and any("could not be read" in text for text in found["trouble"])


@pytest.mark.fault(
    fault="the responder's journal damaged",
    expect="a copy is kept, whole lines count, the responder runs",
)
def test_damaged_journal(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: run `sudo make test`")
    socket = host.directory / "responder.sock"
    with host.config.open("a") as file:
        file.write(f'[responder]\nsocket = "{socket}"\n')
    host.data_dir.chmod(0o750)
    host.start("responder")
    host.end("responder")
    directory = paths.responder(host.data_dir)
    journal = directory / "journal.jsonl"
    journal.write_bytes(NOISE + b"\n" + b'{"number":1')
    host.start("responder")
    (aside,) = directory.glob("journal.jsonl.damaged-*")
    assert aside.read_bytes().startswith(NOISE)
    assert host.end("responder") == 0
    assert "Traceback" not in host.said("responder")
    assert msgspec.json.decode(b"[" + b",".join(journal.read_bytes().splitlines()) + b"]") == []
    shutil.rmtree(directory)
