# SPDX-License-Identifier: Apache-2.0
"""Commands: each module has `register(app)`; nothing heavy is imported before a command runs."""
