# SPDX-License-Identifier: Apache-2.0
"""Why a line or an incident became what it became. Every verdict is the engine's own; see rules/parts.py."""
