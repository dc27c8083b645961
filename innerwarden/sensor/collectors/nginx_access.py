# SPDX-License-Identifier: Apache-2.0
"""Access logs of nginx, in common, combined or vhost_combined format."""

from __future__ import annotations

from innerwarden_core import WebParser

from innerwarden.sensor.collectors.base import SOURCE_NGINX_ACCESS, Context, web_parser
from innerwarden.sensor.collectors.log_files import LogFiles

ID = "nginx_access"


def create(context: Context) -> LogFiles[WebParser] | None:
    config = context.config.nginx_access
    clock = web_parser(SOURCE_NGINX_ACCESS, context)
    return LogFiles(ID, config.paths, clock, context) if config.enabled else None
