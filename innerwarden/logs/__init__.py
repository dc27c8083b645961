# SPDX-License-Identifier: Apache-2.0
"""What log text says, as wire records: readers in Python, for sources whose rate allows it (see reader.py)."""
