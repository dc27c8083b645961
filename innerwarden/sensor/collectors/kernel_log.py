# SPDX-License-Identifier: Apache-2.0
"""The file of the kernel's messages: packets that its firewall logged, and what it complains of."""

from __future__ import annotations

from innerwarden_core import AuthParser

from innerwarden.sensor.collectors.base import SOURCE_KERNEL_LOG, Context, auth_parser
from innerwarden.sensor.collectors.log_files import LogFiles

ID = "kernel_log"


def create(context: Context) -> LogFiles[AuthParser] | None:
    config = context.config.kernel_log
    clock = auth_parser(SOURCE_KERNEL_LOG, context)
    return LogFiles(ID, config.paths, clock, context) if config.enabled else None
