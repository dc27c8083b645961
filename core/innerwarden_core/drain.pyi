# SPDX-License-Identifier: Apache-2.0
"""Rings and buffers as sources; C functions only."""
