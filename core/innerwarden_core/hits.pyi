# SPDX-License-Identifier: Apache-2.0
"""Hits; see the package."""

from innerwarden_core import Hit as Hit
