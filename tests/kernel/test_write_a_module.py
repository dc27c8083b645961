# SPDX-License-Identifier: Apache-2.0
"""docs/write-a-module.md from the first line to the last, on this machine's kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import write_a_module

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_reader_gets_what_the_document_shows(tmp_path: Path) -> None:
    write_a_module.follow(tmp_path, live=True)
