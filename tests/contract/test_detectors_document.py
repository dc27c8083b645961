# SPDX-License-Identifier: Apache-2.0
"""docs/detectors.md says what ships."""

from __future__ import annotations

import re

from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from tests import catalogue

MODULES = load_modules([catalogue.MODULES], Config())


def test_the_document_is_that_of_the_modules() -> None:
    written = catalogue.PATH.read_text("utf-8")
    assert written == catalogue.render(MODULES), "stale; write it again: python -m tests.catalogue"


def test_every_detector_has_a_row_and_its_limits() -> None:
    text = catalogue.PATH.read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \|(.*)\|$", text, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(MODULES.specs)
    for name, target, cells in rows:
        assert f'<a id="{target}"></a>**`{name}`**' in text
        spec = MODULES.specs[name]
        assert all(technique in cells for technique in spec.attack)
        assert all(f"`{kind}`" in cells for kind in spec.kinds)


def test_text_of_a_rule_stays_one_cell() -> None:
    assert catalogue.escaped("a | b\n `c` <d>") == r"a \| b \`c\` \<d\>"
