# SPDX-License-Identifier: Apache-2.0
"""Channels of notifications as the command line shows and tries them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from innerwarden.agent.notify import secret_file
from innerwarden.agent.notify.child import Child, ChildGone
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.notifier import MODULE, SLACK_S
from innerwarden.agent.notify.sending import Outgoing, Result, Target
from innerwarden.clock import realtime_ns
from innerwarden.config import ChannelConfig, Config, NotifyConfig
from innerwarden.errors import UsageError


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """`problem`: why it cannot be used, or None. Nothing here is secret."""

    channel: str
    kind: str
    enabled: bool
    min_severity: str
    digest_severity: str
    quiet_hours: str
    approve: bool
    secret: str
    problem: str | None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    ok: bool
    detail: str


def listed(notify: NotifyConfig) -> list[Listed]:
    return [
        Listed(
            channel=name,
            kind=channel.kind,
            enabled=notify.enabled and channel.enabled,
            min_severity=channel.min_severity.value,
            digest_severity=channel.digest_severity.value,
            quiet_hours=channel.quiet_hours,
            approve=channel.approve,
            secret=channel.secret,
            problem=_problem(channel),
        )
        for name, channel in sorted(notify.channels.items())
    ]


def _problem(channel: ChannelConfig) -> str | None:
    for path in filter(None, (channel.secret, channel.signing_key)):
        if found := secret_file.check(path):
            return found
    if channel.ca_file and not Path(channel.ca_file).is_file():
        return f"{channel.ca_file} is not there"
    return None


def remarks(notify: NotifyConfig) -> list[str]:
    """What an operator should know of the whole."""
    used = [channel for channel in notify.channels.values() if channel.enabled]
    if not notify.channels:
        return ["no channel is configured; docs/notifications.md shows how"]
    if not notify.enabled:
        return ["nobody is told: set notify.enabled = true"]
    if not any(not c.filter_criticals or not (c.detectors or c.tags) for c in used):
        return ["no channel takes every Critical: each has filter_criticals"]
    return []


def try_channels(config: Config, name: str | None) -> list[Tried]:
    """Send a test message to one channel, or to each that is enabled. Raises UsageError for an unknown name."""
    channels = config.notify.channels
    if name is not None and name not in channels:
        known = ", ".join(sorted(channels)) or "none is configured"
        raise UsageError(f"there is no channel {name!r}", f"Channels: {known}")
    wanted = [name] if name is not None else sorted(n for n, channel in channels.items() if channel.enabled)
    if not wanted:
        raise UsageError("no channel is configured", "docs/notifications.md shows how")
    return [_try(one, channels[one], config.host_name()) for one in wanted]


def _try(name: str, channel: ChannelConfig, host: str) -> Tried:
    now_ns = realtime_ns()
    message = Message(kind="test", key=f"test:{now_ns}", host=host, ts_ns=now_ns)
    child = Child(MODULE)
    try:
        child.write(msgspec.json.encode(Target(name=name, channel=channel)))
        child.write(msgspec.json.encode(Outgoing(message=message)))
        result = msgspec.json.decode(child.read(3 * channel.timeout_s + SLACK_S), type=Result)
    except ChildGone as error:
        return Tried(channel=name, ok=False, detail=str(error))
    finally:
        child.close()
    return Tried(channel=name, ok=result.ok, detail=result.detail)
