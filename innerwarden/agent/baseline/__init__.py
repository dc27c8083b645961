# SPDX-License-Identifier: Apache-2.0
"""Baseline: what this host usually does, and what is not usual (docs/baseline.md)."""
