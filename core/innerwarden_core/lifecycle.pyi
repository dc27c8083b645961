# SPDX-License-Identifier: Apache-2.0
"""Records and /proc into the process table; C functions only."""
