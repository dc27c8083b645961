# SPDX-License-Identifier: Apache-2.0
"""What people tell the agent: one place that carries it out, one socket through which it is told."""
