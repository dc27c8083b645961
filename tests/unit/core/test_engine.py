# SPDX-License-Identifier: Apache-2.0
"""The engine's own promises: hits, cooldowns, bounds, capture, log text, configuration, threads."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from innerwarden_core import (
    FIELDS,
    NATIVE_DETECTORS,
    OPERATORS,
    AuthParser,
    Correlation,
    Engine,
    Hit,
    MemoryRing,
    NativeDetector,
    Predicate,
    Record,
    Ring,
    Rule,
)

from innerwarden.model._wire import Kind
from tests.factory import REAL_BASE_NS, encode, start_of

NS = 1_000_000_000
CORE = Path(__file__).resolve().parents[3] / "core/innerwarden_core"
ALWAYS = [Predicate(FIELDS["kind_name"], OPERATORS["exists"], [])]
GO = [(0, -1, -2)]


def opens(at_s: float = 0.0, pid: int = 9, path: str = "/x") -> bytes:
    return encode("file.open", at_s=at_s, pid=pid, path=path)


def engine_with(*rules: Rule, **options: int) -> Engine:
    engine = Engine(**options)
    engine.configure(rules, [], [])
    return engine


def open_rule(
    owner: str = "r", *, group_by: tuple[int, ...] = (), cooldown_s: int = 0, emit: bool = True
) -> Rule:
    return Rule(
        owner, [Kind.FILE_OPEN], ALWAYS, GO, group_by=group_by, cooldown_ns=cooldown_s * NS, emit=emit
    )


def test_a_hit_carries_its_record_group_and_time() -> None:
    rule = open_rule(group_by=(FIELDS["path"], FIELDS["pid"], FIELDS["exe_path"]))
    data = opens(1.5)
    (hit,) = engine_with(rule).feed(data)
    assert (hit.owner, hit.record, hit.group) == ("r", data, ("/x", "9", ""))
    assert (hit.ts_ns, hit.first_ts_ns) == (Record(data).get("ts_ns"),) * 2
    assert (hit.count, hit.suppressed, hit.samples, hit.steps, hit.related) == (1, 0, (), (), None)


def test_hits_can_not_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Hit()


def test_a_cooldown_swallows_counts_and_tells_with_the_next_hit() -> None:
    engine = engine_with(open_rule(cooldown_s=10))
    assert len(engine.feed(opens(0))) == 1
    assert engine.feed(opens(1) + opens(9.9)) == []
    assert len(engine.feed(opens(2, pid=10))) == 1, "another process has its own cooldown"
    (hit,) = engine.feed(opens(10))
    assert hit.suppressed == 2
    assert engine.stats()["suppressed"] == 2


def test_a_cooldown_goes_by_group_and_by_owner() -> None:
    engine = engine_with(
        open_rule("a", group_by=(FIELDS["path"],), cooldown_s=10),
        open_rule("b", group_by=(FIELDS["path"],), cooldown_s=10),
    )
    hits = engine.feed(opens(0, pid=1) + opens(1, pid=2) + opens(2, path="/y"))
    assert [(h.owner, h.group) for h in hits] == [(o, (p,)) for p in ("/x", "/y") for o in ("a", "b")]


def test_a_cooldown_holds_for_events_that_come_late_but_not_for_another_age() -> None:
    engine = engine_with(open_rule(cooldown_s=10))
    assert len(engine.feed(opens(100))) == 1
    assert engine.feed(opens(95)) == []
    assert len(engine.feed(opens(50))) == 1


def test_a_cooldown_survives_a_configure() -> None:
    engine = engine_with(open_rule(cooldown_s=10))
    engine.feed(opens(0))
    engine.configure([open_rule(cooldown_s=10), open_rule("other")], [], [])
    assert [h.owner for h in engine.feed(opens(1))] == ["other"]


def test_a_rule_that_does_not_emit_feeds_correlations_only() -> None:
    engine = Engine()
    two = Correlation(
        "two", "event_count", ["quiet"], [[FIELDS["pid"]]], 10 * NS, threshold=2, cooldown_ns=60 * NS
    )
    engine.configure([open_rule("quiet", emit=False)], [two], [])
    assert [h.owner for h in engine.feed(opens(0) + opens(1))] == ["two"]
    assert engine.feed(opens(2) + opens(3)) == []
    assert engine.feed(opens(70) + opens(71))[0].suppressed == 1


def test_a_buffer_larger_than_a_batch_of_hits_loses_none() -> None:
    engine = engine_with(open_rule(), max_hits=8)
    assert len(engine.feed(opens() * 5000)) == 5000
    memory = MemoryRing(1 << 20)
    ring = Ring(memory.fd, 1 << 20)
    for _ in range(3000):
        assert memory.write(opens())
    assert len(engine.drain([ring], 0)) == 3000
    assert engine.stats()["hits_lost"] == 0


def test_more_hits_of_one_record_than_fit_are_counted() -> None:
    engine = engine_with(*[open_rule(f"r{i}") for i in range(1100)], max_hits=1)
    hits = engine.feed(opens())
    stats = engine.stats()
    assert len(hits) + stats["hits_lost"] == 1100 == stats["hits"]
    assert stats["hits_lost"] > 0


def test_counters_say_what_was_seen() -> None:
    engine = engine_with()
    data = opens() * 3 + encode("network.bind")
    engine.feed(data)
    stats = engine.stats()
    assert stats["records"]["file.open"] == 3
    assert stats["bytes"]["file.open"] == 3 * len(opens())
    assert sum(stats["records"].values()) == 4


def test_capture_keeps_every_record_also_unmatched_ones() -> None:
    engine = engine_with()
    engine.capture(True)
    blob = b"".join(opens(i, path="/" + "x" * (i % 3000)) for i in range(2000))
    engine.feed(blob)
    assert engine.take_captured() == blob
    assert engine.take_captured() == b""
    engine.capture(False)
    engine.feed(blob)
    assert engine.take_captured() == b""


def test_log_text_runs_whole_lines_only() -> None:
    rule = Rule("failed", [Kind.SSH_LOGIN_FAILED], ALWAYS, GO, group_by=(FIELDS["src_ip"], FIELDS["user"]))
    engine = engine_with(rule, max_hits=2)
    line = "Nov  2 10:00:0{} web sshd[5]: Failed password for root from 192.0.2.{} port 4000{} ssh2\n"
    text = "".join(line.format(i, i, i) for i in range(9)).encode()
    parser = AuthParser(now_s=REAL_BASE_NS // NS)
    hits, done = engine.feed_lines(text[:-10], parser)
    assert done == text[:-1].rindex(b"\n") + 1
    more, rest = engine.feed_lines(text[done:], parser)
    assert rest == len(text) - done
    assert [h.group for h in hits + more] == [(f"192.0.2.{i}", "root") for i in range(9)]
    assert engine.feed_lines(b"", parser) == ([], 0)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:7:9:1:2:3:4", "2001:db8:7:9::"),
        ("::1", "::"),
    ],
)
def test_the_network_of_a_source(address: str, network: str) -> None:
    rule = Rule("failed", [Kind.SSH_LOGIN_FAILED], ALWAYS, GO, group_by=(FIELDS["src_network"],))
    (hit,) = engine_with(rule).feed(encode("ssh.login_failed", src_ip=address))
    assert hit.group == (network,)


def test_a_line_without_a_source_has_no_network() -> None:
    rule = Rule(
        "failed", [Kind.SSH_LOGIN_FAILED], [Predicate(FIELDS["src_network"], OPERATORS["exists"], ())], GO
    )
    assert engine_with(rule).feed(encode("ssh.login_failed", user="root")) == []


def test_two_detectors_of_one_kind_both_fire() -> None:
    engine = Engine()
    natives = [NativeDetector(name, "suspicious_exec_origin", {}) for name in ("one", "two")]
    engine.configure([], [], natives)
    hits = engine.feed(encode("process.exec", exe_path="/tmp/x"))
    assert [h.owner for h in hits] == ["one", "two"]


def test_native_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="no native detector 'nothing'"):
        NativeDetector("x", "nothing", {})
    with pytest.raises(ValueError, match="no parameter 'speed'"):
        NativeDetector("x", "reverse_shell", {"speed": 1})
    with pytest.raises(ValueError, match="window_s=-1"):
        NativeDetector("x", "reverse_shell", {"window_s": -1})
    assert NATIVE_DETECTORS["reverse_shell"]["window_s"] == 60


def test_no_python_object_for_records_that_do_not_match() -> None:
    never = Predicate(FIELDS["path"], OPERATORS["equals"], [b"/never"])
    engine = engine_with(Rule("r", [Kind.FILE_OPEN], [never], GO))
    blob = opens() * 10_000
    engine.feed(blob)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    engine.feed(blob)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 2_000, "a few objects for the call, none for the ten thousand records"


def test_other_threads_may_ask_while_one_drains() -> None:
    engine = engine_with(open_rule(cooldown_s=1000))
    memory = MemoryRing(1 << 20)
    ring = Ring(memory.fd, 1 << 20)
    stop = threading.Event()
    problems: list[BaseException] = []

    def ask() -> None:
        try:
            while not stop.is_set():
                engine.stats()
                engine.ancestors(5)
                engine.process(9)
                engine.configure([open_rule(cooldown_s=1000)], [], [])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        memory.write(encode("process.fork", pid=5, child_pid=number + 10, child_start_ns=number + 1))
        memory.write(opens(pid=number))
        if number % 100 == 0:
            engine.drain([ring], 1)
    engine.drain([ring], 0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert engine.stats()["records"]["file.open"] == 3000


def test_two_correlations_with_one_owner_are_refused() -> None:
    engine = engine_with()
    one = Correlation("c", "event_count", ["r"], [[]], NS)
    with pytest.raises(ValueError, match="two correlations have the owner c"):
        engine.configure([open_rule()], [one, one], [])


def test_a_missing_extension_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "innerwarden_core"
    (package / "detectors").mkdir(parents=True)
    for name in ("__init__.py", "detectors/__init__.py", "anchors.py"):
        (package / name).write_text((CORE / name).read_text())
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import innerwarden_core"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "is not built; run `make build`" in done.stderr.splitlines()[-1]


def test_nothing_of_the_exempt_process_and_its_descendants_is_judged() -> None:
    """A child is known by its header, a grandchild by the table; the next process of the same pid is nobody's child."""
    engine = engine_with(open_rule(group_by=(FIELDS["pid"],)))
    canary = {"pid": 50, "start_ns": start_of(50)}
    engine.exempt(50, start_of(50))
    born = encode("process.fork", child_pid=51, child_start_ns=start_of(51), **canary)
    born += encode(
        "process.fork",
        child_pid=52,
        child_start_ns=start_of(52),
        pid=51,
        start_ns=start_of(51),
        ppid=50,
        parent_start_ns=start_of(50),
    )
    of_family = opens(pid=50) + encode(
        "file.open", pid=60, ppid=50, parent_start_ns=start_of(50), path="/child that no fork announced"
    )
    of_family += encode("file.open", pid=52, ppid=51, parent_start_ns=start_of(51), path="/grandchild")
    engine.capture(True)
    assert engine.feed(born + of_family) == []
    assert engine.take_captured() == b""
    assert engine.stats()["records"]["file.open"] == 3, "they count, so that the canary can be confirmed"
    assert engine.process(52, start_of(52)) is not None
    later = encode("file.open", pid=50, start_ns=start_of(50) + NS, path="/the pid's next owner")
    other = encode("file.open", pid=70, ppid=71, parent_start_ns=start_of(71), path="/somebody else")
    assert [hit.group for hit in engine.feed(later + other)] == [("50",), ("70",)]
    engine.exempt(0)
    assert len(engine.feed(of_family)) == 3


def test_an_exempt_process_may_be_named_by_clock_ticks() -> None:
    engine = engine_with(open_rule())
    exact = start_of(50) + 3_456_789
    engine.exempt(50, start_of(50))
    assert engine.feed(encode("file.open", pid=50, start_ns=exact, path="/x")) == []
    assert len(engine.feed(encode("file.open", pid=50, start_ns=exact + 10_000_000, path="/x"))) == 1


def test_log_lines_are_nobodys_exemption() -> None:
    engine = engine_with(Rule("r", [Kind.SSH_PROBE], ALWAYS, GO))
    engine.exempt(50, 0)
    assert len(engine.feed(encode("ssh.probe", pid=50, src_ip="192.0.2.1"))) == 1


def test_a_hit_keeps_its_process_as_it_was() -> None:
    """A shell opens a file and becomes another program before anybody reads the hit."""
    engine = engine_with(Rule("opened", [Kind.FILE_OPEN], [], []))
    who = {"pid": 20, "ppid": 1}
    (hit,) = engine.feed(
        encode("process.exec", exe_path="/bin/sh", argv=["sh", "-c", "x"], **who)
        + encode("file.open", at_s=0.1, path="/etc/cron.d/x", **who)
        + encode("process.exec", at_s=0.2, exe_path="/usr/bin/timeout", argv=["timeout"], **who)
    )
    assert (hit.actor.exe_path, hit.actor.argv) == ("/bin/sh", ["sh", "-c", "x"])
    assert engine.process(20, start_of(20)).exe_path == "/usr/bin/timeout"
    assert engine.feed(encode("file.open", at_s=0.3, path="/x", pid=999))[0].actor.exe_path is None


def test_images_that_hits_held_are_given_back() -> None:
    engine = engine_with(Rule("opened", [Kind.FILE_OPEN], [], []))
    before = engine.stats()["processes"]["bytes"]
    for _ in range(50):
        blob = encode("process.exec", pid=20, ppid=1, exe_path="/bin/sh", argv=["sh"])
        blob += encode("file.open", at_s=0.1, path="/x", pid=20, ppid=1) * 3
        blob += encode("process.exit", at_s=0.2, pid=20, ppid=1)
        engine.feed(blob)
    blob = encode("process.exec", pid=20, ppid=1, exe_path="/bin/sh", argv=["sh"])
    engine.feed(blob)
    assert engine.stats()["processes"]["bytes"] - before < 1000


def test_a_record_that_comes_after_a_later_exec_is_the_former_programs() -> None:
    """Opens wait in a slower ring than execs."""
    by_shell = Predicate(FIELDS["exe_path"], OPERATORS["equals"], [b"/usr/sbin/sshd"])
    named = Predicate(FIELDS["command_line"], OPERATORS["equals"], [b"sshd -d"])
    rule = Rule("opened", [Kind.FILE_OPEN], [by_shell, named], [(0, 1, -2), (1, -1, -2)])
    engine = engine_with(rule)
    who = {"pid": 20, "ppid": 1}
    first = encode("process.exec", exe_path="/usr/sbin/sshd", argv=["sshd", "-d"], **who)
    later = encode("process.exec", at_s=2.0, exe_path="/bin/bash", argv=["bash"], **who)
    (hit,) = engine.feed(first + later + encode("file.open", at_s=1.0, path="/var/log/wtmp", **who))
    assert (hit.actor.exe_path, hit.actor.argv) == ("/usr/sbin/sshd", ["sshd", "-d"])
    assert engine.feed(encode("file.open", at_s=3.0, path="/var/log/wtmp", **who)) == []


def test_images_of_before_are_given_back() -> None:
    engine = Engine(process_entries=64)
    for number in range(3000):
        pid = 100 + number
        engine.feed(
            encode("process.exec", pid=pid, ppid=1, exe_path="/bin/sh", argv=["sh", "x" * 500])
            + encode("process.exec", at_s=1.0, pid=pid, ppid=1, exe_path="/bin/ls", argv=["ls", "y" * 500])
            + encode("process.exit", at_s=2.0, pid=pid, ppid=1)
        )
    assert engine.stats()["processes"]["bytes"] < 64 * 2 * 800
