# SPDX-License-Identifier: Apache-2.0
"""Error logs of nginx, for what they say of clients."""

from __future__ import annotations

from innerwarden_core import WebParser

from innerwarden.sensor.collectors.base import SOURCE_NGINX_ERROR, Context, web_parser
from innerwarden.sensor.collectors.log_files import LogFiles

ID = "nginx_error"


def create(context: Context) -> LogFiles[WebParser] | None:
    config = context.config.nginx_error
    clock = web_parser(SOURCE_NGINX_ERROR, context)
    return LogFiles(ID, config.paths, clock, context) if config.enabled else None
