# SPDX-License-Identifier: Apache-2.0
"""No program costs the verifier a fifth more than recorded, on this kernel; and every program has a record."""

from __future__ import annotations

import platform

import pytest

from innerwarden import paths
from innerwarden.libbpf import Object
from innerwarden.sensor.loader import KernelSource
from tests.vm import verified

KNOWN = {"iw_a": 1000, "iw_b": 500_000}


@pytest.mark.kernel
def test_programs_cost_what_is_recorded(source: KernelSource) -> None:
    release = platform.release()
    counts = {name: count for name, count in source.verified_instructions().items() if count}
    if not counts:
        pytest.skip(f"kernel {release} does not tell what the verifier processed (since 5.16)")
    print(f"{release}: {verified.summary(counts)}")
    family = verified.family(release)
    known = verified.recorded().get(family)
    if known is None:
        pytest.skip(f"nothing is recorded for kernels {family}: make bpf-record")
    opened = Object(paths.bpf_object().read_bytes())
    try:
        assert verified.problems(known, counts, opened.programs.keys()) == []
    finally:
        opened.close()


def test_the_kernels_that_ci_boots_have_a_record() -> None:
    assert {"6.1"} <= verified.recorded().keys()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"iw_a": 1200, "iw_b": 1}, []),
        ({"iw_a": 1201}, ["iw_a rose by 20 %, from 1,000 to 1,201"]),
        ({"iw_b": 900_000, "iw_a": 900}, ["iw_b rose by 80 %"]),
        ({"iw_new": 7}, ["iw_new has no record (now 7)"]),
    ],
)
def test_a_rise_and_a_missing_record_are_told(found: dict[str, int], words: list[str]) -> None:
    told = verified.problems(KNOWN, found, ["iw_a", "iw_b", "iw_new"])
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))


def test_a_record_without_its_program_is_told() -> None:
    (line,) = verified.problems(KNOWN, {}, ["iw_a"])
    assert line.startswith("iw_b is recorded and no longer exists")


@pytest.mark.parametrize(
    ("release", "name"),
    [("6.1.0-50-cloud-amd64", "6.1"), ("7.2.13+deb14-cloud-amd64", "7.2"), ("6.18.44", "6.18")],
)
def test_family_of_a_release(release: str, name: str) -> None:
    assert verified.family(release) == name
