# SPDX-License-Identifier: Apache-2.0
"""Option values: what is taken, what is refused, and what a directory's mode becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden import clock
from innerwarden.ctl.options import private_dir, severity_of, since_ns
from innerwarden.ctl.output import bytes_text, shown
from innerwarden.errors import UnavailableError, UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172800), ("1w", 604800)]
)
def test_spans(text: str, seconds: int) -> None:
    moment = since_ns(text)
    assert moment is not None
    assert abs(clock.realtime_ns() - moment - seconds * clock.NS) < clock.NS


def test_a_moment() -> None:
    assert since_ns("1970-01-01T00:00:01Z") == clock.NS
    assert since_ns(None) is None


@pytest.mark.parametrize("text", ["soon", "1y", "-1h", "2026-01-01", ""])
def test_no_moment(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        since_ns(text)
    assert "15m" in caught.value.remedy


def test_a_wrong_severity_lists_the_right_ones() -> None:
    assert severity_of("HIGH") == "high"
    with pytest.raises(UsageError) as caught:
        severity_of("urgent")
    assert "critical" in caught.value.remedy


def test_a_data_dir_is_private(tmp_path: Path) -> None:
    assert private_dir(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    assert private_dir(tmp_path / "open").stat().st_mode & 0o777 == 0o750


def test_a_data_dir_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as caught:
        private_dir(tmp_path / "file" / "dir")
    assert "--data-dir" in caught.value.remedy


def test_hidden_characters_are_shown() -> None:
    assert shown("a\x1b[0m\u202eb\nc\ud800") == "a\\x1b[0m\\u202eb\\nc\\ud800"
    assert shown("räksmörgås 日本") == "räksmörgås 日本"


def test_bytes() -> None:
    assert [bytes_text(n) for n in (0, 1023, 1536, 5 << 20)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]
