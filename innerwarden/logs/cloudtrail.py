# SPDX-License-Identifier: Apache-2.0
"""AWS CloudTrail: files of entries -> `cloud.api_call` records.

Source: docs.aws.amazon.com/awscloudtrail, "CloudTrail record contents". A file as AWS delivers it is one object with
`Records`; a list, one entry alone, and one entry to a line are read as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import msgspec

from innerwarden.logs.container_settings import table
from innerwarden.logs.containers import rfc3339_ns
from innerwarden.logs.reader import Stats
from innerwarden.model.pack import Packer, address
from innerwarden.unreadable import UNREADABLE

#: Bytes of one entry; CloudTrail's own limit is 256 KiB.
ENTRY_BYTES = 512 << 10
#: Of the leaves that a rule may ask for.
LEAVES_MAX = 512
LEAVES_BYTES = 24 << 10
DEPTH_MAX = 16


class _File(msgspec.Struct):
    Records: list[msgspec.Raw]


class CloudTrailReader:
    """`read` takes a whole file, or whole lines of one entry each."""

    def __init__(self, source_id: int = 0) -> None:
        self.stats = Stats()
        self._packer = Packer("cloud.api_call", source_id)

    def read(self, chunk: bytes) -> list[bytes]:
        try:
            return [record for raw in entries(chunk) if (record := self.entry(raw)) is not None]
        except ValueError:
            pass
        return [
            record for line in chunk.split(b"\n") if line.strip() if (record := self.entry(line)) is not None
        ]

    def idle(self) -> list[bytes]:
        return []

    def finish(self) -> list[bytes]:
        return []

    def entry(self, raw: bytes | msgspec.Raw) -> bytes | None:
        """One entry's record; None for what is none, counted."""
        self.stats.lines += 1
        try:
            tree = msgspec.json.decode(raw) if len(bytes(raw)) <= ENTRY_BYTES else None
        except UNREADABLE:
            tree = None
        values = values_of(tree) if isinstance(tree, dict) else None
        if values is None:
            self.stats.malformed += 1
            return None
        self.stats.matched += 1
        values["message"] = bytes(raw)
        return self._packer.pack(_when(table(tree)) or 0, values)


def entries(document: bytes) -> list[msgspec.Raw]:
    """The entries of a whole file, not yet decoded. Raises ValueError for what is no JSON document of entries."""
    start = document.lstrip()[:1]
    try:
        if start == b"[":
            return msgspec.json.decode(document, type=list[msgspec.Raw])
        try:
            return msgspec.json.decode(document, type=_File).Records
        except msgspec.ValidationError:
            # No `Records`: one entry alone, which must be one document.
            return [msgspec.json.decode(document, type=msgspec.Raw)]
    except UNREADABLE as error:
        raise ValueError(str(error)) from error


def values_of(tree: dict[str, Any]) -> dict[str, int | str | bytes | None] | None:
    """Members of struct iw_cloud_api_call; None without a service, a name or a time."""
    service, action = tree.get("eventSource"), tree.get("eventName")
    if not isinstance(service, str) or not isinstance(action, str) or _when(tree) is None:
        return None
    who = table(tree.get("userIdentity"))
    issuer = table(table(who.get("sessionContext")).get("sessionIssuer"))
    caller = _text(tree.get("sourceIPAddress"))
    where = address(caller)
    return {
        "cloud_service": service,
        "action": action,
        "cloud_event_type": _text(tree.get("eventType")),
        "cloud_region": _text(tree.get("awsRegion")),
        "cloud_account": _text(tree.get("recipientAccountId")) or _text(who.get("accountId")),
        "identity_type": _text(who.get("type")),
        "identity_arn": _text(who.get("arn")) or _text(who.get("principalId")),
        "identity_invoker": _text(who.get("invokedBy")),
        "user": _text(who.get("userName")) or _text(issuer.get("userName")),
        "error_code": _text(tree.get("errorCode")),
        "reason": _text(tree.get("errorMessage")),
        "cloud_result": _text(table(tree.get("responseElements")).get("ConsoleLogin")),
        "user_agent": _text(tree.get("userAgent")),
        "src_ip": where,
        "src_host": caller if where is None else None,
        "cloud_parameters": leaves(tree),
    }


def leaves(tree: dict[str, Any]) -> str:
    """Every leaf as "path=value", each between newlines; list positions and what is null are left out."""
    parts: list[str] = []
    size = 0
    for path, value in _walk(tree):
        part = f"{path}={value}"
        size += len(part) + 1
        if size > LEAVES_BYTES or len(parts) >= LEAVES_MAX:
            break
        parts.append(part)
    return "\n" + "\n".join(parts) + "\n" if parts else ""


def _walk(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Depth first, in the entry's order."""
    waiting: list[tuple[str, Any, int]] = [("", tree, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, dict | list) and depth < DEPTH_MAX:
            inner = value.items() if isinstance(value, dict) else (("", item) for item in value)
            named = [(f"{path}.{key}".strip("."), item, depth + 1) for key, item in inner]
            waiting += reversed(named)
        elif isinstance(value, bool):
            yield path, "true" if value else "false"
        elif isinstance(value, str | int | float):
            yield path, str(value).replace("\n", " ")


def _when(tree: dict[str, Any]) -> int | None:
    """CloudTrail's times are UTC; shippers that write them anew leave the zone out."""
    return rfc3339_ns(tree.get("eventTime"), zone=UTC)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
