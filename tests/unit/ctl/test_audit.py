# SPDX-License-Identifier: Apache-2.0
"""audit log, verify and anchor over a record that the writer made."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import apsw
import pytest

from innerwarden import paths
from innerwarden.agent.state import record
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.ctl.auditing import words
from innerwarden.errors import UsageError
from innerwarden.model.record import KINDS, Pruned
from tests.unit.agent.state.test_record import ENTRIES
from tests.unit.ctl.test_reading_commands import invoke


class Append:
    durable = False

    def apply(self, tx: Tx) -> None:
        for entry in ENTRIES:
            record.append(tx, entry)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(data_dir: Path) -> None:
    writer = Writer(paths.state_db(data_dir))
    writer.run(Append())
    writer.close()


def spoil(data_dir: Path, sql: str) -> None:
    db = apsw.Connection(str(paths.state_db(data_dir)))
    db.execute(sql)
    db.close()


def test_log_tells_each_entry_in_words(data_dir: Path) -> None:
    code, out = invoke("audit", "log", "--data-dir", str(data_dir))
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "5", "6"]
    assert "act (block address 203.0.113.7 for 60 s) on x:203.0.113.7:t: why [rule:x]" in lines[1]
    assert "r1: asked the responder to block address 203.0.113.7 for 60 s [rule:x]" in lines[2]
    assert lines[3].endswith("r1: active")
    assert lines[4].endswith("r1: undone, because expired")
    assert lines[5].endswith("ana: deny r1")
    assert lines[6].endswith("dismiss on y: old [gate:age]")


def test_log_filters_and_limits(data_dir: Path) -> None:
    _, out = invoke("audit", "log", "--data-dir", str(data_dir), "--kind", "decided", "--json")
    assert [row["seq"] for row in json.loads(out)["data"]] == [1, 6]
    _, out = invoke("audit", "log", "--data-dir", str(data_dir), "--limit", "2", "--json")
    assert [row["seq"] for row in json.loads(out)["data"]] == [5, 6]
    _, out = invoke("audit", "log", "--data-dir", str(data_dir), "--since", "2100-01-01T00:00:00Z", "--json")
    assert json.loads(out)["data"] == []
    with pytest.raises(UsageError, match="no kind"):
        invoke("audit", "log", "--data-dir", str(data_dir), "--kind", "deleted")


def test_every_kind_has_words() -> None:
    told = [
        words(entry) for entry in (*ENTRIES, Pruned(first_seq=1, last_seq=9, last_hash="", entry_count=9))
    ]
    assert len(set(told)) == len(told) and "version" not in " ".join(told)
    assert "does not know" in words(None)
    assert {entry.kind for entry in ENTRIES} | {"pruned"} == set(KINDS)


def test_verify_says_intact_and_what_it_cannot_know(data_dir: Path) -> None:
    code, out = invoke("audit", "verify", "--data-dir", str(data_dir))
    assert code == 0
    assert out.startswith("intact: ")
    assert "entries 1 to 6, 6 in all" in out


@pytest.mark.parametrize(
    ("sql", "verdict", "seq"),
    [
        ("UPDATE record SET ts_ns = 1 WHERE seq = 3", "changed", 3),
        ("DELETE FROM record WHERE seq = 2", "changed", 2),
        ("DELETE FROM record WHERE seq > 4", "truncated", 5),
    ],
)
def test_verify_fails_with_the_place(data_dir: Path, sql: str, verdict: str, seq: int) -> None:
    spoil(data_dir, sql)
    code, out = invoke("audit", "verify", "--data-dir", str(data_dir), "--json")
    report = json.loads(out)["data"]
    assert (code, report["verdict"], report["seq"]) == (1, verdict, seq)
    assert "backup" in report["todo"]
    code, out = invoke("audit", "verify", "--data-dir", str(data_dir))
    assert code == 1 and out.startswith(f"{verdict}: ")


def test_anchors_are_appended_and_compared(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    options = ("--data-dir", str(data_dir))
    _, first = invoke("audit", "anchor", *options, "--file", str(file))
    write(data_dir)
    invoke("audit", "anchor", *options, "--file", str(file))
    lines = file.read_text().splitlines()
    assert lines[0] == first.strip()
    assert [json.loads(line)["seq"] for line in lines] == [6, 12]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    code, out = invoke("audit", "verify", *options, "--anchor", str(file))
    assert code == 0 and "2 of 2 anchors met" in out
    for table in ("record", "record_head", "sqlite_sequence", "record_checkpoints"):
        spoil(data_dir, f"DELETE FROM {table}")
    spoil(data_dir, "INSERT INTO record_head VALUES (1, 0, zeroblob(32), 0)")
    assert invoke("audit", "verify", *options)[0] == 0
    code, out = invoke("audit", "verify", *options, "--anchor", str(file))
    assert code == 1 and out.startswith("truncated: ")


def test_an_anchor_file_that_is_none_is_refused(data_dir: Path, tmp_path: Path) -> None:
    for text in ("", "nonsense\n"):
        (tmp_path / "anchors").write_text(text)
        with pytest.raises(UsageError, match="anchor"):
            invoke("audit", "verify", "--data-dir", str(data_dir), "--anchor", str(tmp_path / "anchors"))
    with pytest.raises(UsageError, match="cannot be read"):
        invoke("audit", "verify", "--data-dir", str(data_dir), "--anchor", str(tmp_path / "none"))
