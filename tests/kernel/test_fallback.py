# SPDX-License-Identifier: Apache-2.0
"""A hook that stays silent leaves its work, for as long as the sensor runs, to those that stand in for it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from innerwarden import config
from innerwarden.config import EnforcementConfig, KernelConfig, ResponderConfig
from innerwarden.model.health import HookHealth
from innerwarden.sensor import capabilities
from innerwarden.sensor.canary import FALLBACK
from innerwarden.sensor.kernel_hooks import HOOKS
from innerwarden.sensor.loader import NOT_TRACED, KernelSource, cgroup2_root
from innerwarden.sensor.main import HEALTH_PERIOD_S, Sensor
from tests.kernel import bpf_attacker
from tests.kernel.conftest import OBJECTS, ways
from tests.kernel.product import wait_for
from tests.kernel.reader import Witness, trigger
from tests.kernel.test_canary import CONFIG, TOLD_WITHIN_S, Running

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

SWITCH = Path("/proc/sys/kernel/ftrace_enabled")
BIND = "s = socket.socket({}); s.bind(({!r}, 0)); say()\n"
#: The one hook on a function that nothing stands in for.
ALONE = "ptrace_access_check"
POST_BIND = ("cgroup_post_bind4", "cgroup_post_bind6")
needs_cgroup2 = pytest.mark.skipif(cgroup2_root() is None, reason="no cgroup v2 hierarchy is mounted")
needs_objects = pytest.mark.skipif(
    "objects" not in ways(), reason="this kernel takes no programs on functions"
)


def stand_ins_of(name: str) -> set[str]:
    return {hook.name for hook in HOOKS if name in hook.instead_of}


def proven(sensor: Running, names: set[str]) -> bool:
    hooks = sensor.hooks()
    return bool(names) and all(name in hooks and hooks[name].canary == "working" for name in names)


def binds(witness: Witness) -> dict[str, int]:
    """Records of one bind of each family."""
    counts = {}
    for family, address in (("socket.AF_INET", "127.0.0.1"), ("socket.AF_INET6", "::1")):
        pid = trigger(BIND.format(family, address))["pid"]
        found = [one for one in witness.drain() if one.kind == "network.bind" and one.pid == pid]
        counts[address] = len(found)
    return counts


@needs_cgroup2
def test_what_a_stand_in_sees_is_told_once() -> None:
    """One system call stands in for two hooks: the one that still answers goes as well."""
    source = KernelSource(KernelConfig(prio_ring_bytes=1 << 20, bulk_ring_bytes=1 << 20))
    source.start()
    witness = Witness(source.rings)
    try:
        assert binds(witness) == {"127.0.0.1": 1, "::1": 1}
        changed = source.fall_back("cgroup_post_bind4", "it is silent")
        assert [one.name for one in changed] == [*POST_BIND, "bind"]
        assert binds(witness) == {"127.0.0.1": 1, "::1": 1}
        hooks = {one.name: one for one in source.hooks}
        assert hooks["bind"].state == "attached" and source.broken(["bind"]) == {}
        for name in POST_BIND:
            one = hooks[name]
            assert (one.state, one.stand_in, one.lost_techniques) == ("replaced", "bind", ())
        assert hooks["cgroup_post_bind4"].reason == "it is silent"
        assert "cgroup_post_bind4" in hooks["cgroup_post_bind6"].reason
        source.fall_back("cgroup_post_bind6", "it is silent too")
        hooks = {one.name: one for one in source.hooks}
        assert [hooks[name].reason for name in POST_BIND] == ["it is silent", "it is silent too"]
        assert len(hooks) == len(source.hooks)
        assert binds(witness) == {"127.0.0.1": 1, "::1": 1}
    finally:
        witness.close()
        source.close()


def test_a_hook_without_a_stand_in_is_left_where_it_is() -> None:
    source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536), without=["bind"])
    source.start()
    try:
        before = list(source.hooks)
        for name in ("sched_process_exec", "cgroup_post_bind4"):
            assert source.fall_back(name, "it is silent") == ()
        assert source.hooks == before
        assert source.broken(["sched_process_exec"]) == {}
        if cgroup2_root() is not None:
            assert source.broken(["cgroup_post_bind4"]) == {}
    finally:
        source.close()


@contextmanager
def running(directory: Path, text: str = CONFIG) -> Iterator[Running]:
    sensor = Running(directory, text)
    try:
        yield sensor
    finally:
        sensor.stop()


@needs_cgroup2
def test_a_hook_that_cannot_be_attached_anew_is_replaced(tmp_path: Path) -> None:
    """The place is taken: a cgroup holds 64 programs of a type, and refuses ours then."""
    with running(tmp_path) as sensor:
        sensor.wait_until_working()
        fd = bpf_attacker.cgroup_link(sensor.process.pid, bpf_attacker.POST_BIND4)
        bpf_attacker.detach(fd)
        os.close(fd)
        taken = bpf_attacker.fill_cgroup(str(cgroup2_root()), bpf_attacker.POST_BIND4)
        try:
            row = wait_for(lambda: sensor.blind("cgroup_post_bind4"), TOLD_WITHIN_S, "no finding")
            wait_for(lambda: proven(sensor, {"bind"}), 10, "not shown")
        finally:
            for fd in taken:
                os.close(fd)
        (evidence,) = row["fields"]["evidence"]
        assert row["severity"] == "high" and row["fields"]["title"] == "The sensor was blind for a while"
        assert "other hooks see the same now as cgroup_post_bind4" in row["fields"]["summary"]
        assert "still blind" not in row["fields"]["summary"]
        assert "could not be attached anew" in evidence["text"]
        assert evidence["text"].endswith("in its place: bind")
        told = time.time()
        hooks = sensor.hooks()
        assert {hooks[name].stand_in for name in POST_BIND} == {"bind"}
        assert "detached" in hooks["cgroup_post_bind4"].reason
        asked_again = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(told + 1))
        wait_for(lambda: (sensor.hooks()["bind"].canary_ts or "") > asked_again, 60, "no further round")
        assert sensor.all_working()
        assert len(sensor.findings("sensor_blind")) == 1, "told once"


@needs_cgroup2
def test_what_was_replaced_is_told_though_the_stand_in_cannot_be_asked(tmp_path: Path) -> None:
    """Who ends the canary at that moment does not hide what he did before."""
    inside = Sensor(config.parse(CONFIG, "test"), tmp_path)
    stop, deadline = threading.Event(), time.monotonic() + 120
    inside.start()
    taken: list[int] = []
    try:
        assert inside.canary is not None and inside.kernel is not None
        link = inside.kernel._links["cgroup_post_bind4"]
        bpf_attacker.detach(link._library.bpf_link__fd(link._pointer))
        taken = bpf_attacker.fill_cgroup(str(cgroup2_root()), bpf_attacker.POST_BIND4)
        while (asked := inside.canary._round) is None or asked.stage != FALLBACK:
            assert time.monotonic() < deadline, "no stand-in was asked"
            inside.loop(stop, 0.02)
        os.kill(asked.child.pid, signal.SIGKILL)
        while "sensor_blind" not in (tmp_path / "findings.jsonl").read_text():
            assert time.monotonic() < deadline, "no finding"
            inside.loop(stop, 0.02)
        (bind,) = [hook for hook in inside.canary.health() if hook.name == "bind"]
    finally:
        for fd in taken:
            os.close(fd)
        inside.stop(asked=True)
    rows = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["detector"] == "sensor_blind"]
    assert row["fields"]["evidence"][0]["text"].endswith("in its place: bind; of these not proven: bind")
    assert (bind.state, bind.canary) == ("attached", "unconfirmed")


@contextmanager
def no_function_tracing() -> Iterator[None]:
    before = SWITCH.read_text()
    try:
        try:
            SWITCH.write_text("0\n")
        except OSError as error:  # before 6.0 the programs themselves forbid it
            pytest.skip(f"the kernel refuses to switch function tracing off: {error.strerror}")
        yield
    finally:
        SWITCH.write_text(before)


def everything_replaced(sensor: Running) -> bool:
    """What can be, that is; the other is dead then."""
    hooks = sensor.hooks()
    return hooks[ALONE].state == "dead" and all(proven(sensor, here(hooks, name)) for name in OBJECTS)


def here(hooks: Mapping[str, HookHealth], name: str) -> set[str]:
    """Those that stand in for a hook on this kernel."""
    return {one for one in stand_ins_of(name) if one in hooks and hooks[one].state != "absent"}


def check_fall_back(sensor: Running, directory: Path) -> None:
    """Every object hook is replaced by system calls that answer, and is told of once: all in one incident, or in two
    when the switch was thrown in the middle of a round."""
    hooks = sensor.hooks()
    assert {hooks[name].state for name in OBJECTS} == {"replaced"}
    for name in OBJECTS:
        assert set(hooks[name].stand_in.split(", ")) == here(hooks, name)
        assert hooks[name].lost_techniques == ()
    assert hooks[ALONE].state == "dead" and hooks[ALONE].lost_techniques
    rows = sensor.findings("sensor_blind")
    told = [(one["details"]["hook"], one["text"]) for row in rows for one in row["fields"]["evidence"]]
    assert sorted(name for name, _text in told) == sorted([*OBJECTS, ALONE]), "each is told once"
    assert all(str(SWITCH) in text for _name, text in told)
    summary = next(row["fields"]["summary"] for row in rows if ALONE in row["fields"]["summary"])
    assert f"still blind: {ALONE} (" in summary
    fires = hooks["openat"].fires
    target = directory / "authorized_keys"
    target.write_text("# nothing\n")
    wait_for(lambda: sensor.hooks()["openat"].fires > fires, 30, "an open was not told")


def links(sensor: Running) -> int:
    """Programs that it has attached to functions and tracepoints."""
    return sum(one.get("link_type") == "tracing" for one in bpf_attacker.held(sensor.process.pid, "link_id"))


def check_the_next_sensor() -> None:
    """It has them again, and the kernel found no fault in itself (it would answer ENODEV)."""
    for _ in range(2):
        source = KernelSource(KernelConfig(prio_ring_bytes=65536, bulk_ring_bytes=65536))
        source.start()
        source.close()
        assert {one.state for one in source.hooks if one.name in OBJECTS} == {"attached"}
        assert SWITCH.read_text() == "1\n"


@needs_objects
def test_function_tracing_switched_off(tmp_path: Path) -> None:
    with running(tmp_path) as sensor:
        sensor.wait_until_working()
        before = links(sensor)
        with no_function_tracing():
            off = time.monotonic()
            row = wait_for(lambda: sensor.blind("object_open"), TOLD_WITHIN_S * 3, "no finding")
            print(f"told {time.monotonic() - off:.1f} s after the switch")
            wait_for(lambda: everything_replaced(sensor), TOLD_WITHIN_S, "not every hook was replaced")
            assert row["severity"] == "high"
            check_fall_back(sensor, tmp_path)
            told = len(sensor.findings("sensor_blind"))
        wait_for(lambda: links(sensor) == before - len(OBJECTS), 30, "not detached")
        time.sleep(2 * HEALTH_PERIOD_S)  # until the report says what they told last
        settled = {name: sensor.hooks()[name].fires for name in OBJECTS}
        (tmp_path / "id_rsa").write_text("# nothing\n")
        opens = sensor.hooks()["openat"].fires
        wait_for(lambda: sensor.hooks()["openat"].fires > opens, 60, "no further round")
        now = sensor.hooks()
        assert {name: now[name].fires for name in OBJECTS} == settled, "nothing is told twice"
        assert len(sensor.findings("sensor_blind")) == told, "told once"
    check_the_next_sensor()


@needs_objects
def test_the_switch_is_noticed_long_before_a_round_is_due(tmp_path: Path) -> None:
    """Off, an act and on again is a matter of a second; the first round is over, and the next one a minute away."""
    with running(tmp_path, "[collectors.kernel.canary]\nperiod_s = 60\n") as sensor:
        sensor.wait_until_working()
        with no_function_tracing():
            wait_for(lambda: sensor.blind("object_open"), 40, "no finding")


@needs_objects
def test_the_switch_halts_what_refuses_too() -> None:
    """No harmless action makes those act, so that they run is read from the switch."""
    enforcement = EnforcementConfig(exec_deny=("/usr/bin/never-run",))
    source = KernelSource(KernelConfig(), responder=ResponderConfig(enforcement=enforcement))
    source.start()
    try:
        refusing = [
            one.name for one in source.hooks if one.name.startswith("lsm_") and one.state == "attached"
        ]
        assert "lsm_exec" in refusing
        assert source.broken(refusing) == {}
        with no_function_tracing():
            assert source.broken(refusing) == dict.fromkeys(refusing, NOT_TRACED)
            source.tend()
            assert source.disturbed
    finally:
        source.close()


@needs_objects
def test_function_tracing_off_before_the_sensor_starts(tmp_path: Path) -> None:
    """Nothing is attached that could not run, so nothing goes blind."""
    with no_function_tracing():
        assert {one.type: one.reason for one in capabilities.probe()}["fentry"] == NOT_TRACED
        with running(tmp_path) as sensor:
            sensor.wait_until_working()
            hooks = sensor.hooks()
            for name in OBJECTS:
                one = hooks[name]
                assert (one.state, one.reason, one.lost_techniques) == ("failed", NOT_TRACED, ())
                assert set(one.stand_in.split(", ")) == here(hooks, name) and proven(
                    sensor, here(hooks, name)
                )
            assert sensor.findings("sensor_blind") == []
    check_the_next_sensor()
