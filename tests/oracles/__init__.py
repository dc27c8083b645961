# SPDX-License-Identifier: Apache-2.0
"""The native engine's semantics in plain Python, written for reading and not for speed."""
