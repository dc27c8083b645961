# SPDX-License-Identifier: Apache-2.0
"""One predicate against one record; C functions only."""
