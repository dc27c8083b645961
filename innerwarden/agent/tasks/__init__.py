# SPDX-License-Identifier: Apache-2.0
"""Periodic tasks of the agent: one file each with `TASK = Task(...)`, found by scanning."""
