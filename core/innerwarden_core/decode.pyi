# SPDX-License-Identifier: Apache-2.0
"""Record checks and the decoded view; see the package."""

from innerwarden_core import ABI_VERSION as ABI_VERSION
from innerwarden_core import LAYOUT as LAYOUT
from innerwarden_core import SIZES as SIZES
from innerwarden_core import Record as Record

FIELD_IDS: dict[str, int]
"""Wire field -> id, without the derived fields."""
KIND_NAMES: dict[int, str]
"""Kind -> dotted name."""
MALFORMED_NAMES: tuple[str, ...]
"""Reasons for which a record is refused; the first is none."""
