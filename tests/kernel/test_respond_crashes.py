# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every kind of step of ingest, decision, response and undoing, on the agent's and on the responder's side:
no incident and no decision lost, none doubled, no effect left over.

A few points by default; `RESPOND_CRASHES=agent:1-1900/4,responder:1-400/4,agent:1650+responder:90` runs each fourth of
those. respond_crashes.py runs them by hand.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.net import ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.apart, pytest.mark.slow]

#: Spread over a life's steps, whose number differs a little from run to run.
POINTS = ",".join(
    [
        *(f"agent:{n}" for n in (3, 90, 800, 1150, 1410, 1555, 1640, 1702, 1776, 1805)),
        *(f"responder:{n}" for n in (2, 5, 9, 14, 23, 44, 71, 97, 133, 180)),
        *("agent:1300+responder:30", "agent:1650+responder:90"),
    ]
)
#: Lives at a time: each waits for most of its own, in a network namespace of its own.
TOGETHER = os.cpu_count() or 1


def wanted() -> list[str]:
    found = []
    for part in os.environ.get("RESPOND_CRASHES", POINTS).split(","):
        side, _colon, span = part.partition(":")
        span, _slash, step = span.partition("/")
        first, dash, last = span.partition("-")
        found += [f"{side}:{n}" for n in range(int(first), int(last) + 1, int(step or 1))] if dash else [part]
    return found


def lives(directory: Path, points: list[str]) -> list[dict[str, Any]]:
    """Each point's result; in a network namespace of its own."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft: apt-get install nftables")
    directory.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.kernel.respond_crashes", str(directory), *points],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/core"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[list[dict[str, Any]]]]]:
    """Point -> its life, which runs or waits for its turn."""
    place = tmp_path_factory.mktemp("lives")
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {point: pool.submit(lives, place / f"{n}", [point]) for n, point in enumerate(wanted())}
        pool.shutdown(cancel_futures=True)


def test_undisturbed_it_does_what_was_decided(tmp_path: Path) -> None:
    (life,) = lives(tmp_path / "lives", [])
    assert (life["crashes"], life["problems"]) == (0, [])
    assert life["steps"]["agent"] > 1500
    assert life["steps"]["responder"] > 180


@pytest.mark.fault(
    fault="kill -9 of agent or responder at any step of a response",
    expect="no decision lost, no effect doubled, none left over",
    levels=("responder_down",),
)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("point", wanted())
def test_killed_there_it_still_does(killed: dict[str, Future[list[dict[str, Any]]]], point: str) -> None:
    (life,) = killed[point].result()
    assert (life["problems"], life["crashes"]) == ([], point.count(":"))
