# SPDX-License-Identifier: Apache-2.0
"""Processes are keyed by (tgid, start time); ancestry is by birth; memory is bounded."""

from __future__ import annotations

import pytest
from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Record, Rule

from innerwarden.model._wire import Kind
from tests.factory import BOOT_BASE_NS, encode, start_of

TICK = 10_000_000


def fork(parent: int, child: int, *, parent_start: int = 0, child_start: int = 0) -> bytes:
    return encode(
        "process.fork",
        pid=parent,
        start_ns=parent_start or start_of(parent),
        child_pid=child,
        child_start_ns=child_start or start_of(child),
    )


def chain(engine: Engine, pid: int, start_ns: int = 0) -> list[int]:
    return [p.pid for p in engine.ancestors(pid, start_ns)]


def test_exec_and_exit_are_seen() -> None:
    engine = Engine()
    engine.feed(
        encode(
            "process.exec",
            pid=7,
            uid=1000,
            exe_path="/usr/bin/env",
            argv=["env", "-i"],
            cwd="/srv",
            login_uid=1000,
            exec_flags=64,
        )
    )
    process = engine.process(7)
    assert process is not None
    assert (process.pid, process.start_ns, process.ppid) == (7, start_of(7), 1)
    assert (process.exe_path, process.argv, process.cwd) == ("/usr/bin/env", ["env", "-i"], "/srv")
    assert (process.uid, process.login_uid, process.comm) == (1000, 1000, "env")
    assert (process.exec_ts_ns, process.exec_flags, process.exited) == (BOOT_BASE_NS, 64, False)
    engine.feed(encode("process.exit", pid=7))
    after = engine.process(7)
    assert after is not None and after.exited
    assert engine.process(8) is None


def test_a_child_runs_what_its_parent_runs_until_it_execs() -> None:
    engine = Engine()
    engine.feed(encode("process.exec", pid=5, exe_path="/bin/sh", argv=["sh"]) + fork(5, 6))
    child = engine.process(6)
    assert child is not None and (child.exe_path, child.ppid) == ("/bin/sh", 5)
    engine.feed(encode("process.exec", pid=6, ppid=5, exe_path="/bin/ls", argv=["ls"]))
    child, parent = engine.process(6), engine.process(5)
    assert child is not None and parent is not None
    assert (child.exe_path, parent.exe_path) == ("/bin/ls", "/bin/sh")


def test_ancestry_is_by_birth_and_survives_exit_and_reparenting() -> None:
    engine = Engine()
    engine.feed(encode("process.exec", pid=1, ppid=0, exe_path="/sbin/init"))
    engine.feed(fork(1, 10) + fork(10, 11) + fork(11, 12))
    engine.feed(encode("process.exit", pid=10) + encode("process.exit", pid=11))
    # The kernel has given pid 12 to init by now, and says so.
    engine.feed(encode("process.exec", pid=12, ppid=1, exe_path="/bin/x"))
    assert chain(engine, 12) == [11, 10, 1]
    assert engine.process(12).ppid == 11  # type: ignore[union-attr]


def test_a_reused_pid_is_another_process() -> None:
    engine = Engine()
    old, new = 1_000 * TICK, 5_000 * TICK + 3
    engine.feed(fork(1, 9, child_start=old))
    engine.feed(encode("process.exec", pid=9, start_ns=old, exe_path="/bin/old"))
    engine.feed(fork(9, 20, parent_start=old))
    engine.feed(fork(2, 9, child_start=new))
    engine.feed(encode("process.exec", pid=9, ppid=2, start_ns=new, exe_path="/bin/new"))
    assert engine.process(9, old).exe_path == "/bin/old"  # type: ignore[union-attr]
    assert engine.process(9, new).exe_path == "/bin/new"  # type: ignore[union-attr]
    assert engine.process(9).start_ns == new  # type: ignore[union-attr]
    assert engine.process(9, old).exited, "its pid was given away"  # type: ignore[union-attr]
    assert engine.process(9, 77) is None
    # The child of the first holder keeps it as its parent.
    assert engine.ancestors(20)[0].start_ns == old


def test_exec_by_a_thread_that_is_not_the_leader() -> None:
    """After it, tid is the leader's; old_tid says who called. There is one entry, with the old parent."""
    engine = Engine()
    engine.feed(fork(3, 30))
    engine.feed(encode("process.exec", pid=30, tid=30, old_tid=31, ppid=3, exe_path="/bin/threaded"))
    assert engine.stats()["processes"]["entries"] == 2
    assert engine.process(30).exe_path == "/bin/threaded"  # type: ignore[union-attr]
    assert chain(engine, 30) == [3]


def test_a_seeded_entry_merges_with_the_kernels_first_record() -> None:
    engine = Engine()
    exact = 123_456_789_012
    tick = exact // TICK * TICK
    engine.seed_process(1, TICK, 0, 0, 0, 0xFFFFFFFF, b"init", b"/sbin/init", b"init\0", b"/")
    engine.seed_process(50, tick, 1, TICK, 33, 33, b"nginx", b"/usr/sbin/nginx", b"nginx\0-g\0", b"/")
    assert engine.process(50, exact).exe_path == "/usr/sbin/nginx"  # type: ignore[union-attr]
    engine.feed(fork(50, 51, parent_start=exact))
    parent = engine.process(50)
    assert parent is not None
    assert (parent.start_ns, parent.login_uid, parent.argv) == (exact, 33, ["nginx", "-g"])
    assert engine.stats()["processes"]["entries"] == 3
    assert chain(engine, 51) == [50, 1]


def test_seeding_after_the_kernels_record_adds_only_what_is_missing() -> None:
    engine = Engine()
    exact = 123_456_789_012
    engine.feed(encode("process.exec", pid=50, ppid=7, start_ns=exact, uid=5, exe_path="/bin/true"))
    engine.seed_process(50, exact // TICK * TICK, 1, TICK, 33, 33, b"late", b"/bin/stale", b"", None)
    process = engine.process(50)
    assert process is not None
    assert (process.exe_path, process.ppid, process.uid, process.comm) == ("/bin/true", 7, 5, "true")
    assert engine.stats()["processes"]["entries"] == 1


def test_a_parent_named_with_tick_resolution_is_found() -> None:
    engine = Engine()
    exact = 55 * TICK + 7
    engine.feed(encode("process.exec", pid=60, start_ns=exact, exe_path="/bin/bash"))
    engine.seed_process(61, 80 * TICK, 60, 55 * TICK, 0, 0, b"x", b"/bin/x", b"", None)
    assert chain(engine, 61) == [60]


def test_exited_processes_go_first_then_the_least_recently_seen() -> None:
    engine = Engine(process_entries=16)
    for pid in range(100, 116):
        engine.feed(encode("process.exec", pid=pid, exe_path="/bin/x"))
    engine.feed(encode("process.exit", pid=110))
    engine.feed(encode("process.exec", pid=100, exe_path="/bin/again"))
    engine.feed(encode("process.exec", pid=200, exe_path="/bin/x"))
    assert engine.process(110) is None
    engine.feed(encode("process.exec", pid=201, exe_path="/bin/x"))
    assert engine.process(101) is None
    assert engine.process(100) is not None
    stats = engine.stats()["processes"]
    assert (stats["entries"], stats["evicted"], stats["evicted_live"]) == (16, 2, 1)


def test_strings_are_bounded_in_bytes() -> None:
    limit = 64 << 10
    engine = Engine(process_entries=4096, process_bytes=limit)
    for pid in range(2, 1000):
        engine.feed(encode("process.exec", pid=pid, exe_path="/bin/x", argv=["x", "y" * 3000]))
        assert engine.stats()["processes"]["bytes"] <= limit
    assert engine.stats()["processes"]["evicted"] > 900
    assert engine.process(999).argv == ["x", "y" * 3000]  # type: ignore[union-attr]


def test_strings_larger_than_the_limit_are_refused_and_counted() -> None:
    engine = Engine(process_entries=64, process_bytes=100)
    engine.feed(encode("process.exec", pid=5, exe_path="/" + "x" * 200))
    assert engine.process(5).exe_path is None  # type: ignore[union-attr]
    assert engine.stats()["processes"]["images_refused"] == 1


def test_forks_share_their_parents_strings() -> None:
    engine = Engine()
    engine.feed(encode("process.exec", pid=2, exe_path="/bin/x", argv=["x", "y" * 3000]))
    before = engine.stats()["processes"]["bytes"]
    for child in range(1000, 3000):
        engine.feed(fork(2, child))
    assert engine.stats()["processes"]["bytes"] == before


def test_the_table_keeps_four_kib_of_argv_and_the_record_all() -> None:
    engine = Engine()
    argv = ["x", "y" * 9000]
    engine.feed(encode("process.exec", pid=2, exe_path="/bin/x", argv=argv))
    kept = engine.process(2)
    assert kept is not None and sum(len(a) + 1 for a in kept.argv) <= 4098
    assert (kept.argv_len, kept.argv_incomplete) == (9003, True)
    engine.feed(encode("process.exec", at_s=1, pid=2, exe_path="/bin/x", argv=["x", "yz"]))
    again = engine.process(2)
    assert again is not None and (again.argv_len, again.argv_incomplete) == (5, False)


def test_arguments_from_proc_tell_how_many_there_were() -> None:
    engine = Engine()
    engine.seed_process(7, TICK, 1, 0, 0, 0, b"x", b"/bin/x", b"x\0y", None, argv_len=5000)
    engine.seed_process(8, TICK, 1, 0, 0, 0, b"x", b"/bin/x", b"x\0yz\0", None)
    cut, whole = engine.process(7), engine.process(8)
    assert cut is not None and (cut.argv_len, cut.argv_incomplete) == (5000, True)
    assert whole is not None and (whole.argv_len, whole.argv_incomplete) == (5, False)


@pytest.mark.parametrize("flood", [5_000])
def test_many_short_processes_leave_the_table_bounded(flood: int) -> None:
    engine = Engine(process_entries=256)
    for pid in range(2, flood):
        engine.feed(fork(1, pid) + encode("process.exit", pid=pid))
    stats = engine.stats()["processes"]
    assert stats["entries"] == 256
    assert engine.process(1) is not None, "the live parent outlives its dead children"


def test_a_credential_change_is_seen_by_the_children() -> None:
    engine = Engine()
    parent_uid = Predicate(FIELDS["parent_uid"], OPERATORS["eq"], [0])
    engine.configure([Rule("child_of_root", [Kind.PROCESS_EXEC], [parent_uid], [(0, -1, -2)])], [], [])
    engine.feed(encode("process.exec", pid=5, uid=1000, exe_path="/bin/sh") + fork(5, 6))
    exec_ = encode("process.exec", pid=6, ppid=5, exe_path="/bin/id", uid=1000)
    assert engine.feed(exec_) == []
    engine.feed(encode("credential.change", pid=5, uid=0))
    assert len(engine.feed(exec_)) == 1


def test_a_hit_of_an_unknown_process_makes_it_known() -> None:
    engine = Engine()
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    engine.configure([Rule("open", [Kind.FILE_OPEN], [always], [(0, -1, -2)])], [], [])
    (hit,) = engine.feed(encode("file.open", pid=77, ppid=3, path="/x"))
    assert Record(hit.record).get("path") == "/x"
    assert engine.process(77).ppid == 3  # type: ignore[union-attr]


def test_a_cycle_of_parents_ends() -> None:
    engine = Engine()
    engine.seed_process(5, 5 * TICK, 6, 6 * TICK, 0, 0, b"", b"/a", b"", None)
    engine.seed_process(6, 6 * TICK, 5, 5 * TICK, 0, 0, b"", b"/b", b"", None)
    assert len(engine.ancestors(5, limit=1000)) <= 64


def test_the_file_that_a_process_runs_is_kept_and_inherited() -> None:
    engine = Engine()
    engine.feed(
        encode("process.exec", pid=7, exe_path="/usr/bin/env", exe_inode=1 << 40, exe_dev=8 << 20 | 1)
        + fork(7, 8)
    )
    engine.seed_process(9, 90 * TICK, 7, start_of(7), 0, 0, b"x", b"/x", b"x\0", None, exe_inode=5, exe_dev=6)
    engine.seed_process(10, 90 * TICK, 7, start_of(7), 0, 0, b"x", b"/x", b"x\0", None)
    known = {pid: engine.process(pid) for pid in (7, 8, 9, 10)}
    found = {pid: (p.exe_inode, p.exe_dev) for pid, p in known.items() if p is not None}
    assert found == {7: (1 << 40, 8 << 20 | 1), 8: (1 << 40, 8 << 20 | 1), 9: (5, 6), 10: (0, 0)}
    engine.feed(encode("process.exec", pid=8, at_s=1, exe_path="/usr/bin/id"))
    assert engine.process(8) is not None
    assert engine.process(8).exe_inode == 0  # type: ignore[union-attr]
