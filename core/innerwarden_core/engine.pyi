# SPDX-License-Identifier: Apache-2.0
"""The engine; see the package."""

from innerwarden_core import Engine as Engine
