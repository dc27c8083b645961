# SPDX-License-Identifier: Apache-2.0
"""Attackers: profiles, fingerprints of what they do, and campaigns (docs/attackers.md)."""
