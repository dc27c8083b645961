# SPDX-License-Identifier: Apache-2.0
"""What a reputation provider is, and how they are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Protocol

import msgspec

from innerwarden.agent.triage.outside import providers
from innerwarden.config import ReputationConfig


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is for a person: numbers and short words, nothing that the provider wrote freely."""

    listed: bool
    text: str


class Provider(Protocol):
    """`ask` raises OutsideError; it is called in a worker thread."""

    @property
    def name(self) -> str: ...
    @property
    def daily_budget(self) -> int: ...
    def ask(self, address: str) -> Answer: ...


Build = Callable[[ReputationConfig], Provider | None]


def find_providers(config: ReputationConfig) -> list[Provider]:
    """Those that are switched on. Raises OutsideError for one that cannot be used, such as without its key."""
    found = []
    for info in sorted(pkgutil.iter_modules(providers.__path__), key=lambda one: one.name):
        build: Build = importlib.import_module(f"{providers.__name__}.{info.name}").build
        provider = build(config)
        if provider is not None:
            found.append(provider)
    return found
