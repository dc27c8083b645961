# SPDX-License-Identifier: Apache-2.0
"""Programs from memory, from deleted files and from directories that anyone can write."""

from __future__ import annotations

from typing import Any

import pytest
from innerwarden_core import Hit

from innerwarden.model._wire import ExecFlag
from tests.factory import encode
from tests.unit.core.detectors.support import engine_with, skipped, start

NAME = "suspicious_exec_origin"


def run(*records: bytes) -> list[Hit]:
    return engine_with(NAME).feed(b"".join(records))


@pytest.mark.parametrize(
    ("exe", "flags", "variant"),
    [
        ("/memfd:x (deleted)", ExecFlag.MEMFD | ExecFlag.DELETED, "memfd"),
        ("/home/bob/x", ExecFlag.DELETED, "deleted"),
        ("/tmp/ls2", ExecFlag.DIR_WORLD_WRITABLE, "world_writable"),
        ("/tmp/ls2", ExecFlag(0), "world_writable"),
        ("/var/tmp/a/b", ExecFlag(0), "world_writable"),
        ("/dev/shm/x", ExecFlag(0), "world_writable"),
        ("/srv/upload/x", ExecFlag.DIR_WORLD_WRITABLE, "world_writable"),
    ],
)
def test_each_origin_has_its_variant(exe: str, flags: ExecFlag, variant: str) -> None:
    (hit,) = run(start(50, 1, exe, exec_flags=int(flags)))
    assert hit.samples == (variant, exe)
    assert hit.group == (exe,)


def test_a_scripts_own_path_counts() -> None:
    script: dict[str, Any] = {"filename": "/tmp/run.sh", "exec_flags": int(ExecFlag.SCRIPT)}
    (hit,) = run(start(50, 1, "/usr/bin/dash", **script))
    assert hit.samples == ("world_writable", "/tmp/run.sh")


@pytest.mark.parametrize(
    ("exe", "fields"),
    [
        ("/usr/bin/ls", {}),
        ("/tmpfs/x", {}),
        ("/home/tmp/x", {}),
        ("/usr/bin/dash", {"filename": "/etc/cron.daily/x", "exec_flags": int(ExecFlag.SCRIPT)}),
        ("/usr/bin/dash", {"filename": "/tmp/x"}),
    ],
)
def test_ordinary_programs_are_none(exe: str, fields: dict[str, Any]) -> None:
    assert run(start(50, 1, exe, **fields)) == []


def test_a_container_runtime_may_run_its_own_copy() -> None:
    clone: dict[str, Any] = {"exec_flags": int(ExecFlag.MEMFD)}
    name = "/memfd:runc_cloned:/proc/self/exe (deleted)"
    engine = engine_with(NAME)
    assert engine.feed(start(50, 1, "/usr/bin/runc") + start(51, 50, name, **clone)) == []
    assert skipped(engine, NAME) == 1
    # The name alone grants nothing, nor does the parent alone.
    assert len(run(start(50, 1, "/opt/runc"), start(51, 50, name, **clone))) == 1
    assert len(run(start(50, 1, "/usr/bin/runc"), start(51, 50, "/memfd:x (deleted)", **clone))) == 1


def test_below_a_package_manager_only_memory_files_count() -> None:
    engine = engine_with(NAME)
    tree = start(50, 1, "/usr/bin/apt-get") + start(51, 50, "/usr/bin/dpkg") + start(52, 51, "/bin/sh")
    assert engine.feed(tree + start(53, 52, "/tmp/x.config.aB3", exec_flags=32)) == []
    assert engine.feed(start(54, 52, "/usr/bin/gone", exec_flags=int(ExecFlag.DELETED))) == []
    assert skipped(engine, NAME) == 2
    assert len(engine.feed(start(55, 52, "/memfd:x", exec_flags=int(ExecFlag.MEMFD)))) == 1
    # comm is forgeable: a program elsewhere with the manager's name is none.
    assert len(run(start(50, 1, "/tmp/dpkg"), start(51, 50, "/tmp/x"))) == 2


def test_one_hit_per_file_and_user() -> None:
    again = [start(50 + i, 1, "/tmp/x", float(i)) for i in range(5)]
    assert len(run(*again)) == 1
    assert len(run(*again, start(60, 1, "/tmp/y", 6.0), start(61, 1, "/tmp/x", 7.0, uid=33))) == 3
    assert len(run(again[0], encode("process.exec", 400.0, pid=70, exe_path="/tmp/x"))) == 2
