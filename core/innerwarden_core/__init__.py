# SPDX-License-Identifier: Apache-2.0
"""The native hot path. See the interface file beside this one."""

try:
    from innerwarden_core.authlog import AuthDedup, AuthParser
    from innerwarden_core.decode import ABI_VERSION, LAYOUT, SIZES, Record
    from innerwarden_core.detectors import NATIVE_DETECTORS
    from innerwarden_core.engine import Engine, Prepared, StaleError
    from innerwarden_core.hits import Hit
    from innerwarden_core.intel import Intel
    from innerwarden_core.lines import LineParser
    from innerwarden_core.process_info import ProcessInfo
    from innerwarden_core.ring import MemoryRing, Ring
    from innerwarden_core.rules import FIELDS, OPERATORS, Correlation, NativeDetector, Predicate, Rule
    from innerwarden_core.view import registered_domain
    from innerwarden_core.weblog import WebParser
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("innerwarden_core"):
        raise
    raise ImportError(
        f"The native extension {error.name} is not built; run `make build` in the project's directory"
    ) from error

__all__ = [
    "ABI_VERSION",
    "FIELDS",
    "LAYOUT",
    "NATIVE_DETECTORS",
    "OPERATORS",
    "SIZES",
    "AuthDedup",
    "AuthParser",
    "Correlation",
    "Engine",
    "Hit",
    "Intel",
    "LineParser",
    "MemoryRing",
    "NativeDetector",
    "Predicate",
    "Prepared",
    "ProcessInfo",
    "Record",
    "Ring",
    "Rule",
    "StaleError",
    "WebParser",
    "registered_domain",
]
