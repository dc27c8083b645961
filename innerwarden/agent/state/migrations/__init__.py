# SPDX-License-Identifier: Apache-2.0
"""Numbered migrations of state.db: `mNNNN_<subject>.py` with a text `SQL`, found by scanning."""
