# SPDX-License-Identifier: Apache-2.0
"""Whom to tell, when, and in which words; sends happen in child processes, which alone read secrets."""
