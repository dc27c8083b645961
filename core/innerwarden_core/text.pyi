# SPDX-License-Identifier: Apache-2.0
"""Byte strings, hashes and addresses; C functions only."""
