# SPDX-License-Identifier: Apache-2.0
"""Kill chain: how far the findings of one process tree have come (docs/killchain.md)."""
