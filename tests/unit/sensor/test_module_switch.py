# SPDX-License-Identifier: Apache-2.0
"""Modules of a running sensor: switched on and off without losing a count, and none of them can harm it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.modules import state as states
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module
from tests.unit.sensor.live_sensor import LiveSensor, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SIGMA = """\
title: A login as {user} fails
status: experimental
logsource:
  product: linux
  service: sshd
detection:
  selection:
    user: {user}
  condition: selection
falsepositives: [none]
level: medium
tags: [attack.t1110]
innerwarden:
  kinds: [ssh.login_failed]
  group_by: [src_ip]
  cooldown_s: {cooldown_s}
  summary: '{{user}} failed'
  checks: [look]
  blind_spots: [others]
"""
PYTHON = """\
import os, sys, time
from innerwarden.sdk import Detector, DetectorSpec, EventCount, Finding, Severity

spec = DetectorSpec(
    id="{id}", title="Second failure", severity=Severity.HIGH, kinds=("ssh.login_failed",),
    summary="{{user}} failed {{count}} times", attack=("T1110",), group_key=("src_ip",), cooldown_s=600,
    checks=("look",), entities=("ip:src_ip",), blind_spots=("b",), false_positives=("f",),
)
prefilter = "selection:\\n  user: guest\\ncondition: selection\\n"


class Second(Detector):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.count = EventCount(600)

    def process(self, event):
        {body}
        count = self.count.add(event.field("src_ip"), event.ts_ns)
        return Finding(count=count, tags=("a\\x1b[2Jb",)) if count >= 2 else None
"""
CASES = """\
[[case]]
name = "fires"
expect = 1
lines = ["Nov 21 10:00:00 host sshd[1]: Failed password for {user} from 192.0.2.1 port 1 ssh2"{more}]
[[case]]
name = "another user"
expect = 0
lines = ["Nov 21 10:00:00 host sshd[1]: Failed password for other from 192.0.2.1 port 1 ssh2"]
"""
MORE = ', "Nov 21 10:00:01 host sshd[2]: Failed password for {user} from 192.0.2.1 port 2 ssh2"'


def make(
    directory: Path, name: str, body: str | None = None, *, user: str = "guest", cooldown_s: int = 0
) -> str:
    """A module with a Sigma rule, or with `body` a Python detector; its detector's id."""
    write_module(directory, name)
    place = directory / name
    detector = name.replace("-", "_") + "_scan"
    rule = place / f"detectors/{detector}.yml"
    cases = place / f"tests/{detector}.toml"
    if body is None:
        rule.write_text(SIGMA.format(user=user, cooldown_s=cooldown_s))
        cases.write_text(CASES.format(user=user, more=""))
    else:
        rule.unlink()
        rule.with_suffix(".py").write_text(PYTHON.format(id=detector, body=body))
        cases.write_text(CASES.format(user=user, more=MORE.format(user=user)))
    return detector


@pytest.fixture
def sensor(tmp_path: Path) -> Iterator[LiveSensor]:
    live = LiveSensor(tmp_path).start()
    try:
        yield live
    finally:
        code = live.stop()
    assert code == 0, live.told()


def enable(sensor: LiveSensor, name: str) -> None:
    code, told = sensor.module("install", str(sensor.directory / "work" / name))
    assert code == 0, told
    code, told = sensor.module("enable", name)
    assert code == 0, told
    assert "the running sensor took it over" in told


def test_seven_failures_another_module_and_the_eighth(sensor: LiveSensor) -> None:
    work = sensor.directory / "work"
    ours = make(work, "net-watch", user="guest")
    sensor.fail(7)
    sensor.read_lines()
    assert sensor.findings("ssh_bruteforce") == []
    before = sensor.report().detectors.loaded
    enable(sensor, "net-watch")
    assert sensor.report().detectors.loaded == before + 1
    sensor.fail(1)
    sensor.read_lines()
    (finding,) = wait_for(lambda: sensor.findings("ssh_bruteforce"), "the eighth failure says nothing")
    assert "8" in finding["fields"]["summary"]
    # The cooldown survives the next change as well, and a second address is none of its business.
    assert sensor.module("disable", "net-watch")[0] == 0
    sensor.fail(8)
    sensor.fail(8, address="192.0.2.78")
    sensor.read_lines()
    wait_for(lambda: len(sensor.findings("ssh_bruteforce")) == 2, "the second address says nothing")
    assert sensor.findings(ours) == []
    assert sensor.switched().swap_ms < 500


def test_off_means_silence_at_once_and_on_again_means_heard(sensor: LiveSensor) -> None:
    ours = make(sensor.directory / "work", "net-watch", cooldown_s=600)
    enable(sensor, "net-watch")
    sensor.fail(1, user="guest")
    sensor.read_lines()
    assert len(sensor.findings(ours)) == 1
    assert sensor.module("disable", "net-watch")[0] == 0
    sensor.fail(1, user="guest")
    sensor.read_lines()
    assert len(sensor.findings(ours)) == 1
    assert sensor.module("enable", "net-watch")[0] == 0
    sensor.fail(1, user="guest")
    sensor.read_lines()
    assert len(sensor.findings(ours)) == 2, "its cooldown ended when it was switched off"
    assert sensor.module("disable", "ssh-protection")[0] == 0
    sensor.fail(20, address="192.0.2.99")
    sensor.read_lines()
    assert sensor.findings("ssh_bruteforce") == []
    told = sensor.findings("modules_changed")
    assert [row["severity"] for row in told] == ["info", "medium", "info", "medium"]
    assert "ssh-protection" in told[-1]["fields"]["summary"]
    assert "ssh_bruteforce" in told[-1]["fields"]["evidence"][0]["text"]
    listed = sensor.module("list")[1]
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("ssh-protection")] == ["off"]


def test_a_broken_module_changes_nothing(sensor: LiveSensor) -> None:
    make(sensor.directory / "work", "net-watch")
    assert sensor.module("install", str(sensor.directory / "work/net-watch"))[0] == 0
    rule = next(sensor.modules.glob("net-watch/detectors/*.yml"))
    rule.write_text(rule.read_text().replace("user: guest", "usr: guest"))
    before = sensor.switched()
    code, told = sensor.module("enable", "net-watch")
    assert code == 1
    assert f"{rule}:8" in told
    assert "usr" in told
    assert not (sensor.modules / "state.json").exists()
    # Whoever switches it on by hand gets no further.
    broken = ModuleState().with_enabled("net-watch", "by hand")
    states.write(sensor.modules / "state.json", broken)
    wait_for(lambda: sensor.switched().refused_state == states.stamp_of(broken), "the sensor said nothing")
    assert any(str(rule) in text for text in sensor.switched().refused)
    assert (sensor.switched().active, sensor.switched().state) == (before.active, before.state)
    (sensor.modules / "state.json").write_text("{")
    wait_for(
        lambda: any("state.json:1" in text for text in sensor.switched().refused), "unreadable, and no word"
    )
    sensor.fail(8)
    sensor.read_lines()
    assert len(sensor.findings("ssh_bruteforce")) == 1


def test_python_of_others_runs_in_a_worker_and_its_findings_come_back(sensor: LiveSensor) -> None:
    ours = make(sensor.directory / "work", "net-watch", "pass")
    enable(sensor, "net-watch")
    (worker,) = sensor.switched().workers
    assert (worker.module, worker.state) == ("net-watch", "working")
    assert sensor.process is not None
    assert worker.pid not in (None, sensor.process.pid)
    sensor.fail(1, user="guest")
    sensor.read_lines()
    assert sensor.findings(ours) == []
    # A change of another module leaves the worker and what it has counted alone.
    make(sensor.directory / "work", "more-watch", user="nobody")
    enable(sensor, "more-watch")
    assert sensor.switched().workers[0].pid == worker.pid
    sensor.fail(3, user="guest")
    sensor.read_lines()
    (finding,) = wait_for(lambda: sensor.findings(ours), "nothing came back")
    assert finding["severity"] == "high"
    assert finding["fields"]["summary"] == "guest failed 2 times"
    assert finding["fields"]["entities"] == [{"type": "ip", "value": "192.0.2.77"}]
    assert "\x1b" not in str(finding["fields"]["tags"])
    assert sensor.module("disable", "net-watch")[0] == 0
    assert sensor.switched().workers == ()
    assert not Path(f"/proc/{worker.pid}").exists()


HARM = {
    "endless loop": ("sum(1 for _ in iter(int, 1))", "did not answer"),
    "end": ("os._exit(7)", "code 7"),
    "noise": ("os.write(int(sys.argv[1]), b'\\\\xff' * 65536); time.sleep(60)", "no answer"),
}


@pytest.mark.parametrize(("body", "reason"), HARM.values(), ids=list(HARM))
def test_a_module_that_means_harm_is_told_and_harms_nobody(
    sensor: LiveSensor, body: str, reason: str
) -> None:
    # It behaves until it is installed: its cases pass, then the day comes.
    ours = make(sensor.directory / "work", "net-watch", f"if event.field('src_ip') == '192.0.2.66': {body}")
    enable(sensor, "net-watch")
    sensor.fail(1, user="guest", address="192.0.2.66")
    wait_for(lambda: sensor.switched().workers[0].crashes, "it was not ended")
    (worker,) = sensor.switched().workers
    assert reason in worker.reason
    assert (worker.crashes, worker.lost) == (1, 1)
    wait_for(lambda: sensor.switched().workers[0].state == "working", "it was not started again")
    sensor.fail(2, user="guest")
    sensor.fail(8, address="192.0.2.79")
    sensor.read_lines()
    wait_for(lambda: sensor.findings(ours), "the worker judges no more")
    assert len(sensor.findings("ssh_bruteforce")) == 1


def test_one_that_keeps_ending_is_given_up_and_status_says_so(sensor: LiveSensor) -> None:
    ours = make(
        sensor.directory / "work", "net-watch", "if event.field('src_ip') == '192.0.2.66': os._exit(7)"
    )
    enable(sensor, "net-watch")
    for crash in range(1, 6):
        sensor.fail(1, user="guest", address="192.0.2.66")
        wait_for(lambda n=crash: sensor.switched().workers[0].crashes == n, "it did not end")
        wait_for(
            lambda: sensor.switched().workers[0].state in ("working", "disabled"), "it did not come back"
        )
    assert sensor.switched().workers[0].state == "disabled"
    (disabled,) = sensor.report().detectors.disabled
    assert disabled.id == ours
    assert "code 7" in disabled.reason
    _, listed = sensor.module("list")
    assert "worker disabled" in next(line for line in listed.splitlines() if line.startswith("net-watch"))
    assert sensor.report().lost["worker.net-watch"] >= 5


def test_a_sensor_starts_with_what_is_on_and_leaves_no_worker_behind(sensor: LiveSensor) -> None:
    ours = make(sensor.directory / "work", "net-watch", "pass")
    enable(sensor, "net-watch")
    assert sensor.process is not None
    first = sensor.switched().workers[0].pid
    sensor.process.kill()
    sensor.process.wait()
    wait_for(lambda: not Path(f"/proc/{first}").exists(), "the worker outlives a killed sensor")
    (sensor.data_dir / "sensor-health.json").unlink()
    sensor.start()
    (worker,) = sensor.switched().workers
    assert worker.state == "working"
    assert worker.pid != first
    sensor.fail(2, user="guest", address="192.0.2.90")
    wait_for(lambda: sensor.findings(ours), "nothing came back")
    assert sensor.stop() == 0
    assert not Path(f"/proc/{worker.pid}").exists()


def test_many_changes_cost_no_memory(sensor: LiveSensor) -> None:
    make(sensor.directory / "work", "net-watch")
    enable(sensor, "net-watch")
    state = states.read(sensor.modules / "state.json")
    seen = []
    for number in range(12):
        state = (
            state.without("net-watch") if number % 2 == 0 else state.with_enabled("net-watch", f"{number}")
        )
        states.write(sensor.modules / "state.json", state)
        stamp = states.stamp_of(state)
        wait_for(lambda s=stamp: sensor.switched().state == s, "not taken over")
        seen.append((sensor.report().rss_bytes, sensor.switched().swap_ms))
    sizes = [size for size, _ in seen]
    assert max(sizes[6:]) - max(sizes[:6]) < 4 << 20, seen
