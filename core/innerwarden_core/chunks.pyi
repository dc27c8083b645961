# SPDX-License-Identifier: Apache-2.0
"""Long argument vectors; C functions only."""
