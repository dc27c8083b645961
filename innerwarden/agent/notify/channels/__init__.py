# SPDX-License-Identifier: Apache-2.0
"""Channels: one file each, named as its `kind`, with `send(delivery)`; it raises Failed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from innerwarden.agent.notify.sending import Delivery


def sender(kind: str) -> Callable[[Delivery], None]:
    return cast(Callable[[Delivery], None], importlib.import_module(f"{__name__}.{kind}").send)
