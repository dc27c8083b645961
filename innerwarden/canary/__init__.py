# SPDX-License-Identifier: Apache-2.0
"""Harmless actions that a working sensor must see."""
