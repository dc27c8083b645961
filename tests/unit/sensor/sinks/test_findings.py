# SPDX-License-Identifier: Apache-2.0
"""The findings file: whole lines, rotation, a refusing disk, a torn line."""

from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path

import pytest

from innerwarden.model.finding import MAX_LINE_BYTES, Evidence, Finding, IncidentFields, Process, ProcessRef
from innerwarden.model.severity import Severity
from innerwarden.sensor.sinks.findings import FindingsSink


def finding(name: str, **fields: object) -> Finding:
    body = IncidentFields(incident_id=name, host="h", title="t", summary="s", **fields)  # type: ignore[arg-type]
    return Finding(ts="2026-01-01T00:00:00.000000000Z", detector="d", severity=Severity.HIGH, fields=body)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_finding_is_one_line_readable_by_owner_and_group_only(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    sink = FindingsSink(path, max_bytes=1 << 20, keep=2)
    sink.write([finding("a"), finding("b\nc")])
    sink.close()
    assert [line["fields"]["incident_id"] for line in lines(path)] == ["a", "b\nc"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_full_file_is_renamed_and_only_the_kept_number_stays(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    sink = FindingsSink(path, max_bytes=400, keep=2)
    for number in range(20):
        sink.write([finding(f"n{number:02d}")])
    sink.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["findings.jsonl", "findings.jsonl.1", "findings.jsonl.2"]
    newest = [line["fields"]["incident_id"] for line in lines(path)]
    assert newest[-1] == "n19"
    assert all(p.stat().st_size <= 400 for p in tmp_path.iterdir())


def test_a_torn_line_of_a_dead_writer_stays_one_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    path.write_bytes(b'{"ts": "2026')
    sink = FindingsSink(path, max_bytes=1 << 20, keep=2)
    sink.write([finding("after")])
    sink.close()
    torn, whole = path.read_text().splitlines()
    assert torn == '{"ts": "2026'
    assert json.loads(whole)["fields"]["incident_id"] == "after"


def test_a_huge_finding_is_cut_to_the_line_limit_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    big = "x" * 100_000
    tree = Process(pid=1, argv=(big, big), ancestors=(ProcessRef(pid=2, argv=(big,)),))
    evidence = (Evidence(kind="k", text=big, details={"v": big}),)
    sink = FindingsSink(path, max_bytes=1 << 20, keep=2)
    sink.write([finding("big", evidence=evidence, process=tree)])
    sink.close()
    raw = path.read_bytes()
    assert len(raw) <= MAX_LINE_BYTES
    fields = json.loads(raw)["fields"]
    assert "truncated" in fields["tags"]
    assert fields["process"]["pid"] == 1
    assert fields["process"]["argv_incomplete"] is True


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which this system lacks")
def test_lines_wait_while_the_disk_is_full_and_then_arrive_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "findings.jsonl"
    sink = FindingsSink(path, max_bytes=1 << 20, keep=2)
    real = os.dup(sink.file.fileno())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, sink.file.fileno())
    sink.write([finding("first"), finding("second")])
    assert sink.backlog == 2
    for _ in range(50):  # as the sensor's loop does
        sink.flush()
    os.dup2(real, sink.file.fileno())
    sink.flush()
    said = [record.message.partition(" path=")[0] for record in caplog.records]
    assert len(said) == 2
    assert said[0] == "findings are waiting"
    assert said[1].startswith("findings go on after_s=")
    assert [line["fields"]["incident_id"] for line in lines(path)] == ["first", "second"]
    assert sink.lost == 0
    for fd in (real, full):
        os.close(fd)
    sink.close()


def test_a_line_that_fits_only_in_part_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    sink = FindingsSink(path, max_bytes=1 << 20, keep=2)
    sink.write([finding("whole")])
    size = path.stat().st_size
    pid = os.fork()
    if pid == 0:  # the limit can only be lowered, so a child tries it
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, size + 20))
        sink.write([finding("too long")])
        os._exit(0 if sink.backlog == 1 and path.stat().st_size == size else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, errno.EFBIG
    assert [line["fields"]["incident_id"] for line in lines(path)] == ["whole"]
    sink.close()
