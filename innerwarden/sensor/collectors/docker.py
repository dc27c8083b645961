# SPDX-License-Identifier: Apache-2.0
"""Docker's containers."""

from __future__ import annotations

from pathlib import Path

from innerwarden.sensor.collectors.base import SOURCE_DOCKER, Context
from innerwarden.sensor.collectors.runtime_events import Runtime, RuntimeEvents

ID = "docker"
RUNTIME = Runtime(ID, SOURCE_DOCKER, (Path("/run/docker.sock"), Path("/var/run/docker.sock")))


def create(context: Context) -> RuntimeEvents | None:
    return RuntimeEvents(RUNTIME, context) if context.config.docker.enabled else None
