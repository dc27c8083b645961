# SPDX-License-Identifier: Apache-2.0
"""The dashboard: server-rendered pages and a typed JSON API over the agent's state, read-only."""
