# SPDX-License-Identifier: Apache-2.0
"""Files of servers that let people in: mail, file transfer, databases, VPN, telephony."""

from __future__ import annotations

from innerwarden_core import AuthParser

from innerwarden.sensor.collectors.base import SOURCE_SERVICE_LOG, Context, auth_parser
from innerwarden.sensor.collectors.log_files import LogFiles

ID = "service_log"


def create(context: Context) -> LogFiles[AuthParser] | None:
    config = context.config.service_log
    clock = auth_parser(SOURCE_SERVICE_LOG, context, service_files=True)
    return LogFiles(ID, config.paths, clock, context) if config.enabled else None
