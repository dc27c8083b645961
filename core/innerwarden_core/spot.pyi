# SPDX-License-Identifier: Apache-2.0
"""Numbers of the header at their fixed place; C functions only."""
