# SPDX-License-Identifier: Apache-2.0
"""docs/correlation.md says which rules there are, and accounts for every agreed number."""

from __future__ import annotations

import re

from innerwarden.agent.correlate.registry import find_rules
from tests import correlations

TEXT = correlations.PATH.read_text("utf-8")


def test_the_document_is_that_of_the_rules() -> None:
    assert correlations.whole(TEXT) == TEXT, "stale; write it again: python -m tests.correlations"


def test_every_rule_has_a_row_and_its_limits() -> None:
    rows = dict(re.findall(r"^\| (\S+) \| \[`(\w+)`\]\(#\w+\) \|", TEXT, re.MULTILINE))
    assert rows == {rule.reference: rule.id for rule in find_rules()}
    for rule in find_rules():
        assert f'<a id="{rule.id}"></a>' in TEXT


def test_every_number_is_a_rule_or_has_its_reason() -> None:
    agreed = {f"CL-{n:03d}" for n in (*range(1, 48), *range(51, 73))}
    rules = {rule.reference for rule in find_rules()}
    sensor = {number for number, _ in correlations.sensor_rules()}
    reasons = set(re.findall(r"^\| (CL-\d{3}) \| [^|]+ \|$", TEXT, re.MULTILINE))
    assert rules & reasons == set() == sensor & reasons
    assert agreed - rules - sensor - reasons == set()
