# SPDX-License-Identifier: Apache-2.0
"""Recipes as collectors: the JSON lines of other tools, from their files or from what they print."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from innerwarden_core import Engine, Hit

from innerwarden.config import RecipeConfig
from innerwarden.logs.recipe import Recipe, RecipeReader
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import SOURCE_RECIPE, Collector, Context
from innerwarden.sensor.collectors.child import Child
from innerwarden.sensor.collectors.reader_files import ReaderFiles

logger = logging.getLogger(__name__)


class RecipeCommand:
    """What a tool prints. It has no cursor: a restart goes on with what it prints then."""

    def __init__(self, recipe: Recipe, context: Context) -> None:
        self.id = recipe.recipe.id
        self.reader = RecipeReader(recipe, SOURCE_RECIPE)
        self._words = recipe.input.command[1:]
        self.child = Child(
            recipe.input.command[0], line_bytes=recipe.input.line_max_bytes, monotonic=context.monotonic
        )

    def warm_up(self, engine: Engine) -> None:
        """Nothing: what was printed before is gone."""

    def poll(self, engine: Engine) -> list[Hit]:
        if self.child.is_due():
            if shutil.which(self.child.program) is None:
                self.child.postpone(f"{self.child.program} is not installed")
            else:
                self.child.start(self._words)
        lines = self.child.lines()
        records = self.reader.read(b"\n".join(lines)) if lines else []
        return engine.feed(b"".join(records)) if records else []

    def health(self) -> CollectorHealth | None:
        if not self.child.runs and not Path(self.child.program).exists():
            return None
        stats = self.reader.stats
        state = "working" if stats.lines else "unconfirmed"
        return CollectorHealth(
            id=self.id,
            state=state if self.child.runs else "absent",
            reason=self.child.absent or ("" if stats.lines else "it printed nothing yet"),
            lines=stats.lines,
            matched=stats.matched,
            malformed=stats.malformed,
            lost=stats.lost + self.child.too_long,
        )

    def cursor(self) -> None:
        return None

    def close(self) -> None:
        self.child.close()


def collector_of(recipe: Recipe, context: Context) -> Collector | None:
    """None when the configuration switches it off."""
    config = context.config.recipes.get(recipe.recipe.id, RecipeConfig())
    if not config.enabled:
        return None
    if recipe.input.mechanism == "command":
        return RecipeCommand(recipe, context)
    paths = config.paths or recipe.input.paths
    return ReaderFiles(recipe.recipe.id, paths, RecipeReader(recipe, SOURCE_RECIPE), context)


def unknown(configured: Iterable[str], recipes: Iterable[Recipe]) -> None:
    """Say which names of the configuration are no recipe's."""
    known = {recipe.recipe.id for recipe in recipes}
    for name in sorted(set(configured) - known):
        logger.warning("configuration names a recipe that no module has recipe=%s", name)
