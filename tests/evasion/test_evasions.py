# SPDX-License-Identifier: Apache-2.0
"""Every evasion of the table, acted out on the real kernel in front of one real sensor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from innerwarden.sensor.blind_spots import declared
from innerwarden.sensor.kernel_hooks import HOOKS
from tests.evasion.model import Case, Result
from tests.evasion.runner import run
from tests.evasion.table import CASES

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(400)]

#: Of all that is run, this share must be detected; what is not must be declared.
DETECTED_PCT = 95


@pytest.fixture(scope="module")
def results() -> dict[int, Result]:
    return {result.number: result for result in run(CASES)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number:02d}")
def test_evasion(case: Case, results: dict[int, Result]) -> None:
    if case.blind_spot:
        assert case.blind_spot in {spot.id for spot in declared()}
        return
    ran = [outcome for outcome in results[case.number].outcomes if outcome.ran]
    if not ran:
        pytest.skip("; ".join(f"{o.act}: {o.obstacle}" for o in results[case.number].outcomes))
    errors = [f"{outcome.act}: {outcome.error}" for outcome in ran if outcome.error]
    assert not errors, "the act itself failed"
    missed = {outcome.act: outcome.missing for outcome in ran if outcome.missing}
    assert not missed, "no finding tells of it"


def test_nearly_all_that_ran_is_detected(results: dict[int, Result]) -> None:
    ran = [result for result in results.values() if any(outcome.ran for outcome in result.outcomes)]
    detected = [r for r in ran if all(outcome.detected for outcome in r.outcomes if outcome.ran)]
    assert len(detected) * 100 >= DETECTED_PCT * len(ran)


#: Calls whose name speaks of opening, and that open no file by name.
NO_FILE = {
    "mq_open": "message queues",
    "perf_event_open": "kernel.perf_event",
    "pidfd_open": "processes",
    "fsopen": "filesystem.mount",
    "open_tree": "filesystem.mount",
    "open_tree_attr": "filesystem.mount",
    "mq_timedsend": "message queues",
}


def test_every_call_of_this_kernel_that_opens_files_is_hooked() -> None:
    """Case 6: a kernel that learns a new one fails here, and not in front of an intruder."""
    events = next((p for p in (Path("/sys/kernel/tracing/events/syscalls"),) if p.is_dir()), None)
    if events is None:
        pytest.skip("tracefs is not mounted: mount -t tracefs none /sys/kernel/tracing")
    names = {path.name.removeprefix("sys_exit_") for path in events.glob("sys_exit_*")}
    opening = {name for name in names if re.search(r"open|creat(?!e)", name)} - set(NO_FILE)
    hooked = {hook.target for hook in HOOKS if "file.open" in hook.kinds}
    assert opening - hooked == set()
