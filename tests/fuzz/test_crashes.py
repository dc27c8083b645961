# SPDX-License-Identifier: Apache-2.0
"""Inputs that found a fault once find none now; and every target takes its first seeds. Without any fuzzer."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.fuzz import targets
from tests.fuzz.target import CRASHES, bounded, crashes_of

TARGETS = targets.find()
#: As many as `make test` has time for; `make fuzz` takes them all.
SEEDS = 3


@pytest.mark.parametrize("name", sorted(path.name for path in CRASHES.iterdir() if path.is_dir()))
def test_what_found_a_fault_finds_none(name: str) -> None:
    target = TARGETS[name]
    judge = bounded(target, target.make())
    for path in crashes_of(name):
        judge(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds(name: str) -> None:
    target = TARGETS[name]
    judge = bounded(target, target.make())
    seeds = [seed[: target.max_bytes] for seed in islice(target.seeds(), SEEDS)]
    assert seeds, "a target without a seed begins at nothing"
    for seed in (*seeds, b"", b"\0", b"\n"):
        judge(seed)
