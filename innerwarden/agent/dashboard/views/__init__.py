# SPDX-License-Identifier: Apache-2.0
"""One module per view; each has a `VIEW` and is found by scanning."""
