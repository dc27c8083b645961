# SPDX-License-Identifier: Apache-2.0
"""The detection host on hits of the real engine: variants, who acted, ids, a detector that raises."""

from __future__ import annotations

import hashlib
import struct

from innerwarden_core import FIELDS, LAYOUT, OPERATORS, Engine, Predicate, Rule

from innerwarden import paths
from innerwarden.config import Config, DetectorConfig
from innerwarden.model.detector import Detector, DetectorSpec, Event, Finding
from innerwarden.model.finding import without_facts
from innerwarden.model.severity import Severity
from innerwarden.modules.factory import encode
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.sensor.detection.host import MAX_FAILURES, DetectionHost, acting_rules_of


def shipped(config: Config | None = None) -> tuple[Engine, DetectionHost]:
    modules: ModuleSet = load_modules([paths.REPOSITORY / "modules"], config or Config())
    engine = Engine()
    engine.configure(modules.rules, modules.correlations, modules.natives)
    host = DetectionHost(
        modules.specs,
        engine,
        host_name="web1",
        python=modules.python,
        acting_rules=acting_rules_of(modules.compiled_correlations),
    )
    return engine, host


def memory_program(**fields: object) -> bytes:
    usual: dict[str, object] = {"pid": 50, "uid": 0, "argv": ["kworker"]}
    return encode("process.exec", exe_path="/memfd:x", exec_flags=["memfd"], **(usual | fields))


def test_a_variant_has_its_own_title_severity_and_technique() -> None:
    engine, host = shipped()
    (finding,) = host.findings(engine.feed(memory_program()))
    assert finding.severity is Severity.HIGH
    assert finding.fields.title == "Program run from memory, without a file"
    assert finding.fields.attack == ("T1620",)


def test_an_operators_severity_holds_for_every_variant() -> None:
    config = Config(detectors={"suspicious_exec_origin": DetectorConfig(severity="low")})
    engine, host = shipped(config)
    (finding,) = host.findings(engine.feed(memory_program()))
    assert finding.severity is Severity.LOW


def test_the_shell_is_told_of_even_when_the_download_program_starts_last() -> None:
    """`curl | sh`: the pipe's two ends start in any order, the incident is about the shell."""
    engine, host = shipped()
    parent = encode("process.exec", at_s=0, pid=10, exe_path="/usr/bin/bash", argv=["bash"])
    shell = encode(
        "process.exec", at_s=1.0, pid=12, ppid=10, exe_path="/usr/bin/dash", argv=["sh"],
        exec_flags=["stdin_pipe"],
    )  # fmt: skip
    curl = encode(
        "process.exec", at_s=1.1, pid=11, ppid=10, exe_path="/usr/bin/curl",
        argv=["curl", "-s", "http://192.0.2.1/x"],
    )  # fmt: skip
    found = host.findings(engine.feed(parent + shell + curl))
    (finding,) = [one for one in found if one.detector == "download_pipe_shell"]
    assert finding.fields.process is not None
    assert finding.fields.process.pid == 12
    assert finding.fields.process.exe == "/usr/bin/dash"
    assert [a.exe for a in finding.fields.process.ancestors] == ["/usr/bin/bash"]


def test_the_same_records_give_the_same_id_and_a_burst_says_at_least_one_second() -> None:
    lines = [encode("ssh.login_failed", at_s=n / 100, src_ip="192.0.2.9", user="root") for n in range(10)]
    told = []
    for _ in range(2):
        engine, host = shipped()
        told.append(
            [f for f in host.findings(engine.feed(b"".join(lines))) if f.detector == "ssh_bruteforce"]
        )
    first, second = told
    assert [f.fields.incident_id for f in first] == [f.fields.incident_id for f in second]
    assert len(first) == 1
    assert "(not known)" not in first[0].fields.summary


def test_a_process_tells_how_long_its_arguments_were_and_what_they_hash_to() -> None:
    engine, host = shipped()
    cut = bytearray(memory_program(argv=["kworker", "a" * 9000], flags=["argv_incomplete"]))
    struct.pack_into("<I", cut, LAYOUT["iw_process_exec"]["argv_len"], 200_000)
    process = host.findings(engine.feed(cut))[0].fields.process
    assert process is not None
    assert (process.argv_len, process.argv_incomplete) == (200_000, True)
    assert process.argv_sha256 == hashlib.sha256(b"kworker\0" + b"a" * 9000 + b"\0").hexdigest()


def test_an_ancestor_tells_that_the_process_table_kept_only_some_of_its_arguments() -> None:
    engine, host = shipped()
    parent = encode("process.exec", at_s=0, pid=10, exe_path="/bin/sh", argv=["sh", "-c", "x" * 5000])
    found = host.findings(engine.feed(parent + memory_program(at_s=1, pid=11, ppid=10)))
    (finding,) = without_facts(found)
    process = finding.fields.process
    assert process is not None
    assert (process.argv_len, process.argv_incomplete) == (len("kworker") + 1, False)
    (told,) = process.ancestors
    assert (told.argv_len, told.argv_incomplete) == (5007, True)


class Broken(Detector):
    def process(self, event: Event) -> Finding | None:
        raise RuntimeError(f"cannot judge {event.kind}")


def test_a_detector_that_keeps_raising_is_disabled_and_the_others_go_on() -> None:
    spec = DetectorSpec(
        id="broken", title="t", severity=Severity.LOW, kinds=("process.exec",), summary="s", attack=(),
        blind_spots=(), false_positives=(), checks=(),
    )  # fmt: skip
    engine = Engine()
    anything = Predicate(FIELDS["pid"], OPERATORS["exists"], ())
    engine.configure([Rule("broken", [1], [anything], [(0, -1, -2)])], [], [])
    host = DetectionHost({"broken": spec}, engine, host_name="h", python={"broken": Broken({})})
    for number in range(MAX_FAILURES + 3):
        record = encode("process.exec", at_s=number, pid=100 + number, exe_path="/bin/x")
        assert host.findings(engine.feed(record)) == []
    assert host.errors == MAX_FAILURES
    assert "raised 5 times in a row" in host.disabled["broken"]
