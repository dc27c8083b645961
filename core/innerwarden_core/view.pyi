# SPDX-License-Identifier: Apache-2.0
"""One record's fields; C functions only."""
