# SPDX-License-Identifier: Apache-2.0
"""What docs/write-a-module.md prints is what happens; its live part is in tests/kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import write_a_module


@pytest.mark.slow
def test_the_document_is_true_as_far_as_it_needs_no_sensor(tmp_path: Path) -> None:
    write_a_module.follow(tmp_path, live=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "copy-watch",
        "copy-watch-0.1.0.iwm",
        "installed",
        "run-count",
    }


def test_every_command_of_the_document_counts() -> None:
    steps = write_a_module.steps()
    assert sum(not step.file for step in steps) >= 20
    assert sum(bool(step.file) for step in steps) == 2
    assert any(step.live for step in steps)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a ... c\n", "a 1.5 c\n", True),
        ("a ... c\n", "a\nb c\n", False),
        ("", "an error\n", False),
        ("...row...\n", "the row\n", True),
        ("...row...\n", "head\nthe row\n", False),
    ],
)
def test_a_difference_is_noticed(shown: str, printed: str, same: bool) -> None:
    assert write_a_module.agrees(shown, printed) is same
