# SPDX-License-Identifier: Apache-2.0
"""state.db: one writer thread, read-only readers, numbered migrations."""
