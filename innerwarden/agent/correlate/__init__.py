# SPDX-License-Identifier: Apache-2.0
"""Correlation: findings that together tell a story become one incident."""
