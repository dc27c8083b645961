# SPDX-License-Identifier: Apache-2.0
"""The agent: findings into state.db, correlation, periodic tasks, dashboard."""
