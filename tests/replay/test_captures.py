# SPDX-License-Identifier: Apache-2.0
"""Recorded acts give exactly the findings that are written down, on any machine, every time."""

from __future__ import annotations

import json
import re

import pytest

from innerwarden.config import Config
from innerwarden.sensor.recording import Entry, Reader
from innerwarden.sensor.replay_recording import replay_recording
from tests.replay.captures.acts import ACTS
from tests.replay.captures.make import EXPECTED, findings_of, path_of

FINDINGS = json.loads(EXPECTED.read_text())


@pytest.mark.parametrize("name", ACTS)
def test_a_capture_gives_exactly_what_is_expected(name: str) -> None:
    assert findings_of(name) == FINDINGS[name]
    again = replay_recording(path_of(name), Config(host="capture"))
    assert (again.cut, again.malformed) == ("", 0) and again.records >= 5


def test_every_hostile_act_is_told_and_everyday_work_gives_nothing_grave() -> None:
    """A file of /etc packed into /tmp is worth a look (data_archive), no more."""
    assert set(FINDINGS) == set(ACTS)
    for name, found in FINDINGS.items():
        told = {row["severity"] for row in found}
        if name == "everyday_work":
            assert not told & {"high", "critical"}
        else:
            assert told & {"medium", "high", "critical"}, name


@pytest.mark.parametrize("name", ACTS)
def test_a_capture_is_small_and_tells_nothing_of_where_it_was_made(name: str) -> None:
    assert path_of(name).stat().st_size < 64 << 10
    reader = Reader(path_of(name))
    assert (reader.header.host, reader.header.kernel) == ("capture", "")
    raw = b"".join(data for kind, data in reader.entries() if kind is Entry.BATCH)
    reader.close()
    for word in (b"/home/", b"/.venv/", b"/root/", b".scope", b".slice"):
        assert word not in raw
    tops = set(re.findall(rb"(?<![\w./-])/([A-Za-z0-9_.-]+)", raw))
    assert tops <= {b"bin", b"dev", b"etc", b"memfd", b"proc", b"tmp", b"usr"}
