# SPDX-License-Identifier: Apache-2.0
"""Correlation rules: one file each, `<id>.py` with `RULE = ChainRule(...)`, found by scanning."""
