# SPDX-License-Identifier: Apache-2.0
"""GreyNoise Community API: who scans the whole internet. Source: docs.greynoise.io, GET /v3/community/{ip}."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from innerwarden.agent.triage.outside.http import OutsideError, Request, fetch
from innerwarden.agent.triage.outside.provider import Answer
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import ReputationConfig
from innerwarden.log import safe


class _Reply(msgspec.Struct, frozen=True):
    noise: bool = False
    classification: str = "unknown"


_decode = msgspec.json.Decoder(_Reply, strict=False).decode


class GreyNoise:
    """Without a key the provider answers a few requests a day."""

    name = "greynoise"

    def __init__(self, config: ReputationConfig) -> None:
        self._config = config.greynoise
        self._key = read_key(self._config.key_file) if self._config.key_file else ""
        self.daily_budget = self._config.daily_budget

    def ask(self, address: str) -> Answer:
        url = f"{self._config.url.rstrip('/')}/v3/community/{quote(address, safe='')}"
        headers = {"key": self._key} if self._key else {}
        # 404: not seen to scan.
        request = Request(url=url, headers=headers, timeout_s=self._config.timeout_s, accept=(200, 404))
        status, body = fetch(request)
        if status == 404:
            return Answer(listed=False, text="never seen")
        try:
            reply = _decode(body)
        except (msgspec.MsgspecError, ValueError):
            raise OutsideError("the answer is not as documented") from None
        listed = reply.classification == "malicious"
        return Answer(listed=listed, text=f"classified {safe(reply.classification, 32)}")


def build(config: ReputationConfig) -> GreyNoise | None:
    return GreyNoise(config) if config.greynoise.enabled else None
