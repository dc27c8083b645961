# SPDX-License-Identifier: Apache-2.0
"""Where the agent's files are."""

from __future__ import annotations

from pathlib import Path

from innerwarden import paths


def test_the_agents_files_lie_in_its_own_directory_where_there_is_one(tmp_path: Path) -> None:
    places = (paths.state_db, paths.agent_socket, paths.agent_lock)
    assert {place(tmp_path).parent for place in places} == {tmp_path}
    (tmp_path / "agent").mkdir()
    assert {place(tmp_path).parent for place in places} == {tmp_path / "agent"}


def test_what_the_sensor_writes_lies_outside_of_it(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    assert paths.findings(tmp_path).parent == paths.sensor_health(tmp_path).parent == tmp_path
