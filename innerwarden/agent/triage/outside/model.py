# SPDX-License-Identifier: Apache-2.0
"""What a model is to us: it gets two texts and gives one back."""

from __future__ import annotations

import importlib
from typing import Protocol

from innerwarden.agent.triage.outside import models
from innerwarden.config import ModelConfig

MAX_BYTES = 65_536
MAX_TOKENS = 500


class Model(Protocol):
    """`complete` raises OutsideError."""

    @property
    def name(self) -> str: ...
    def complete(self, instructions: str, data: str) -> str: ...


def build_model(config: ModelConfig) -> Model:
    """The configured one. Raises OutsideError when it cannot be used, such as for its key file or URL."""
    made: Model = importlib.import_module(f"{models.__name__}.{config.protocol}").build(config)
    return made
