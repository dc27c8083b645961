# SPDX-License-Identifier: Apache-2.0
"""`innerwarden trust`: entries in and out, all problems at once, and who would be trusted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from innerwarden import clock, paths
from innerwarden.ctl.main import build
from innerwarden.errors import TrustError, UsageError
from innerwarden.model.detector import DetectorSpec
from innerwarden.model.finding import IncidentFields, Process, ProcessRef, Trusted
from innerwarden.model.health import SensorHealth, TrustHealth
from innerwarden.model.severity import Severity
from tests.unit.dashboard import samples
from tests.unit.dashboard.conftest import ingest
from tests.unit.trust.support import needs_root, roots_own

RUNNER = CliRunner()
WHO = ("--reason", "nightly copy", "--owner", "Ana")


@pytest.fixture(scope="module")
def specs() -> dict[str, DetectorSpec]:
    from innerwarden.config import Config
    from innerwarden.modules.loader import load_modules

    return load_modules([paths.REPOSITORY / "modules"], Config()).specs


@pytest.fixture
def config(tmp_path: Path, specs: dict[str, DetectorSpec], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("innerwarden.ctl.trusting.specs_of", lambda _config: specs)
    tmp_path.chmod(0o750)
    path = tmp_path / "config.toml"
    path.write_text(f'[trust]\ndirectory = "{tmp_path}/trust.d"\n')
    return path


@pytest.fixture
def program() -> Iterator[Path]:
    with roots_own() as directory:
        path = Path(shutil.copy("/bin/sleep", directory / "backup"))
        path.chmod(0o755)
        yield path


def invoke(*arguments: object) -> tuple[int, str]:
    result = RUNNER.invoke(build(), ["trust", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def data(*arguments: object) -> Any:
    return json.loads(invoke(*arguments, "--json")[1])["data"]


def test_add_list_check_remove(config: Path) -> None:
    code, out = invoke(
        "add", "office", "--detector", "ssh_bruteforce", "--address", "192.0.2.0/24", "--expires", "30d",
        "--config", config, *WHO,
    )  # fmt: skip
    assert code == 0
    assert "office: 192.0.2.0/24, until 20" in out
    (row,) = data("list", "--config", config)["entries"]
    assert (row["id"], row["state"], row["owner"], row["up_to"]) == ("office", "counts", "Ana", "medium")
    ask = ("check", "--detector", "ssh_bruteforce", "--config", config)
    assert data(*ask, "--address", "192.0.2.77")["trusted_by"] == "office"
    code, out = invoke(*ask, "--address", "198.51.100.1")
    assert code == 1
    assert "198.51.100.1 is not in its networks" in out
    assert invoke("remove", "office", "--config", config)[0] == 0
    assert data("list", "--config", config)["entries"] == []
    assert invoke(*ask, "--address", "192.0.2.77") == (
        1, "ssh_bruteforce: not trusted\n  no entry is about this detector\n",
    )  # fmt: skip


def test_all_problems_of_an_add_at_once(config: Path) -> None:
    with pytest.raises(TrustError) as raised:
        invoke("add", "A B", "--address", "192.0.2.1/24", "--exe", "/nosuch/tool", "--config", config)
    said = "\n".join(raised.value.problems)
    for word in (
        "'A B'",
        "reason is empty",
        "owner is empty",
        'write ["all"]',
        "host bits",
        "/nosuch/tool",
        "--no-expiry",
    ):
        assert word in said, (word, said)
    assert not (config.parent / "trust.d").exists()


@pytest.mark.parametrize("expires", ["2020-01-01T00:00:00Z", "soon", "0d"])
def test_an_expiry_must_be_a_time_to_come(config: Path, expires: str) -> None:
    with pytest.raises(TrustError, match="--expires"):
        invoke(
            "add",
            "x",
            "--detector",
            "all",
            "--address",
            "192.0.2.1",
            "--expires",
            expires,
            *WHO,
            "--config",
            config,
        )


def test_both_expiries_are_none(config: Path) -> None:
    with pytest.raises(TrustError, match="--no-expiry"):
        invoke(
            "add", "x", "--detector", "all", "--address", "192.0.2.1", "--expires", "1d", "--no-expiry", *WHO,
            "--config", config,
        )  # fmt: skip


def test_a_detector_that_there_is_not_is_refused(config: Path) -> None:
    with pytest.raises(UsageError, match="'nosuch'"):
        invoke(
            "add",
            "x",
            "--detector",
            "nosuch",
            "--address",
            "192.0.2.1",
            "--expires",
            "1d",
            *WHO,
            "--config",
            config,
        )


def test_a_program_that_anybody_may_replace_is_refused_with_the_remedy(config: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy("/bin/sleep", tmp_path / "backup"))
    with pytest.raises(TrustError, match="/usr/local/bin"):
        invoke("add", "x", "--detector", "all", "--exe", path, "--expires", "1d", *WHO, "--config", config)
    link = tmp_path / "link"
    link.symlink_to("/usr/bin/env")
    with pytest.raises(TrustError, match="name that one"):
        invoke("add", "x", "--detector", "all", "--exe", link, "--expires", "1d", *WHO, "--config", config)
    assert not (tmp_path / "trust.d").exists()


@needs_root
def test_a_pinned_program(config: Path, program: Path) -> None:
    invoke(
        "add", "backup", "--detector", "all", "--exe", program, "--pin-sha256", "--pin-inode", "--no-expiry", *WHO,
        "--config", config,
    )  # fmt: skip
    ask = ("check", "--detector", "sensitive_read_then_connect", "--exe", program, "--config", config)
    assert data(*ask)["trusted_by"] == "backup"
    with program.open("ab") as file:
        file.write(b"x")
    code, out = invoke(*ask)
    assert code == 1
    assert "content" in out
    program.chmod(0o777)
    assert "useless" in data("list", "--config", config)["entries"][0]["state"]


@needs_root
def test_what_counts_by_something_else_is_not_covered_through_a_program(
    config: Path, program: Path, specs: dict[str, DetectorSpec]
) -> None:
    counted = next(s for s in specs.values() if s.id == "ssh_bruteforce")
    assert set(counted.group_key) == {"src_ip"}
    invoke("add", "backup", "--detector", "all", "--exe", program, "--no-expiry", *WHO, "--config", config)
    (answer,) = data("check", "--detector", counted.id, "--exe", program, "--config", config)["answers"]
    assert answer["objection"] == "no process is known to have acted alone"


@needs_root
def test_a_process_that_runs(config: Path, program: Path) -> None:
    import subprocess

    invoke("add", "backup", "--detector", "all", "--exe", program, "--no-expiry", *WHO, "--config", config)
    running = subprocess.Popen([program, "60"])
    try:
        found = data(
            "check", "--detector", "sensitive_read_then_connect", "--pid", running.pid, "--config", config
        )
        assert found["trusted_by"] == "backup"
        mine = data(
            "check", "--detector", "sensitive_read_then_connect", "--pid", os.getpid(), "--config", config
        )
        assert mine["trusted_by"] is None
    finally:
        running.kill()
        running.wait()


def test_findings_graver_than_the_entry_are_announced(config: Path, specs: dict[str, DetectorSpec]) -> None:
    name = next(s.id for s in specs.values() if s.severity is Severity.HIGH)
    result = RUNNER.invoke(
        build(),
        [
            "trust",
            "add",
            "x",
            "--detector",
            name,
            "--address",
            "192.0.2.1",
            "--expires",
            "1d",
            *WHO,
            "--config",
            str(config),
        ],
    )
    assert f"findings of {name} are graver than medium" in result.stderr


def test_problems_of_files_are_listed_with_their_lines(config: Path) -> None:
    directory = config.parent / "trust.d"
    directory.mkdir(mode=0o750)
    (directory / "a.toml").write_text("[[trust]]\nid = 1\n")
    code, _out = invoke("list", "--config", config)
    assert code == 1
    (problem,) = data("list", "--config", config)["problems"]
    assert problem.startswith(f"{directory}/a.toml:2: ")
    with pytest.raises(TrustError, match=r"a\.toml:2"):
        invoke("check", "--detector", "ssh_bruteforce", "--address", "192.0.2.1", "--config", config)


def test_the_sensor_tells_how_many_were_covered(config: Path, tmp_path: Path) -> None:
    import msgspec

    invoke(
        "add",
        "office",
        "--detector",
        "all",
        "--address",
        "192.0.2.0/24",
        "--expires",
        "1d",
        *WHO,
        "--config",
        config,
    )
    health = SensorHealth(
        ts=clock.rfc3339(1), pid=1, version="0", trust=TrustHealth(entries=1, covered={"office": 7})
    )
    paths.sensor_health(tmp_path).write_bytes(msgspec.json.encode(health))
    (row,) = data("list", "--config", config, "--data-dir", tmp_path)["entries"]
    assert row["covered"] == 7


@needs_root
def test_a_stored_incident(config: Path, program: Path, tmp_path: Path) -> None:
    import msgspec

    from innerwarden.trust.programs import image_of_file

    image = image_of_file(str(program))
    invoke("add", "backup", "--detector", "all", "--exe", program, "--no-expiry", *WHO, "--config", config)
    seen = samples.reverse_shell(clock.realtime_ns())
    process = Process(
        pid=5, exe=str(program), exe_inode=image.inode, exe_dev=image.dev, ancestors=(ProcessRef(pid=1),)
    )
    fields = msgspec.structs.replace(seen.fields, process=process, entities=())
    findings = [msgspec.structs.replace(seen, fields=fields)]
    store = tmp_path / "data"
    store.mkdir()
    paths.findings(store).write_bytes(b"".join(map(samples.line, findings)))
    ingest(store)
    found = data("check", "--incident", fields.incident_id, "--data-dir", store, "--config", config)
    assert (found["trusted_by"], found["lowered"]) == ("backup", False)
    program.rename(program.with_name("gone"))
    found = data("check", "--incident", fields.incident_id, "--data-dir", store, "--config", config)
    assert found["trusted_by"] is None


def test_a_mark_survives_the_agent(tmp_path: Path) -> None:
    import msgspec

    from innerwarden.agent.state.read import Reader

    seen = samples.reverse_shell(clock.realtime_ns())
    mark = Trusted(entry="backup", severity=Severity.CRITICAL, lowered=True, reason="r", owner="o")
    fields: IncidentFields = msgspec.structs.replace(seen.fields, trusted=mark)
    paths.findings(tmp_path).write_bytes(samples.line(msgspec.structs.replace(seen, fields=fields)))
    ingest(tmp_path)
    with Reader(paths.state_db(tmp_path)) as reader:
        assert reader.incidents()[0].fields.trusted == mark
