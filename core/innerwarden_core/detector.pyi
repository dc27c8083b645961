# SPDX-License-Identifier: Apache-2.0
"""Base of the native detectors; see innerwarden_core.detectors."""

class Detector:
    kinds: tuple[int, ...]
    def __init__(self, parameters: dict[str, int]) -> None: ...
    def stats(self) -> dict[str, int]:
        """Matches that a documented exception dropped, and processes forgotten for want of room."""
