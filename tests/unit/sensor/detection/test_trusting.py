# SPDX-License-Identifier: Apache-2.0
"""Trust on findings of the real engine: what is covered is marked and told, what is not keeps its voice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from innerwarden_core import Engine

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity
from innerwarden.modules.factory import encode
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.rules.compiled import compile_or_load
from innerwarden.rules.program import RuleSource
from innerwarden.rules.watch import watch_of
from innerwarden.sensor.detection.folding import configure, told_apart
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from innerwarden.sensor.detection.trusting import Trusting
from innerwarden.trust import Entry, Executable, TrustStore
from innerwarden.trust.edit import add
from innerwarden.trust.programs import image_of_file
from tests.unit.trust.support import DAY, NOW_NS, entry, needs_root, roots_own

RULES = """\
title: secret read
id: 11111111-1111-4111-8111-111111111111
logsource: {product: linux, category: file_access}
detection: {s: {TargetFilename: /etc/shadow}, condition: s}
level: high
innerwarden: {id: secret_read, group_by: [path], summary: "{exe_path} read {path}, {group}"}
---
title: program
id: 22222222-2222-4222-8222-222222222222
logsource: {product: linux, category: process_creation}
detection: {s: {CommandLine|contains: mark}, condition: s}
level: medium
innerwarden: {id: marked}
---
title: asked
id: 33333333-3333-4333-8333-333333333333
logsource: {product: linux, category: webserver}
detection: {s: {cs-uri-query|contains: .env}, condition: s}
level: medium
innerwarden: {id: asked, group_by: [url_path], entities: ["ip:src_ip"]}
---
title: reads
id: 44444444-4444-4444-8444-444444444444
name: one_read
logsource: {product: linux, category: file_access}
detection: {s: {TargetFilename: /etc/gshadow}, condition: s}
level: low
innerwarden: {id: one_read, emit: false}
---
title: many reads
correlation:
  type: event_count
  rules: [one_read]
  group-by: [User]
  timespan: 5m
  condition: {gte: 3}
level: high
innerwarden: {id: many_reads}
---
title: read then program
correlation:
  type: temporal_ordered
  rules: [one_read, marked]
  group-by: [User]
  timespan: 5m
level: high
innerwarden: {id: read_then_program}
"""


def modules_of(text: str) -> ModuleSet:
    saved = compile_or_load([RuleSource(name="t.yml", stem="t", text=text)], None)
    assert saved.problems == ()
    return ModuleSet(
        modules=(),
        specs={spec.id: spec for spec in saved.specs},
        rules=[rule.native() for rule in saved.rules],
        correlations=[one.native() for one in saved.correlations],
        natives=[],
        python={},
        problems=(),
        watch=watch_of(saved.rules),
        compiled_rules=saved.rules,
        compiled_correlations=saved.correlations,
    )


class Bench:
    """Engine, host and a directory of trust files, as the sensor puts them together."""

    def __init__(self, directory: Path, modules: ModuleSet) -> None:
        self.directory = directory
        self.modules = modules
        self.now_ns = NOW_NS
        self.engine = Engine()
        store = TrustStore(directory)
        store.require()
        correlations = {one.owner: one for one in modules.compiled_correlations}
        trusting = Trusting(store, self.engine, correlations, lambda: self.now_ns)
        self.host = DetectionHost(
            modules.specs,
            self.engine,
            host_name="h",
            python=modules.python,
            acting_rules=acting_rules_of(modules.compiled_correlations),
            trusting=trusting,
        )
        self.trusting = trusting
        self.follow()

    def follow(self) -> None:
        self.trusting.store.refresh()
        self.host.told_apart = told_apart(self.modules, self.trusting.store.current)
        configure(self.engine, self.modules, self.host.told_apart)

    def trust(self, one: Entry) -> None:
        add(self.directory, one)
        self.follow()

    def feed(self, *records: bytes) -> list[Finding]:
        return self.host.findings(self.engine.feed(b"".join(records)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    tmp_path.chmod(0o750)
    return Bench(tmp_path / "trust.d", modules_of(RULES))


@pytest.fixture
def tools() -> Iterator[dict[str, Path]]:
    """Programs of root's that others cannot change."""
    with roots_own() as directory:
        found = {}
        for name in ("backup", "agent", "other"):
            found[name] = directory / name
            found[name].write_bytes(name.encode())
            found[name].chmod(0o755)
        yield found


def exec_of(path: Path, pid: int, at_s: float = 0.0, **fields: Any) -> bytes:
    image = image_of_file(str(path))
    usual: dict[str, Any] = {"exe_path": str(path), "exe_inode": image.inode, "exe_dev": image.dev, "uid": 0}
    return encode("process.exec", at_s=at_s, pid=pid, **(usual | {"argv": [path.name]} | fields))


def read_of(pid: int, at_s: float, path: str = "/etc/shadow", **fields: Any) -> bytes:
    return encode(
        "file.open",
        at_s=at_s,
        pid=pid,
        path=path,
        open_flags=["watched_read"],
        uid=fields.pop("uid", 0),
        **fields,
    )


def backup(tools: dict[str, Path], **fields: Any) -> Entry:
    usual: dict[str, Any] = {"exe": Executable(path=str(tools["backup"])), "detectors": ("secret_read",)}
    return entry(**(usual | fields))


@needs_root
def test_a_covered_finding_is_told_with_its_mark(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools, up_to=Severity.HIGH, expires=DAY + timedelta(days=30)))
    (found,) = bench.feed(exec_of(tools["backup"], 50), read_of(50, 1))
    assert found.severity is Severity.DEBUG
    assert "trusted:one" in found.fields.tags
    assert found.fields.trusted is not None
    assert found.fields.trusted.severity is Severity.HIGH
    assert found.fields.trusted.expires == "2026-01-31T00:00:00Z"
    assert found.fields.evidence[-1].kind == "trust"
    assert "because" in found.fields.evidence[-1].text
    assert found.fields.process is not None
    assert found.fields.process.exe_inode == tools["backup"].stat().st_ino
    assert bench.trusting.counts == {"one": 1}


@needs_root
def test_what_is_graver_keeps_its_severity(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools))
    (found,) = bench.feed(exec_of(tools["backup"], 50), read_of(50, 1))
    assert found.severity is Severity.HIGH
    assert "trusted:one" in found.fields.tags
    assert "graver than medium" in found.fields.evidence[-1].text


@needs_root
def test_nothing_but_the_file_is_believed(bench: Bench, tools: dict[str, Path], tmp_path: Path) -> None:
    bench.trust(backup(tools, up_to=Severity.HIGH))
    copy = Path(shutil.copy(tools["backup"], tmp_path / "backup"))
    program = str(tools["backup"])
    same_name = exec_of(tools["other"], 61, argv=[program], comm="backup")
    other_namespace = exec_of(tools["other"], 62, exe_path=program)
    for pid, record in ((60, exec_of(copy, 60)), (61, same_name), (62, other_namespace)):
        found = bench.feed(record, read_of(pid, pid * 1000.0))
        assert [(one.detector, one.severity) for one in found] == [("secret_read", Severity.HIGH)], pid
        assert found[0].fields.trusted is None
    assert bench.feed(read_of(63, 90000.0))[0].fields.trusted is None


@needs_root
def test_a_process_that_became_the_trusted_one_since_is_not_it(bench: Bench, tools: dict[str, Path]) -> None:
    """All records of one batch: when the finding is told, the table knows the later program."""
    bench.trust(backup(tools, up_to=Severity.HIGH))
    (found,) = bench.feed(exec_of(tools["other"], 50), read_of(50, 1), exec_of(tools["backup"], 50, 2))
    assert found.severity is Severity.HIGH


@needs_root
def test_the_trusted_one_is_it_whatever_it_became_since(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools, up_to=Severity.HIGH))
    (found,) = bench.feed(exec_of(tools["backup"], 50), read_of(50, 1), exec_of(tools["other"], 50, 2))
    assert found.severity is Severity.DEBUG


@needs_root
def test_an_ancestor_that_became_the_trusted_one_since_is_not_it(
    bench: Bench, tools: dict[str, Path]
) -> None:
    bench.trust(backup(tools, exe=None, ancestor=Executable(path=str(tools["agent"])), up_to=Severity.HIGH))
    fork = {"child_pid": 51, "child_start_ns": 10_000_500_000_000}
    child = {"pid": 51, "start_ns": 10_000_500_000_000, "ppid": 50}

    def run(first: str, then: str) -> Finding:
        engine = Bench(bench.directory, bench.modules)
        (found,) = engine.feed(
            exec_of(tools[first], 50), encode("process.fork", at_s=0.5, pid=50, **fork),
            exec_of(tools[then], 50, 1.0), read_of(at_s=2.0, **child),
        )  # fmt: skip
        return found

    assert (
        run("agent", "agent").severity is Severity.HIGH
    )  # executed again: what ran at the birth is not known
    assert run("other", "agent").severity is Severity.HIGH
    born = bench.feed(exec_of(tools["agent"], 50), encode("process.fork", at_s=0.5, pid=50, **fork))
    assert born == []
    (found,) = bench.feed(read_of(at_s=2.0, **child))
    assert found.severity is Severity.DEBUG


@needs_root
def test_nor_is_one_further_up(bench: Bench, tools: dict[str, Path]) -> None:
    ancestor = Executable(path=str(tools["agent"]))
    bench.trust(backup(tools, exe=None, ancestor=ancestor, up_to=Severity.HIGH))
    first = 10_000_500_000_000
    births = [
        encode(
            "process.fork",
            pid=50 + n,
            start_ns=first + n,
            child_pid=51 + n,
            child_start_ns=first + n + 1,
        )
        for n in range(2)
    ]
    top = {"start_ns": first}
    bench.feed(exec_of(tools["other"], 50, **top), *births, exec_of(tools["agent"], 50, 1.0, **top))
    (found,) = bench.feed(read_of(52, 2.0, start_ns=first + 2, ppid=51))
    assert found.fields.process is not None
    assert [a.exe for a in found.fields.process.ancestors] == [str(tools["other"]), str(tools["agent"])]
    assert found.severity is Severity.HIGH


@needs_root
def test_the_trusted_one_does_not_swallow_the_other(bench: Bench, tools: dict[str, Path]) -> None:
    """The rule folds by path for 300 s; only its own kind may fold into a trusted match."""
    bench.trust(backup(tools, up_to=Severity.HIGH))
    records = [exec_of(tools["backup"], 50), read_of(50, 1)]
    assert [f.severity for f in bench.feed(*records)] == [Severity.DEBUG]
    assert bench.feed(exec_of(tools["backup"], 51), read_of(51, 2)) == []
    (found,) = bench.feed(exec_of(tools["other"], 52), read_of(52, 3))
    assert found.severity is Severity.HIGH
    assert found.fields.summary.endswith("read /etc/shadow, /etc/shadow")
    assert bench.feed(exec_of(tools["other"], 53), read_of(53, 4)) == []
    (later,) = bench.feed(exec_of(tools["other"], 54), read_of(54, 400))
    assert later.fields.suppressed_count == 1
    # One process, another program: told apart as well.
    (again,) = bench.feed(exec_of(tools["backup"], 54, 401), read_of(54, 402))
    assert again.severity is Severity.DEBUG


@needs_root
def test_an_entry_ends_at_once(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools, up_to=Severity.HIGH, expires=DAY + timedelta(hours=2)))
    (found,) = bench.feed(exec_of(tools["backup"], 50), read_of(50, 1))
    assert found.severity is Severity.DEBUG
    bench.now_ns = NOW_NS + 3_600_000_000_000
    (found,) = bench.feed(read_of(50, 400))
    assert found.severity is Severity.HIGH
    assert found.fields.trusted is None


@needs_root
def test_windows_stay_when_trust_changes(bench: Bench, tools: dict[str, Path]) -> None:
    assert bench.feed(*(read_of(70 + n, n, "/etc/gshadow", uid=5) for n in range(2))) == []
    bench.trust(backup(tools, detectors=("many_reads", "secret_read")))
    (found,) = bench.feed(read_of(72, 2, "/etc/gshadow", uid=5))
    assert found.detector == "many_reads"


@needs_root
def test_a_count_that_others_may_have_made_is_not_covered(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools, detectors=("all",), up_to=Severity.CRITICAL))
    found = bench.feed(
        read_of(70, 0, "/etc/gshadow", uid=5), read_of(71, 1, "/etc/gshadow", uid=5),
        exec_of(tools["backup"], 50, -1, uid=5), read_of(50, 3, "/etc/gshadow", uid=5),
    )  # fmt: skip
    assert [(one.detector, one.severity) for one in found] == [("many_reads", Severity.HIGH)]


@needs_root
def test_every_step_of_a_sequence_must_be_covered(bench: Bench, tools: dict[str, Path]) -> None:
    bench.trust(backup(tools, detectors=("read_then_program",), up_to=Severity.HIGH))
    reader, marked = exec_of(tools["backup"], 50), exec_of(tools["backup"], 51, 2, argv=["backup", "mark"])

    def sequence(first: bytes, second: bytes) -> Finding:
        fresh = Bench(bench.directory, bench.modules)
        found = fresh.feed(first, read_of(50, 1, "/etc/gshadow"), second)
        (one,) = [f for f in found if f.detector == "read_then_program"]
        return one

    assert sequence(reader, marked).severity is Severity.DEBUG
    assert sequence(exec_of(tools["other"], 50), marked).severity is Severity.HIGH
    assert sequence(reader, exec_of(tools["other"], 51, 2, argv=["x", "mark"])).severity is Severity.HIGH


def request_of(address: str, at_s: float) -> bytes:
    return encode(
        "web.request", at_s=at_s, src_ip=address, url="/.env?a", url_path="/.env", message="GET /.env"
    )


def test_an_address_and_the_fold_by_another_key(bench: Bench) -> None:
    bench.trust(entry(networks=("192.0.2.0/24",), detectors=("asked",)))
    (found,) = bench.feed(request_of("192.0.2.9", 1))
    assert found.severity is Severity.DEBUG
    (other,) = bench.feed(request_of("198.51.100.9", 2))
    assert other.severity is Severity.MEDIUM
    assert other.fields.trusted is None


def test_the_shipped_detectors_compile_when_told_apart(tmp_path: Path) -> None:
    """`all` concerns every one of them; their engine objects must exist in the wider form, and still find."""
    tmp_path.chmod(0o750)
    bench = Bench(tmp_path / "trust.d", load_modules([paths.REPOSITORY / "modules"], Config()))
    lines = [encode("ssh.login_failed", at_s=n / 10, src_ip="192.0.2.9", user="root") for n in range(10)]
    bench.trust(entry(networks=("192.0.2.0/24",), up_to=Severity.CRITICAL))
    assert len(bench.host.told_apart) > 50
    found = bench.feed(*lines)
    assert "ssh_bruteforce" in {one.detector for one in found}
    assert {one.severity for one in found} == {Severity.DEBUG}


def test_events_that_match_nothing_ask_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.trust(entry(networks=("192.0.2.0/24",)))

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("trust was asked for an event that matched nothing")

    monkeypatch.setattr(Trusting, "subject", asked)
    monkeypatch.setattr(Trusting, "verdict", asked)
    assert bench.feed(*(request_of("192.0.2.9", n).replace(b".env", b"home") for n in range(100))) == []
    assert bench.host.errors == 0
    bench.feed(request_of("192.0.2.9", 200))
    assert bench.host.errors == 1
