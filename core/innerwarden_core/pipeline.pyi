# SPDX-License-Identifier: Apache-2.0
"""The path of a record; C functions only."""
