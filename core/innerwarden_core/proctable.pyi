# SPDX-License-Identifier: Apache-2.0
"""The process table; C functions only."""
