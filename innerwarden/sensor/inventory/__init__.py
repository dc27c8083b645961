# SPDX-License-Identifier: Apache-2.0
"""Userspace eyes: what the kernel offers no hook for, looked at again and again.

`load` makes every collector that is switched on; the sensor's loop calls `tick`, and `save` after what it gave
is on disk. Each collector is one module (see collector.py for what it is), its cadence is in the configuration.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from innerwarden_core import Engine

from innerwarden import paths
from innerwarden.config import InventoryConfig
from innerwarden.sensor.inventory.actors import Actors
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.bpf_programs import BpfPrograms
from innerwarden.sensor.inventory.collector import Collector
from innerwarden.sensor.inventory.control_groups import ControlGroups
from innerwarden.sensor.inventory.device_nodes import DeviceNodes
from innerwarden.sensor.inventory.devices import Devices
from innerwarden.sensor.inventory.file_changes import FileChanges
from innerwarden.sensor.inventory.file_matches import FileMatches
from innerwarden.sensor.inventory.file_writes import FileWrites
from innerwarden.sensor.inventory.firmware import Firmware
from innerwarden.sensor.inventory.hidden_processes import HiddenProcesses
from innerwarden.sensor.inventory.kernel_functions import KernelFunctions
from innerwarden.sensor.inventory.listeners import Listeners
from innerwarden.sensor.inventory.memory_maps import MemoryMaps
from innerwarden.sensor.inventory.modules import Modules
from innerwarden.sensor.inventory.page_cache import PageCache
from innerwarden.sensor.inventory.scheduler import Inventory
from innerwarden.sensor.inventory.service_units import ServiceUnits
from innerwarden.sensor.inventory.suid_files import SuidFiles
from innerwarden.sensor.inventory.sysctls import Sysctls
from innerwarden.sensor.inventory.traffic import Traffic

__all__ = ["Inventory", "load"]


class Kept:
    """Baselines of one data directory, by collector."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = paths.inventory(data_dir)

    def __call__(self, name: str, *, boot_bound: bool = False) -> Baseline:
        return Baseline(name, self._directory / f"{name}.json", boot_bound=boot_bound)


def load(
    config: InventoryConfig,
    data_dir: Path,
    engine: Engine,
) -> Inventory:
    """Every collector that the configuration switches on; none opens anything before its first look."""

    kept = Kept(data_dir)

    plan: list[tuple[Collector, float]] = []
    if config.listeners.enabled:
        plan.append((Listeners(kept("listeners", boot_bound=True)), config.listeners.cadence_s))
    if config.sysctls.enabled:
        plan.append((Sysctls(kept("sysctls")), config.sysctls.cadence_s))
    if config.modules.enabled:
        plan.append((Modules(kept("modules", boot_bound=True)), config.modules.cadence_s))
    if config.bpf_programs.enabled:
        plan.append((BpfPrograms(kept("bpf_programs", boot_bound=True)), config.bpf_programs.cadence_s))
    if config.devices.enabled:
        plan.append((Devices(kept("devices", boot_bound=True)), config.devices.cadence_s))
    if config.traffic.enabled:
        plan.append((Traffic(), config.traffic.cadence_s))
    if config.hidden_processes.enabled:
        plan.append((HiddenProcesses(engine.process), config.hidden_processes.cadence_s))
    if config.memory_maps.enabled:
        plan.append((MemoryMaps(), config.memory_maps.cadence_s))
    if config.service_units.enabled:
        units = ServiceUnits(kept("service_units"), more=config.service_units.directories)
        plan.append((units, config.service_units.cadence_s))
    plan += _of_files(config, kept, Actors(engine))
    plan += _of_the_machine(config, kept)
    return Inventory(engine, plan, now=time.monotonic())


def _of_files(config: InventoryConfig, kept: Kept, actors: Actors) -> Iterator[tuple[Collector, float]]:
    """Those that look at what lies on disks."""
    privileged = kept("suid_files")
    if config.file_changes.enabled:
        changes = FileChanges(kept("file_changes"), actors, config.file_changes.paths)
        yield (changes, config.file_changes.cadence_s)
    matches = FileMatches() if config.file_matches.enabled else None
    if config.file_writes.enabled:
        writes = FileWrites(actors, matches.offer, matches.wants) if matches else FileWrites(actors)
        yield (writes, config.file_writes.cadence_s)
    if matches is not None:
        yield (matches, config.file_matches.cadence_s)
    if config.device_nodes.enabled:
        yield (DeviceNodes(kept("device_nodes", boot_bound=True)), config.device_nodes.cadence_s)
    if config.page_cache.enabled:
        yield (PageCache(lambda: privileged.items or ()), config.page_cache.cadence_s)
    if config.suid_files.enabled:
        suid = SuidFiles(privileged, config.suid_files.roots)
        yield (suid, config.suid_files.cadence_s)


def _of_the_machine(config: InventoryConfig, kept: Kept) -> Iterator[tuple[Collector, float]]:
    """Those that look at what is below and above the kernel."""
    if config.firmware.enabled:
        yield (Firmware(kept("firmware")), config.firmware.cadence_s)
    if config.kernel_functions.enabled:
        functions = KernelFunctions(kept("kernel_functions", boot_bound=True))
        yield (functions, config.kernel_functions.cadence_s)
    if config.control_groups.enabled:
        yield (ControlGroups(), config.control_groups.cadence_s)
