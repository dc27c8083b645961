# SPDX-License-Identifier: Apache-2.0
"""See the .pyx beside this file for what matches."""

from innerwarden_core.detector import Detector

PARAMETERS: dict[str, int]
DETECTOR: type[Detector]
