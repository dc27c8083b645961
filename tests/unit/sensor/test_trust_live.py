# SPDX-License-Identifier: Apache-2.0
"""The sensor and its trust files: refused at the start, followed while it runs, kept over a swap of modules."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.config import CollectorsConfig, Config, KernelConfig, ModulesConfig, TrustConfig
from innerwarden.errors import TrustError
from innerwarden.model.severity import Severity
from innerwarden.modules.factory import encode
from innerwarden.modules.loader import load_modules
from innerwarden.sensor.main import Sensor
from innerwarden.trust.edit import add, remove
from tests.unit.trust.support import entry, text


def config_of(tmp_path: Path) -> Config:
    tmp_path.chmod(0o750)
    return Config(
        collectors=CollectorsConfig(kernel=KernelConfig(enabled=False)),
        trust=TrustConfig(directory=str(tmp_path / "trust.d")),
    )


@pytest.fixture
def sensor(tmp_path: Path) -> Sensor:
    return Sensor(config_of(tmp_path), tmp_path)


def failures(sensor: Sensor, address: str, count: int, at_s: float = 0.0) -> list[Severity]:
    """Severities of what failed logins give, as the loop makes findings."""
    records = [
        encode("ssh.login_failed", at_s=at_s + n / 10, src_ip=address, user="root") for n in range(count)
    ]
    hits = sensor.engine.feed(b"".join(records))
    sensor.follow_trust()
    return [f.severity for f in sensor.host.findings(hits) if f.detector == "ssh_bruteforce"]


def office(**fields: object) -> object:
    usual: dict[str, object] = {"networks": ("192.0.2.0/24",), "up_to": Severity.HIGH}
    return entry("office", **(usual | fields))


def test_a_file_that_is_not_right_keeps_the_sensor_from_starting(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    directory = tmp_path / "trust.d"
    directory.mkdir(mode=0o750)
    (directory / "a.toml").write_text(text(owner='""') + text(id='"two"', detectors="[]"))
    with pytest.raises(TrustError) as raised:
        Sensor(config, tmp_path)
    assert [problem.rpartition("/")[2].split(": ")[0] for problem in raised.value.problems] == [
        "a.toml:5",
        "a.toml:11",
    ]


def test_files_are_followed_without_losing_windows(sensor: Sensor, tmp_path: Path) -> None:
    directory = tmp_path / "trust.d"
    assert failures(sensor, "192.0.2.1", 5) == []
    add(directory, office())  # type: ignore[arg-type]
    assert failures(sensor, "192.0.2.1", 3, 1.0) == [Severity.DEBUG]
    assert sensor.snapshot().trust.covered == {"office": 1}
    assert failures(sensor, "198.51.100.1", 5, 2.0) == []
    remove(directory, "office")
    (grave,) = failures(sensor, "198.51.100.1", 3, 3.0)
    assert grave.at_least(Severity.MEDIUM)
    assert failures(sensor, "192.0.2.2", 8, 4.0) == [grave]


def test_a_file_that_became_wrong_makes_all_void_and_is_told(sensor: Sensor, tmp_path: Path) -> None:
    directory = tmp_path / "trust.d"
    add(directory, office())  # type: ignore[arg-type]
    assert failures(sensor, "192.0.2.1", 8) == [Severity.DEBUG]
    (directory / "b.toml").write_text("[[trust]]\n")
    (grave,) = failures(sensor, "192.0.2.2", 8, 10.0)
    assert grave.at_least(Severity.MEDIUM)
    (problem,) = sensor.snapshot().trust.problems
    assert problem.startswith(f"{directory}/b.toml:1: ")
    (directory / "b.toml").unlink()
    assert failures(sensor, "192.0.2.3", 8, 20.0) == [Severity.DEBUG]


def test_a_swap_of_modules_keeps_trust(sensor: Sensor, tmp_path: Path) -> None:
    add(tmp_path / "trust.d", office())  # type: ignore[arg-type]
    assert failures(sensor, "192.0.2.1", 5) == []
    before = sensor.host.told_apart
    assert "ssh_bruteforce" in before
    sensor.swap(sensor.modules, sensor.ready_for(sensor.modules))
    assert sensor.host.told_apart == before
    assert failures(sensor, "192.0.2.1", 3, 1.0) == [Severity.DEBUG]


def test_an_entry_that_comes_while_a_set_is_prepared_counts_for_it(tmp_path: Path) -> None:
    """Of a detector that only the new set has: nothing that runs says that the prepared set is old."""
    config = config_of(tmp_path)
    less = msgspec.structs.replace(config, modules=ModulesConfig(disabled=("ssh-protection",)))
    sensor = Sensor(less, tmp_path)
    modules = load_modules([paths.REPOSITORY / "modules"], config)
    ready = sensor.ready_for(modules)
    add(tmp_path / "trust.d", office(detectors=("ssh_bruteforce",)))  # type: ignore[arg-type]
    sensor.follow_trust()
    sensor.swap(modules, ready)
    assert sensor.host.told_apart == {"ssh_bruteforce"}
    assert failures(sensor, "192.0.2.1", 8) == [Severity.DEBUG]
