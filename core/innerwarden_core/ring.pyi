# SPDX-License-Identifier: Apache-2.0
"""The rings; see the package."""

from innerwarden_core import MemoryRing as MemoryRing
from innerwarden_core import Ring as Ring
