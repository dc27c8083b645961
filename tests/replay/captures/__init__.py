# SPDX-License-Identifier: Apache-2.0
"""Recordings of our own harmless acts, and what the shipped detectors say of each."""
