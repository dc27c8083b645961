# SPDX-License-Identifier: Apache-2.0
"""Windows over several rules; C functions only."""
