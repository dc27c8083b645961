# SPDX-License-Identifier: Apache-2.0
class Regex:
    """A pattern in RE2's syntax, as bytes of UTF-8. Raises ValueError with RE2's reason."""

    pattern: bytes
    def __init__(self, pattern: bytes) -> None: ...
    def search(self, text: bytes) -> bool:
        """Does the pattern occur in the text? Raises ValueError for text that is not UTF-8."""
