# SPDX-License-Identifier: Apache-2.0
"""Userspace eyes on the real machine: each collector is shown the real thing, in namespaces of the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from innerwarden import paths
from innerwarden.clock import parse_rfc3339, realtime_ns
from innerwarden.config import InventoryConfig
from innerwarden.model import health
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.bpf_programs import BpfPrograms
from innerwarden.sensor.inventory.hidden_processes import METHODS, HiddenProcesses
from innerwarden.sensor.inventory.listeners import Listeners
from innerwarden.sensor.inventory.memory_maps import MemoryMaps
from innerwarden.sensor.inventory.modules import SYMBOLS_EVERY, Modules
from innerwarden.sensor.inventory.suid_files import SuidFiles
from innerwarden.sensor.inventory.sysctls import Sysctls
from innerwarden.sensor.loader import KernelSource
from tests.kernel.product import end, wait_for
from tests.unit.sensor.inventory.support import looked

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).resolve().parents[2]

#: A world of its own: mounts, network, and a /sys that shows that network. Then it does what it is told, line by line.
WORLD = """
import ctypes, fcntl, json, os, socket, struct, subprocess, sys
from pathlib import Path
from innerwarden.libbpf import libc
native = ctypes.CDLL(None, use_errno=True)
libc.private_mount_namespace()
assert native.unshare(0x40000000) == 0, os.strerror(ctypes.get_errno())
libc.mount("sysfs", "/sys", "sysfs")
def interface_up(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH", name.encode(), 1))
def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH", name.encode(), 0x1001))
    return fd
def facts(collector):
    from tests.unit.sensor.inventory.support import looked
    return looked(collector)
interface_up("lo")
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    order, text = json.loads(line)
    if order == "eval":
        print(json.dumps(eval(text)), flush=True)
    else:
        exec(text)
        print(json.dumps(None), flush=True)
"""


class World:
    """A process in namespaces of its own that runs what the test says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the world ended"
        return json.loads(line)

    def _order(self, order: str, text: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([order, text]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def do(self, text: str) -> None:
        self._order("exec", text)

    def ask(self, text: str) -> Any:
        return self._order("eval", text)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    end(made.process)


@contextmanager
def child(code: str, *, program: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A Python that has done `code` and waits; `program` runs instead of this interpreter."""
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix, "PYTHONPATH": ":".join(sys.path)}
    started = subprocess.Popen(
        [program or sys.executable, "-c", f"{code}\nprint(1, flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment if program else None,
    )
    assert started.stdout is not None and started.stdout.readline() == b"1\n"
    try:
        yield started
    finally:
        end(started)


def interpreter(directory: Path, name: str) -> Path:
    """This interpreter under a path of its own, so that no other process of the machine has it."""
    return Path(shutil.copy(Path(sys.executable).resolve(), directory / name))


def changes(found: list[dict[str, Any]]) -> list[Change]:
    return [Change(fact["change"]) for fact in found]


BPF = "from innerwarden.libbpf import libc\nheld = libc.bpf_program()\n"
RAW_TRACEPOINT = """
import ctypes
from innerwarden.libbpf import libc
code = ctypes.create_string_buffer(b"\\xb7\\0\\0\\0\\0\\0\\0\\0\\x95\\0\\0\\0\\0\\0\\0\\0", 16)
licence, name = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(b"{name}")
words = [(17).to_bytes(4, "little"), (2).to_bytes(4, "little")]
words += [ctypes.addressof(one).to_bytes(8, "little") for one in (code, licence)]
program = libc.syscall("bpf", 5, b"".join(words).ljust(128, b"\\0"), 128)
attach = ctypes.addressof(name).to_bytes(8, "little") + program.to_bytes(4, "little")
link = libc.syscall("bpf", 17, attach.ljust(128, b"\\0"), 128)
"""


def test_a_mount_over_a_process_in_a_real_mount_table(world: World) -> None:
    with child("pass") as victim:
        world.do("from innerwarden.sensor.inventory.hidden_processes import HiddenProcesses")
        world.do("one = HiddenProcesses(lambda pid: None)")
        assert world.ask("facts(one)") == []
        world.do(f'libc.mount("none", "/proc/{victim.pid}", "tmpfs")')
        found = world.ask("facts(one)")
        assert [fact["target_pid"] for fact in found] == [victim.pid]
        assert found[0]["reason"] == f"tmpfs / is mounted over /proc/{victim.pid}"
        assert world.ask("facts(one)") == []


def test_a_proc_with_hidepid_in_a_real_mount_table(world: World) -> None:
    world.do("from innerwarden.sensor.inventory.hidden_processes import HiddenProcesses")
    world.do("one = HiddenProcesses(lambda pid: None)")
    assert world.ask("facts(one)") == []
    world.do('native.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2")')
    reasons = [fact["reason"] for fact in world.ask("facts(one)")]
    assert len(reasons) == 1 and reasons[0].startswith("/proc is mounted with hidepid=")


def test_no_process_of_this_machine_is_hidden() -> None:
    one = HiddenProcesses(lambda pid: None)
    assert [looked(one) for _ in METHODS] == [[] for _ in METHODS]


def test_every_process_of_this_machine_can_be_read() -> None:
    one = MemoryMaps()
    first = {(fact["target_pid"], fact["value"]) for fact in looked(one)}
    assert not first & {(fact["target_pid"], fact["value"]) for fact in looked(one)}


def test_a_capability_of_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ping"
    path.write_bytes(b"x")
    path.chmod(0o755)
    one = SuidFiles(Baseline("suid_files"), [str(tmp_path)])
    assert looked(one) == []
    # VFS_CAP_REVISION_2 with the effective flag, CAP_NET_RAW permitted: linux/capability.h
    value = (0x02000001).to_bytes(4, "little") + (1 << 13).to_bytes(4, "little") + bytes(12)
    try:
        os.setxattr(path, "security.capability", value)
    except OSError as error:
        pytest.skip(f"this file system takes no file capabilities: {error}")
    found = looked(one)
    assert changes(found) == [Change.APPEARED]
    assert "file capabilities" in found[0]["reason"]
    os.removexattr(path, "security.capability")
    assert changes(looked(one)) == [Change.VANISHED]


def test_a_file_of_another_user_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    os.chown(path, 1234, 1234)
    path.chmod(0o4755)
    found = looked(SuidFiles(Baseline("suid_files"), [str(tmp_path)]))
    assert found[0]["target_uid"] == 1234 and "runs as user 1234" in found[0]["reason"]


def test_a_real_setting_that_changes() -> None:
    path = Path("/proc/sys/kernel/dmesg_restrict")
    before = path.read_text()
    other = "0" if before.strip() == "1" else "1"
    one = Sysctls(Baseline("sysctls"))
    looked(one)
    try:
        path.write_text(other)
        found = [fact for fact in looked(one) if fact["name"] == "kernel.dmesg_restrict"]
    finally:
        path.write_text(before)
    assert changes(found) == [Change.CHANGED]
    assert (found[0]["value"], found[0]["old_value"]) == (other, before.strip())
    assert found[0]["reason"].startswith("weaker" if other == "0" else "stronger")


def test_modules_of_this_kernel_agree() -> None:
    one = Modules(Baseline("modules"))
    if one.obstacle():
        pytest.skip(one.obstacle())
    found = [fact for _ in range(SYMBOLS_EVERY + 1) for fact in looked(one)]
    assert {fact["name"] for fact in found if fact["change"] == Change.FOUND} == set()
    listed = {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}
    assert {fact["name"] for fact in found} >= listed


@pytest.mark.parametrize(
    "code",
    [BPF, RAW_TRACEPOINT.format(name="sched_process_exec"), RAW_TRACEPOINT.format(name="sched_switch")],
)
def test_a_foreign_kernel_program_comes_and_goes(source: KernelSource, code: str) -> None:
    one = BpfPrograms(Baseline("bpf_programs"))
    looked(one)
    with child(code) as holder:
        found = [fact for fact in looked(one) if fact.get("target_pid") == holder.pid]
        assert changes(found) == [Change.APPEARED]
        fact = found[0]
        assert fact["path"] == str(Path(sys.executable).resolve())
        assert fact["program_type"] == (1 if code == BPF else 17)
        assert ("tracepoint sched_" in fact["reason"]) == (code != BPF)
        assert ("this sensor uses" in fact["reason"]) == ("sched_process_exec" in code)
        again = [other for other in looked(one) if other.get("program_id") == fact["program_id"]]
        assert again == []

    def gone() -> bool:
        found = [other for other in looked(one) if other.get("program_id") == fact["program_id"]]
        return changes(found) == [Change.VANISHED]

    # The kernel frees a program some time after its last descriptor is closed.
    wait_for(gone, 20, "the program did not vanish")


def test_our_own_programs_are_not_foreign_and_another_sensors_are(source: KernelSource) -> None:
    """Another sensor's programs sit on the same BTF tracepoints as ours."""
    from innerwarden.libbpf import foreign, kernel_ids

    one = BpfPrograms(Baseline("bpf_programs"))
    assert not [fact for fact in looked(one) if fact["target_pid"] == os.getpid()]
    names = [info.name for number in kernel_ids("prog") if (info := foreign.program(number))]
    assert any(name.startswith("iw_") for name in names)
    other = (
        "from innerwarden.config import KernelConfig\nfrom innerwarden.sensor.loader import KernelSource\n"
        "k = KernelSource(KernelConfig()); k.start()"
    )
    with child(other) as holder:
        found = [fact for fact in looked(one) if fact.get("target_pid") == holder.pid]
        beside = {fact["name"] for fact in found if "this sensor uses" in fact["reason"]}
        assert "iw_exec" in beside
        assert not [fact for fact in found if fact["target_pid"] == os.getpid()]


def test_listeners_of_another_network_namespace(world: World) -> None:
    one = Listeners(Baseline("listeners"))
    looked(one)
    world.do("s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()")
    world.do("r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)")
    world.do("p = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))")
    port, inode = world.ask("s.getsockname()[1]"), world.ask("os.stat('/proc/self/ns/net').st_ino")
    found = {fact["name"]: fact for fact in looked(one) if f"net:[{inode}]" in fact["value"]}
    assert set(found) >= {"tcp", "raw", "packet"}
    assert (found["tcp"]["src_port"], found["tcp"]["src_ip"]) == (port, "127.0.0.1")
    assert found["raw"]["protocol"] == 1
    assert "protocol 3" in found["packet"]["value"]
    for fact in found.values():
        assert fact["target_pid"] == world.process.pid and fact["change"] == Change.APPEARED


def test_a_real_tun_interface(world: World) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("this kernel has no /dev/net/tun (CONFIG_TUN)")
    world.do("from innerwarden.sensor.inventory.devices import Devices")
    world.do("from innerwarden.sensor.inventory.baseline import Baseline")
    world.do("one = Devices(Baseline('devices'))")
    world.ask("facts(one)")
    world.do("fd = tun('iwtest0')")
    found = world.ask("facts(one)")
    assert [(fact["name"], fact["value"], fact["change"]) for fact in found] == [
        ("iwtest0", "net tun", Change.APPEARED)
    ]
    world.do("os.close(fd)")
    assert changes(world.ask("facts(one)")) == [Change.VANISHED]


@pytest.mark.parametrize(("kind", "options"), [("vxlan", "id 5 dstport 4789"), ("wireguard", "")])
def test_a_real_tunnel_interface(world: World, kind: str, options: str) -> None:
    if shutil.which("ip") is None:
        pytest.skip("needs ip: apt-get install iproute2")
    world.do("from innerwarden.sensor.inventory.devices import Devices")
    world.do("from innerwarden.sensor.inventory.baseline import Baseline")
    world.do("one = Devices(Baseline('devices'))")
    world.ask("facts(one)")
    command = ["ip", "link", "add", "iwtest1", "type", kind, *options.split()]
    said = world.ask(f"subprocess.run({command!r}, capture_output=True, text=True).stderr")
    if said:
        pytest.skip(f"this kernel makes no {kind} interface: {said.strip()}")
    assert [(fact["name"], fact["value"]) for fact in world.ask("facts(one)")] == [("iwtest1", f"net {kind}")]


def test_without_rights_each_collector_says_what_it_lacks() -> None:
    code = """
import os
from pathlib import Path
import json, tempfile
from innerwarden_core import Engine
from innerwarden.config import InventoryConfig
from innerwarden.sensor import inventory
inventory.load(InventoryConfig(), Path(tempfile.mkdtemp()), Engine())  # imports what nobody may not read
os.setgid(65534); os.setuid(65534)
made = inventory.load(InventoryConfig(), Path(tempfile.mkdtemp()), Engine())
now = made.scheduled[0].due
for tick in range(5000):
    now += 0.1
    made.tick(now)
    if all(one.state != "unconfirmed" for one in made.health(now)):
        break
print(json.dumps({one.id: [one.state, one.reason, one.errors] for one in made.health(0.0)}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    told = json.loads(done.stdout)
    assert set(told) == set(InventoryConfig.__struct_fields__)
    assert all(errors == 0 for _, _, errors in told.values())
    for name in ("memory_maps", "suid_files", "bpf_programs", "listeners"):
        state, reason, _ = told[name]
        assert state == "absent" and "root" in reason, name
    for name in ("sysctls", "devices"):
        assert told[name][0] == "working", told[name]


CONFIG = """
[collectors]
kernel = {{ enabled = false }}
auth_log = {{ enabled = false }}
journald = {{ enabled = false }}
[collectors.inventory]
suid_files = {{ cadence_s = 1, roots = ["{root}/files"] }}
service_units = {{ cadence_s = 1, directories = ["{root}/units"] }}
"""
OTHERS = ("hidden_processes", "memory_maps", "sysctls", "modules", "bpf_programs", "listeners", "devices")
#: Have tests of their own, and some look once in minutes.
ELSEWHERE = sorted({*InventoryConfig.__struct_fields__} - {"suid_files", "service_units", *OTHERS})
CONFIG += "".join(f"{name} = {{{{ enabled = false }}}}\n" for name in ELSEWHERE)
EVERYTHING = CONFIG + "".join(f"{name} = {{{{ cadence_s = 1 }}}}\n" for name in OTHERS)
FILES_ONLY = CONFIG + "".join(f"{name} = {{{{ enabled = false }}}}\n" for name in OTHERS)


class Watched:
    """The sensor inside a world, its findings and its health."""

    def __init__(self, world: World, root: Path, config_text: str = EVERYTHING) -> None:
        self.data_dir = root / "data"
        config = root / "config.toml"
        config.write_text(config_text.format(root=root))
        command = [sys.executable, "-m", "innerwarden", "sensor", "--data-dir", str(self.data_dir)]
        command += ["--config", str(config)]
        world.do(f"log = open({str(root / 'log')!r}, 'w')")
        world.do(f"sensor = subprocess.Popen({command!r}, stdout=log, stderr=log)")
        self.pid = int(world.ask("sensor.pid"))
        self.world = world

    def looks(self, after_ns: int = 0) -> dict[str, int]:
        """Complete looks of each collector that works here, once all have made one, in a report after `after_ns`."""
        report = health.read(paths.sensor_health(self.data_dir))
        if report is None or report.pid != self.pid or parse_rfc3339(report.ts) <= after_ns:
            return {}
        eyes = [one for one in report.collectors if one.cadence_s]
        if any(one.state == "unconfirmed" for one in eyes):
            return {}
        return {one.id: one.looks for one in eyes if one.state == "working"}

    def wait_looks(self, more: int) -> None:
        """Until each of them has completed `more` looks after this call; one may be under way already."""
        now = realtime_ns()
        before = wait_for(lambda: self.looks(now), 120, "the first looks")
        wait_for(
            lambda: all(self.looks().get(name, 0) >= count + more for name, count in before.items()),
            90,
            f"{more} more looks",
        )

    def findings(self) -> list[dict[str, Any]]:
        path = paths.findings(self.data_dir)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self.world.do("sensor.wait(30)")


def test_each_hostile_act_becomes_one_finding(world: World, tmp_path: Path) -> None:
    """A sensor without the kernel source; what every finding is about is of this test alone."""
    (tmp_path / "files").mkdir()
    (tmp_path / "units").mkdir()
    setting = "/proc/sys/net/ipv4/conf/all/accept_redirects"
    world.do(f"Path('{setting}').write_text('0')")
    sensor = Watched(world, tmp_path)
    sensor.wait_looks(1)
    programs = {name: interpreter(tmp_path, name) for name in ("mapper", "loader", "door")}
    acts = {
        "hidden_process": "",
        "executable_memory": str(programs["mapper"]),
        "privileged_file_appeared": str(tmp_path / "files/sh"),
        "start_file_doubtful": str(tmp_path / "units/x.service"),
        "kernel_protection_lowered": "accept_redirects",
        "bpf_program_appeared": str(programs["loader"]),
        "listener_of_doubtful_program": str(programs["door"]),
        "tunnel_interface_appeared": "iwtest2",
    }
    with (
        child(
            "import mmap; m = mmap.mmap(-1, 4096, flags=0x22, prot=7)", program=programs["mapper"]
        ) as mapper,
        child(BPF, program=programs["loader"]),
        child(
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()",
            program=programs["door"],
        ),
    ):
        acts["hidden_process"] = f"/proc/{mapper.pid}"
        world.do(f'libc.mount("none", "/proc/{mapper.pid}/net", "tmpfs")')
        (tmp_path / "files/sh").write_text("#!/bin/sh\n")
        (tmp_path / "files/sh").chmod(0o4755)
        (tmp_path / "units/x.service").write_text("[Service]\nExecStart=/dev/shm/x\n")
        world.do(f"Path('{setting}').write_text('1')")
        if Path("/dev/net/tun").exists():
            world.do("fd = tun('iwtest2')")
        else:
            del acts["tunnel_interface_appeared"]
        sensor.wait_looks(2)
    sensor.stop()
    told = Counter(
        (finding["detector"], subject)
        for finding in sensor.findings()
        for detector, subject in acts.items()
        if detector == finding["detector"] and subject in finding["fields"]["summary"]
    )
    all_told = "\n".join(f"{f['detector']}: {f['fields'].get('summary')}" for f in sensor.findings())
    assert told == Counter(dict.fromkeys(acts.items(), 1)), all_told
    for finding in sensor.findings():
        if (finding["detector"], acts.get(finding["detector"])) in told:
            assert "(not known)" not in finding["fields"]["summary"]


def test_what_happens_while_no_sensor_runs_is_found_at_its_next_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "units").mkdir()
    first = Watched(world, tmp_path, FILES_ONLY)
    first.wait_looks(1)
    first.stop()
    (tmp_path / "units/y.service").write_text("[Service]\nExecStart=/usr/bin/y\n")
    (tmp_path / "files/y").write_text("y")
    (tmp_path / "files/y").chmod(0o4755)
    second = Watched(world, tmp_path, FILES_ONLY)
    second.wait_looks(1)
    second.stop()
    about = Counter(
        finding["detector"]
        for finding in second.findings()
        if str(tmp_path) in finding["fields"].get("summary", "")
    )
    assert about == {"start_file_changed": 1, "privileged_file_appeared": 1}


def test_a_damaged_baseline_is_said_and_alerts_nobody(world: World, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "units").mkdir()
    (tmp_path / "units/old.service").write_text("[Service]\nExecStart=/tmp/old\n")
    file = paths.inventory(tmp_path / "data") / "service_units.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"version": 1, "collector"')
    sensor = Watched(world, tmp_path, FILES_ONLY)
    sensor.wait_looks(2)
    report = health.read(paths.sensor_health(sensor.data_dir))
    sensor.stop()
    assert report is not None
    units = next(one for one in report.collectors if one.id == "service_units")
    assert units.state == "working" and "refused" in units.reason
    assert file.with_name("service_units.json.corrupt").read_text() == '{"version": 1, "collector"'
    assert json.loads(file.read_text())["version"] == 1
    assert not [f for f in sensor.findings() if "old.service" in f["fields"].get("summary", "")]
