# SPDX-License-Identifier: Apache-2.0
"""Log files through the shipped detectors: exact findings, by event time, the same every time."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest
from innerwarden_core import AuthParser

from innerwarden.config import Config
from innerwarden.errors import UnavailableError, UsageError
from innerwarden.sensor import replay
from innerwarden.sensor.replay import ReplayResult

HOSTILE, QUIET = "192.0.2.66", "198.51.100.5"
#: 2026-11-02 12:00 UTC, after every sample line.
WRITTEN_S = 1_793_620_800


def attempt(second: int, source: str, user: str = "root", minute: int = 0) -> str:
    stamp = f"2026-11-02T10:{minute:02d}:{second:02d}Z"
    tag = f"{stamp} web sshd[{second + 100}]:"
    return f"{tag} Failed password for {user} from {source} port {2000 + second} ssh2\n"


def storm(minute: int = 0, source: str = HOSTILE) -> str:
    return "".join(attempt(second, source, minute=minute) for second in range(0, 40, 2))


def put(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    os.utime(path, (WRITTEN_S, WRITTEN_S))
    return path


def run(*paths: Path, source: str = "auth_log") -> ReplayResult:
    return replay.run(list(paths), source, Config(host="web"))


def ids(result: ReplayResult, detector: str = "ssh_bruteforce") -> list[str]:
    return [f.fields.incident_id for f in result.findings if f.detector == detector]


def test_a_storm_is_one_finding_at_the_time_of_its_lines(tmp_path: Path) -> None:
    quiet = attempt(1, QUIET) + attempt(50, QUIET)
    result = run(put(tmp_path / "auth.log", storm() + quiet))
    (found,) = ids(result)
    assert found.startswith(f"ssh_bruteforce:{HOSTILE}:2026-11-02T10:00:")
    assert (result.lines, result.matched, result.malformed) == (22, 22, 0)


def test_twice_the_same(tmp_path: Path) -> None:
    path = put(tmp_path / "auth.log", storm() + storm(30, QUIET) + storm(55))
    first, second = run(path), run(path)
    assert first.findings and first.findings == second.findings


def test_lines_spread_over_hours_are_no_storm(tmp_path: Path) -> None:
    lines = "".join(attempt(0, HOSTILE).replace("T10:00", f"T{hour:02d}:00") for hour in range(12))
    assert ids(run(put(tmp_path / "auth.log", lines))) == []


def test_a_repeated_message_counts_as_often_as_it_says(tmp_path: Path) -> None:
    one = attempt(1, HOSTILE)
    head, message = one.rstrip().split("]: ", 1)
    folded = f"{head}]: message repeated 20 times: [ {message}]\n"
    assert len(ids(run(put(tmp_path / "auth.log", folded)))) == 1


def test_gzip_by_content_not_by_name(tmp_path: Path) -> None:
    plain = run(put(tmp_path / "auth.log", storm()))
    packed = put(tmp_path / "auth.log.2.gz", storm())
    renamed = tmp_path / "packed.log"
    packed.rename(renamed)
    assert ids(run(renamed)) == ids(plain)


def test_rotated_files_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Three attempts in each of three files are a storm only one after the other."""
    text = storm()
    lines = text.splitlines(keepends=True)
    parts = [lines[:7], lines[7:14], lines[14:]]
    names = ["auth.log.2.gz", "auth.log.1", "auth.log"]
    paths = [put(tmp_path / name, "".join(part)) for name, part in zip(names, parts, strict=True)]
    expected = ids(run(put(tmp_path / "whole.log", text)))
    assert ids(run(*paths)) == ids(run(*reversed(paths))) == expected


def test_times_without_a_year_take_it_from_the_file(tmp_path: Path) -> None:
    text = storm().replace("2026-11-02T", "Nov  2 ").replace("Z web", " web")
    for year, written in ((2026, WRITTEN_S), (2021, WRITTEN_S - 157_766_400)):
        path = put(tmp_path / "auth.log", text)
        os.utime(path, (written, written))
        assert f":{year}-11-0" in ids(run(path))[0]


def test_malformed_lines_are_counted_and_the_rest_is_judged(tmp_path: Path) -> None:
    noise = b"\xff\xfe\x00\n\nno log line\n" + b"x" * (300 << 10) + b"\n"
    result = run(put(tmp_path / "auth.log", noise + storm().encode()))
    assert len(ids(result)) == 1 and result.malformed >= 3


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    result = run(put(tmp_path / "auth.log", storm().rstrip("\n")))
    assert result.matched == 20


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    path = put(tmp_path / "auth.log", storm() * 2000)
    seen: list[tuple[int, int]] = []
    replay.run([path], "auth_log", Config(), lambda done, total: seen.append((done, total)))
    assert len(seen) > 3 and seen == sorted(seen) and seen[-1] == (path.stat().st_size,) * 2


def test_an_unknown_source_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="auth_log"):
        run(tmp_path / "x", source="tea_leaves")
    with pytest.raises(UnavailableError, match=r"absent\.log.*No such file"):
        run(tmp_path / "absent.log")
    damaged = tmp_path / "auth.log.gz"
    damaged.write_bytes(gzip.compress(storm().encode())[:-20])
    with pytest.raises(UnavailableError, match=r"auth\.log\.gz"):
        run(damaged)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    for source in replay.SOURCES:
        result = run(put(tmp_path / "empty", ""), source=source)
        assert (result.findings, result.lines) == ([], 0)


def test_a_journal_export_gives_what_the_file_gives(tmp_path: Path) -> None:
    lines = []
    for line in storm().splitlines():
        stamp, _, _, message = line.split(" ", 3)
        moment = subprocess.run(["date", "-d", stamp, "+%s"], capture_output=True, text=True, check=True)
        lines.append(
            json.dumps(
                {
                    "__REALTIME_TIMESTAMP": moment.stdout.strip() + "000000",
                    "SYSLOG_IDENTIFIER": "sshd",
                    "_PID": "7",
                    "_HOSTNAME": "web",
                    "MESSAGE": message,
                }
            )
        )
    result = run(put(tmp_path / "journal.json", "\n".join([*lines, "{}", ""])), source="journald")
    assert ids(result) == ids(run(put(tmp_path / "auth.log", storm())))
    assert (result.lines, result.matched, result.malformed) == (21, 20, 1)


def test_a_capture_of_records_gives_what_the_log_gives(tmp_path: Path) -> None:
    parser = AuthParser(now_s=WRITTEN_S)
    records = [record for line in storm().splitlines() if (record := parser.parse(line.encode()))]
    expected = ids(run(put(tmp_path / "auth.log", storm())))
    capture = put(tmp_path / "events", b"".join(records))
    result = run(capture, source="events")
    assert ids(result) == expected and (result.lines, result.malformed) == (20, 0)
    put(tmp_path / "events", b"".join(records) + b"\x05\0\0\0rest of it")
    cut = run(capture, source="events")
    assert ids(cut) == expected and cut.malformed == 1
