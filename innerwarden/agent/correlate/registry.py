# SPDX-License-Identifier: Apache-2.0
"""Find the correlation rules: `RULE` of every file in correlate/rules/."""

from __future__ import annotations

import importlib
import pkgutil

from innerwarden.agent.correlate import rules
from innerwarden.agent.correlate.rule import ChainRule
from innerwarden.errors import RuleError


def find_rules() -> list[ChainRule]:
    """By file name. Raises RuleError for a file without a rule of its own name."""
    found = []
    for info in sorted(pkgutil.iter_modules(rules.__path__), key=lambda one: one.name):
        rule = getattr(importlib.import_module(f"{rules.__name__}.{info.name}"), "RULE", None)
        if not isinstance(rule, ChainRule) or rule.id != info.name:
            raise RuleError(
                f"correlate/rules/{info.name}.py has no RULE with the id {info.name!r}",
                "Define RULE = ChainRule(...); file name and id are the same",
            )
        found.append(rule)
    return found
