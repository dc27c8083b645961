# SPDX-License-Identifier: Apache-2.0
"""The command line. Every file below `commands/` is one command or group, found by scanning."""
