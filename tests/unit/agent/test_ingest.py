# SPDX-License-Identifier: Apache-2.0
"""Lines of a real findings.jsonl into a real state.db: each once, bad ones counted with their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent import ingest as ingest_module
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.state.tx import Stored, Tx
from innerwarden.agent.state.writer import StorageError, Writer
from innerwarden.agent.tail import Tail
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity
from tests.unit.agent.support import (
    START_NS,
    append,
    finding,
    ingest_all,
    ingesting,
    line,
    reading,
    rotate,
    telemetry,
)


def keys(data_dir: Path) -> list[str]:
    """The `key` of every stored incident, in order of arrival."""
    with reading(data_dir) as reader:
        return [row.incident_id.split(":")[1] for row in reversed(reader.incidents(limit=10_000))]


def test_a_line_becomes_an_incident_with_all_its_fields(tmp_path: Path) -> None:
    one = finding(at_s=1.5, entities=(EntityRef.ip("192.0.2.7"),), summary="é seen")
    append(tmp_path, one)
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        row = reader.incident(one.fields.incident_id)
    assert row is not None
    assert (row.ts_ns, row.ts, row.severity) == (START_NS + 1_500_000_000, one.ts, Severity.HIGH)
    assert (row.detector, row.source, row.status) == (one.detector, "sensor", "open")
    assert row.fields == one.fields


def test_a_second_start_reads_nothing_twice(tmp_path: Path) -> None:
    append(tmp_path, finding(key="a"), finding(key="b"))
    ingest_all(tmp_path)
    append(tmp_path, finding(key="c"))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a", "b", "c"]
    with reading(tmp_path) as reader:
        assert reader.cursor().duplicates == 0
        assert reader.cursor().offset == paths.findings(tmp_path).stat().st_size


def test_a_partial_last_line_waits_for_its_end(tmp_path: Path) -> None:
    whole = line(finding(key="b"))
    with ingesting(tmp_path) as drain:
        append(tmp_path, finding(key="a"), whole[:40])
        drain()
        assert keys(tmp_path) == ["a"]
        append(tmp_path, whole[40:])
        drain()
    assert keys(tmp_path) == ["a", "b"]
    with reading(tmp_path) as reader:
        assert reader.cursor().bad_lines == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"not json\n", "malformed"),
        (b"\n", "empty"),
        (b'{"ts":"2026-01-02T03:04:05Z","detector":"x","severity":"high"}\n', "fields"),
        (line(finding()).replace(b'"high"', b'"awful"'), "severity"),
        (line(finding()).replace(b"2026-01-02T03:04:05.000000000Z", b"yesterday", 1), "yesterday"),
        (line(finding()).replace(b"2026-01-02T03:04:05.000000000Z", b"9999-01-02T03:04:05Z", 1), "outside"),
        (line(finding()).replace(b"something", b"\xff\xfe"), "utf-8"),
        (line(finding()).replace(b"something", b"\\ud800"), "surrogate"),
        (b"[" * 60_000 + b"\n", ""),
        (line(finding(detector="")), "empty"),
        (line(finding(summary="x" * 70_000)), "longer than"),
        (line(finding(summary="x" * 700_000)), "longer than"),
        (line(finding("telemetry")), "telemetry"),
    ],
)
def test_a_bad_line_is_counted_with_place_and_reason(tmp_path: Path, bad: bytes, reason: str) -> None:
    before, after = line(finding(key="before")), line(finding(key="after"))
    append(tmp_path, before, bad, after)
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["before", "after"]
    with reading(tmp_path) as reader:
        cursor = reader.cursor()
    assert cursor.bad_lines == 1
    assert (cursor.last_bad[0].file, cursor.last_bad[0].offset) == (
        str(paths.findings(tmp_path)),
        len(before),
    )
    assert reason.lower() in cursor.last_bad[0].reason.lower()


def test_a_too_long_line_is_counted_once_across_a_restart(tmp_path: Path) -> None:
    long = line(finding(summary="x" * 400_000))
    append(tmp_path, finding(key="a"), long[:300_000])
    ingest_all(tmp_path)
    append(tmp_path, long[300_000:], finding(key="b"))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a", "b"]
    with reading(tmp_path) as reader:
        assert reader.cursor().bad_lines == 1


def test_unknown_members_are_ignored(tmp_path: Path) -> None:
    append(tmp_path, line(finding(key="a")).replace(b'"host"', b'"later":{"x":[1]},"host"'))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a"]


def test_the_same_incident_twice_is_one_and_counted(tmp_path: Path) -> None:
    append(tmp_path, finding(key="a"), finding(key="a"))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a"]
    with reading(tmp_path) as reader:
        assert reader.cursor().duplicates == 1


def test_telemetry_has_its_own_table(tmp_path: Path) -> None:
    append(tmp_path, telemetry(0), telemetry(60), finding())
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        assert reader.telemetry_latest() == telemetry(60)
        assert reader.telemetry_since(START_NS) == [telemetry(0), telemetry(60)]
        assert len(reader.incidents()) == 1


def test_rotation_while_running_finishes_the_old_file_first(tmp_path: Path) -> None:
    with ingesting(tmp_path) as drain:
        append(tmp_path, finding(key="a"))
        drain()
        append(tmp_path, finding(key="b"))
        rotate(tmp_path)
        append(tmp_path, finding(key="c"))
        drain()
        assert keys(tmp_path) == ["a", "b", "c"]


def test_a_line_between_the_last_read_and_the_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = Tail._following
    late = [finding(key="b")]

    def rotate_first(tail: Tail) -> object:
        if late:
            append(tmp_path, late.pop())
            rotate(tmp_path)
            append(tmp_path, finding(key="c"))
        return following(tail)

    monkeypatch.setattr(Tail, "_following", rotate_first)
    append(tmp_path, finding(key="a"))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a", "b", "c"]


def test_a_file_that_may_not_be_read_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A symbolic link is refused like a file without permission; root may read all others."""
    aside = tmp_path / "aside"
    aside.write_bytes(line(finding(key="a")))
    paths.findings(tmp_path).symlink_to(aside)
    with ingesting(tmp_path) as drain:
        for _ in range(3):
            drain()
        paths.findings(tmp_path).unlink()
        append(tmp_path, finding(key="b"))
        drain()
    assert [r.message for r in caplog.records if "cannot be read" in r.message] != []
    assert len([r for r in caplog.records if "cannot be read" in r.message]) == 1
    assert keys(tmp_path) == ["b"]


def test_several_rotations_while_the_agent_was_down(tmp_path: Path) -> None:
    append(tmp_path, finding(key="a"))
    ingest_all(tmp_path)
    for key in "bcd":
        append(tmp_path, finding(key=key))
        rotate(tmp_path)
    append(tmp_path, finding(key="e"))
    ingest_all(tmp_path)
    assert keys(tmp_path) == list("abcde")
    with reading(tmp_path) as reader:
        assert reader.cursor().missed_files == 0


def test_a_first_start_begins_with_the_oldest_rotation(tmp_path: Path) -> None:
    for key in "abc":
        append(tmp_path, finding(key=key))
        rotate(tmp_path)
    ingest_all(tmp_path)
    assert keys(tmp_path) == list("abc")


def test_a_file_that_rotated_away_is_a_counted_miss(tmp_path: Path) -> None:
    append(tmp_path, finding(key="a"))
    ingest_all(tmp_path)
    for key in "bcdefg":
        rotate(tmp_path)
        append(tmp_path, finding(key=key))
    ingest_all(tmp_path)
    assert keys(tmp_path) == list("acdefg")
    with reading(tmp_path) as reader:
        cursor = reader.cursor()
    # The new file may have got the inode of the one that is gone; then it counts as a restart.
    assert (cursor.missed_files + cursor.restarts, cursor.duplicates) == (1, 0)


def test_a_removed_file_that_is_held_open_is_read_to_its_end(tmp_path: Path) -> None:
    with ingesting(tmp_path) as drain:
        append(tmp_path, finding(key="a"))
        drain()
        append(tmp_path, finding(key="b"))
        paths.findings(tmp_path).unlink()
        append(tmp_path, finding(key="c"))
        drain()
        assert keys(tmp_path) == ["a", "b", "c"]


def test_a_rotated_file_that_ends_inside_a_line(tmp_path: Path) -> None:
    with ingesting(tmp_path) as drain:
        first = line(finding(key="a"))
        append(tmp_path, first, b'{"ts":')
        drain()
        rotate(tmp_path)
        append(tmp_path, finding(key="b"))
        drain()
    assert keys(tmp_path) == ["a", "b"]
    with reading(tmp_path) as reader:
        cursor = reader.cursor()
        assert (cursor.bad_lines, cursor.last_bad[0].offset) == (1, len(first))


@pytest.mark.parametrize("running", [True, False])
def test_truncation_starts_the_file_over(tmp_path: Path, running: bool) -> None:
    with ingesting(tmp_path) as drain:
        append(tmp_path, finding(key="a"), finding(key="b"))
        drain()
        os.truncate(paths.findings(tmp_path), 0)
        if running:
            append(tmp_path, finding(key="c", at_s=1))
            drain()
    append(tmp_path, finding(key="d", at_s=2))
    ingest_all(tmp_path)
    assert keys(tmp_path) == (list("abcd") if running else list("abd"))
    with reading(tmp_path) as reader:
        assert reader.cursor().restarts == 1


def test_a_file_replaced_in_place_by_a_longer_one(tmp_path: Path) -> None:
    """The size alone does not tell: the first bytes do."""
    with ingesting(tmp_path) as drain:
        append(tmp_path, finding(key="a"))
        drain()
        new = b"".join(line(finding(key=k, at_s=9)) for k in ("x", "y", "z"))
        with paths.findings(tmp_path).open("r+b") as file:
            file.write(new)
        drain()
    assert keys(tmp_path) == ["a", "x", "y", "z"]


def test_copytruncate_goes_on_in_the_copy(tmp_path: Path) -> None:
    path = paths.findings(tmp_path)
    append(tmp_path, finding(key="a"))
    ingest_all(tmp_path)
    append(tmp_path, finding(key="b"))
    path.with_name("findings.jsonl.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)
    append(tmp_path, finding(key="c", at_s=5))
    ingest_all(tmp_path)
    assert keys(tmp_path) == ["a", "b", "c"]
    with reading(tmp_path) as reader:
        assert reader.cursor().duplicates == 0


def test_a_batch_holds_at_most_a_hundred_lines(tmp_path: Path) -> None:
    append(tmp_path, *(finding(key=str(n)) for n in range(250)))
    writer = Writer(paths.state_db(tmp_path))
    ingest = Ingest(paths.findings(tmp_path), writer, lambda tx, stored: 0)
    sizes = []
    while (done := ingest.step()) is not None:
        sizes.append(done.incidents)
    ingest.close()
    writer.close()
    assert sum(sizes) == 250
    assert max(sizes) <= ingest_module.BATCH_ROWS


def test_one_line_that_cannot_be_stored_does_not_stop_the_others(tmp_path: Path) -> None:
    def refuse(tx: Tx, stored: Stored) -> int:
        if ":b:" in stored.finding.fields.incident_id:
            raise RuntimeError("a defect")
        return 0

    append(tmp_path, *(finding(key=key) for key in "abc"))
    writer = Writer(paths.state_db(tmp_path))
    ingest = Ingest(paths.findings(tmp_path), writer, refuse)
    while ingest.step() is not None:
        pass
    ingest.close()
    writer.close()
    assert keys(tmp_path) == ["a", "c"]
    with reading(tmp_path) as reader:
        assert "RuntimeError" in reader.cursor().last_bad[0].reason


def test_a_full_database_pauses_ingest_and_loses_nothing(tmp_path: Path) -> None:
    writer = Writer(paths.state_db(tmp_path))
    ingest = Ingest(paths.findings(tmp_path), writer, lambda tx, stored: 0)
    append(tmp_path, *(finding(key=str(n), summary="x" * 2000) for n in range(300)))
    writer.run(_MaxPages(350))
    with pytest.raises(StorageError, match="no room"):
        while ingest.step() is not None:
            pass
    with reading(tmp_path) as reader:
        stored, cursor = len(reader.incidents(limit=10_000)), reader.cursor()
    assert 0 < stored < 300
    assert cursor.bad_lines == 0
    with pytest.raises(StorageError):
        ingest.step()
    writer.run(_MaxPages(1 << 30))
    while ingest.step() is not None:
        pass
    ingest.close()
    writer.close()
    assert keys(tmp_path) == [str(n) for n in range(300)]


class _MaxPages:
    """Operation: the size at which SQLite says that the disk is full."""

    durable = False

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def apply(self, tx: Tx) -> None:
        tx.db.execute(f"PRAGMA max_page_count = {self.pages}").fetchall()
