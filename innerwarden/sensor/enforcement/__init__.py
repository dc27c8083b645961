# SPDX-License-Identifier: Apache-2.0
"""Enforcement in the kernel: off by default, under two switches, and gone with this process."""

from innerwarden.sensor.enforcement.apply import apply, wanted_programs
from innerwarden.sensor.enforcement.lists import Exempt
from innerwarden.sensor.enforcement.policy import effective_modes
from innerwarden.sensor.enforcement.rules import (
    HEARTBEAT_MAX_S,
    HEARTBEAT_S,
    KEY_BYTES,
    OPERATOR,
    PROTECTED,
    TRUSTED,
    Enforcement,
    EnforcementCounters,
)
from innerwarden.sensor.enforcement.selftest import Control, self_test
from innerwarden.switches import effective_mode, switches_on

__all__ = [
    "HEARTBEAT_MAX_S",
    "HEARTBEAT_S",
    "KEY_BYTES",
    "OPERATOR",
    "PROTECTED",
    "TRUSTED",
    "Control",
    "Enforcement",
    "EnforcementCounters",
    "Exempt",
    "apply",
    "effective_mode",
    "effective_modes",
    "self_test",
    "switches_on",
    "wanted_programs",
]
