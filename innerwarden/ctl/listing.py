# SPDX-License-Identifier: Apache-2.0
"""Every module that is found, whether it is on, and what the running sensor says of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.ctl.commands.module import Listed, Listing
from innerwarden.ctl.reading import locked_by
from innerwarden.ctl.switching import is_on
from innerwarden.model.health import SensorHealth, read
from innerwarden.modules import manifest as manifests
from innerwarden.modules import state as states
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, ModuleSet, load_modules


def listing(directories: Sequence[Path], config: Config, data_dir: Path, workers: Workers) -> Listing:
    """Loads what is on, so that its problems are told whether a sensor runs or not."""
    state = states.read(paths.module_state())
    # The sensor's compiled rules, where it runs the same set and this user may read them.
    cache = paths.rule_cache(data_dir)
    cache_or_none = cache if os.access(cache, os.R_OK) else None
    loaded = load_modules(directories, config, cache=cache_or_none, live=Live(state=state, workers=workers))
    running = locked_by(data_dir / "sensor.lock") is not None
    health = read(paths.sensor_health(data_dir)) if running else None
    shipped = {path.resolve() for path in paths.shipped_modules()}
    rows: dict[str, Listed] = {}
    problems = list(loaded.problems)
    for root in directories:
        for path in sorted(root.glob(f"*/{manifests.FILE}")):
            directory = path.parent
            if directory.name in rows or directory.name.startswith("."):
                continue
            manifest, wrong = manifests.read(directory)
            if manifest is None:
                problems += [text for text in wrong if text not in problems]
                continue
            on = is_on(directory.name, state, config, shipped=root.resolve() in shipped)
            about = manifest.module
            rows[directory.name] = Listed(
                id=about.id,
                state="on" if on else "off",
                version=about.version,
                tier=about.tier,
                description=about.description,
                directory=str(directory),
                detectors=_detectors(about.id, loaded) if on else tuple(sorted(manifest.provides.detectors)),
                health=_health(about.id, loaded, health) if on else "off",
            )
    return Listing(modules=tuple(sorted(rows.values(), key=lambda row: row.id)), problems=tuple(problems))


def _detectors(module: str, loaded: ModuleSet) -> tuple[str, ...]:
    return tuple(sorted(spec.id for spec in loaded.specs.values() if spec.module == module))


def _health(module: str, loaded: ModuleSet, health: SensorHealth | None) -> str:
    """What the running sensor says."""
    if health is None:
        return "no sensor"
    if module not in health.modules.active:
        return "not running"
    for worker in health.modules.workers:
        if worker.module == module and worker.state != "working":
            return f"worker {worker.state}: {worker.reason}"
    mine = set(_detectors(module, loaded))
    off = [one.id for one in health.detectors.disabled if one.id in mine]
    return f"disabled: {', '.join(off)}" if off else "running"
