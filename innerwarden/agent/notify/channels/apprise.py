# SPDX-License-Identifier: Apache-2.0
"""Mail and all else that Apprise knows. It says only whether a send worked, not why it failed."""

from __future__ import annotations

import importlib
from typing import Any

from innerwarden.agent.notify.failure import Failed
from innerwarden.agent.notify.render import markdown_span, plain_span, short, whole
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.model.severity import Severity

LIMIT = 3500
#: Services that read Markdown whatever they are told.
MARKDOWN = frozenset(
    ("discord", "flock", "gotify", "gotifys", "guilded", "lark", "matrix", "matrixs", "mmost", "mmosts", "msteams",
     "revolt", "rocket", "rockets", "ryver", "slack", "webex", "workflow", "wxteams", "zulip")
)  # fmt: skip
_TYPE = {Severity.CRITICAL: "failure", Severity.HIGH: "failure", Severity.MEDIUM: "warning"}


def send(delivery: Delivery) -> None:
    apprise: Any
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise Failed(
            "Apprise is not installed: apt install apprise, or pip install 'innerwarden[notify]'"
        ) from None
    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="InnerWarden", app_desc="", app_url=""))
    if not sender.add(delivery.secret):
        raise Failed("the file holds no URL that Apprise knows", final=True)
    text = tell(delivery.message)
    how = markdown_span if delivery.secret.partition("://")[0].lower() in MARKDOWN else plain_span
    worked = sender.notify(
        title=short(text.title, 200),
        body=whole(text, how, LIMIT),
        notify_type=_TYPE.get(delivery.message.severity, "info"),
        body_format="text",
    )
    if not worked:
        raise Failed("Apprise could not send it; it does not say why")
