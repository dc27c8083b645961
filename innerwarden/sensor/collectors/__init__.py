# SPDX-License-Identifier: Apache-2.0
"""Log sources: one module each, found by scanning this package (see base.py for what a collector is).

The sensor calls `load(config.collectors, data_dir, engine)` once, then `poll()` from its loop, `save()` after
what poll gave is on disk (so that a crash repeats lines instead of losing them), `close()` at the end.

auth.log and the journal usually carry the same messages. When both are read, each message counts once: the
two parsers share an `AuthDedup` that compares the sources as multisets of messages within a minute.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from innerwarden_core import AuthDedup, Engine, Hit

from innerwarden import paths
from innerwarden.config import CollectorsConfig
from innerwarden.logs.recipe import Recipe
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import Collector, Context
from innerwarden.sensor.collectors.cursors import CursorStore
from innerwarden.sensor.collectors.recipes import collector_of, unknown

logger = logging.getLogger(__name__)

#: After so many exceptions in a row a collector rests, says why in its health, and is tried again later.
MAX_FAILURES = 5
REST_S = 30.0


class CollectorSet:
    """Every collector that is switched on, polled in turn."""

    def __init__(
        self, collectors: list[Collector], engine: Engine, store: CursorStore, context: Context
    ) -> None:
        """`context` is what collectors of recipes get, those that come later too."""
        self.collectors = collectors
        self.dedup = context.dedup
        self.store = store
        self._context = context
        self._recipes: dict[str, Recipe] = {}
        self._engine = engine
        self._failures: dict[str, int] = {}
        self._given_up: dict[str, str] = {}
        self._rest_until: dict[str, float] = {}

    def poll(self) -> list[Hit]:
        """What every source has to say now. A collector that keeps raising rests for a while; the others go on."""
        hits: list[Hit] = []
        now = self._context.monotonic()
        for collector in self.collectors:
            if now < self._rest_until.get(collector.id, now):
                continue
            try:
                hits += collector.poll(self._engine)
                self._forgive(collector.id)
            except Exception as error:
                count = self._failures[collector.id] = self._failures.get(collector.id, 0) + 1
                logger.exception("collector raised collector=%s in_a_row=%d", collector.id, count)
                if count >= MAX_FAILURES:
                    self._given_up[collector.id] = f"rests after {count} errors in a row: {error!r}"
                    self._rest_until[collector.id] = now + REST_S
        return hits

    def _forgive(self, collector_id: str) -> None:
        for kept in (self._failures, self._given_up, self._rest_until):
            kept.pop(collector_id, None)

    def follow(self, recipes: Iterable[Recipe], *, first: bool = False) -> None:
        """Read what these recipes say and nothing of others; one that did not change goes on where it is.

        Windows are brought to where they were at the `first` time only: later the engine has them.
        """
        wanted = {recipe.recipe.id: recipe for recipe in recipes}
        gone = {name for name, recipe in self._recipes.items() if wanted.get(name) != recipe}
        if gone:
            self.save()
        for old in [one for one in self.collectors if one.id in gone]:
            old.close()
            self.collectors.remove(old)
        for name, recipe in wanted.items():
            if self._recipes.get(name) == recipe:
                continue
            context = msgspec.structs.replace(self._context, cursor=self.store.get(name))
            if (collector := collector_of(recipe, context)) is not None:
                if first:
                    collector.warm_up(self._engine)
                self.collectors.append(collector)
            self._forgive(name)
        self._recipes = wanted

    def health(self) -> list[CollectorHealth]:
        """Of the sources that this machine has."""
        reports = (self._health(collector) for collector in self.collectors)
        return [report for report in reports if report is not None]

    def _health(self, collector: Collector) -> CollectorHealth | None:
        report = collector.health()
        if report is not None and collector.id in self._given_up:
            return msgspec.structs.replace(report, state="absent", reason=self._given_up[collector.id])
        return report

    def save(self) -> None:
        """Store the cursors; cheap when nothing moved."""
        places = {c.id: place for c in self.collectors if (place := c.cursor()) is not None}
        self.store.save(places)

    def close(self, *, save: bool = True) -> None:
        """Save, unless what was read last is not on disk, then release every source."""
        if save:
            self.save()
        for collector in self.collectors:
            collector.close()


def modules() -> Iterator[str]:
    """Names of the modules here that make a collector."""
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "create"):
            yield info.name


def prepare() -> None:
    """Import what `load` needs, for who has the time before it matters."""
    for _name in modules():
        pass


class Surroundings(msgspec.Struct, frozen=True):
    """What collectors know of the rest of the sensor, see Context; and the recipes that make some of them."""

    kernel: bool = False
    wants_audit: Callable[[str], bool] = lambda kind: True
    recipes: tuple[Recipe, ...] = ()


def load(
    config: CollectorsConfig, data_dir: Path, engine: Engine, around: Surroundings | None = None
) -> CollectorSet:
    """Open every log source that the configuration switches on. Never raises for a source that is absent."""
    store = CursorStore(paths.sensor_state(data_dir))
    dedup = AuthDedup()
    around = around or Surroundings()
    base = Context(config=config, dedup=dedup, kernel=around.kernel, wants_audit=around.wants_audit)
    collectors: list[Collector] = []
    for name in modules():
        module = importlib.import_module(f"{__name__}.{name}")
        context = msgspec.structs.replace(base, cursor=store.get(module.ID))
        collector: Collector | None = module.create(context)
        if collector is not None:
            collector.warm_up(engine)
            collectors.append(collector)
    opened = CollectorSet(collectors, engine, store, base)
    unknown(config.recipes, around.recipes)
    opened.follow(around.recipes, first=True)
    return opened
