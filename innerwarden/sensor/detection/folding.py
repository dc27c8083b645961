# SPDX-License-Identifier: Apache-2.0
"""Cooldowns of detectors that a trust entry is about: what is trusted must not swallow what is not.

The engine folds equal matches by the rule's group key before anybody asks for trust. For these detectors it tells
processes and addresses apart as well, and the detection host folds by the rule's own key and the trust entry.
Native detectors keep their cooldown: each has the process, the address or the file in its key.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from innerwarden_core import Engine, Prepared

from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.modules.loader import ModuleSet
from innerwarden.rules.program import CompiledRule
from innerwarden.trust import TrustSet

#: What trust is asked about. An executable changes with exec, so the process alone is not enough.
ASKED = ("pid", "start_ns", "exe_path", "src_ip", "dst_ip", "peer_ip")


def told_apart(modules: ModuleSet, trust: TrustSet) -> frozenset[str]:
    """Ids of the Sigma detectors that an entry may cover, expired or not."""
    if not trust.entries:
        return frozenset()
    return frozenset(
        spec.id
        for spec in modules.specs.values()
        if spec.form == "sigma" and trust.about(spec.id, spec.module, (*spec.tags, *spec.attack))
    )


def configure(engine: Engine, modules: ModuleSet, apart: Iterable[str]) -> None:
    """Give the engine the module set; windows stay as they are."""
    engine.install(prepare(engine, modules, apart))


def prepare(engine: Engine, modules: ModuleSet, apart: Iterable[str]) -> Prepared:
    """The set for Engine.install, on any thread."""
    wanted = frozenset(apart)
    if not wanted:
        return engine.prepare(modules.rules, modules.correlations, modules.natives)
    compiled = {rule.owner: rule for rule in modules.compiled_rules}
    rules = [
        wider(compiled[owner]).native() if (owner := rule.owner) in wanted else rule for rule in modules.rules
    ]
    correlations = {one.owner: one for one in modules.compiled_correlations}
    windows = [
        msgspec.structs.replace(correlations[one.owner], cooldown_s=0).native()
        if one.owner in wanted
        else one
        for one in modules.correlations
    ]
    return engine.prepare(rules, windows, modules.natives)


def wider(rule: CompiledRule) -> CompiledRule:
    """The rule with every field in its group key that trust is asked about and its kinds may carry."""
    kinds = set(rule.kinds)
    more = tuple(n for n in ASKED if n not in rule.group_by and VOCABULARY[n].kinds & kinds)
    return msgspec.structs.replace(rule, group_by=(*rule.group_by, *more))
