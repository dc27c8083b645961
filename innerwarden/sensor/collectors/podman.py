# SPDX-License-Identifier: Apache-2.0
"""Podman's containers, those of the user that the sensor runs as."""

from __future__ import annotations

from pathlib import Path

from innerwarden.sensor.collectors.base import SOURCE_PODMAN, Context
from innerwarden.sensor.collectors.runtime_events import Runtime, RuntimeEvents

ID = "podman"
#: Podman makes it with the first container.
PLACES = (Path("/var/lib/containers/storage/overlay-containers"), Path("/var/lib/containers/storage/db.sql"))
RUNTIME = Runtime(ID, SOURCE_PODMAN, PLACES)


def create(context: Context) -> RuntimeEvents | None:
    return RuntimeEvents(RUNTIME, context) if context.config.podman.enabled else None
