# SPDX-License-Identifier: Apache-2.0
"""An ordinary day gives nothing high or critical; see day.py for what it is made of."""

from __future__ import annotations

import pytest

from tests.benign.day import PARTS, live

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(900)]


def test_an_ordinary_day_raises_nothing_grave() -> None:
    report = live()
    assert report.failed == {}
    assert report.grave() == []
    assert len(report.done) >= len(PARTS) // 2, report.left_out
