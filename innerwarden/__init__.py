# SPDX-License-Identifier: Apache-2.0
"""InnerWarden: autonomous endpoint detection and response for Linux."""

__version__ = "0.1.0"
