# SPDX-License-Identifier: Apache-2.0
"""The engine; see the package."""

from innerwarden_core import Engine as Engine
from innerwarden_core import Prepared as Prepared
from innerwarden_core import StaleError as StaleError
