# SPDX-License-Identifier: Apache-2.0
"""Process-table entries; see the package."""

from innerwarden_core import ProcessInfo as ProcessInfo
