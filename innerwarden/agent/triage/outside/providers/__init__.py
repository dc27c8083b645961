# SPDX-License-Identifier: Apache-2.0
"""Reputation providers: one file each with `build(config)`, found by scanning."""
