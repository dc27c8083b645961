# SPDX-License-Identifier: Apache-2.0
"""CrowdSec's local API: what the CrowdSec of this network decided. Source: its OpenAPI text, GET /v1/decisions."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from innerwarden.agent.triage.outside.http import OutsideError, Request, fetch
from innerwarden.agent.triage.outside.provider import Answer
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import ReputationConfig
from innerwarden.log import safe


class _Decision(msgspec.Struct, frozen=True):
    type: str
    scenario: str = ""
    simulated: bool = False


_decode = msgspec.json.Decoder(tuple[_Decision, ...] | None, strict=False).decode


class CrowdSec:
    name = "crowdsec"

    def __init__(self, config: ReputationConfig) -> None:
        self._config = config.crowdsec
        self._key = read_key(self._config.key_file)
        self.daily_budget = self._config.daily_budget

    def ask(self, address: str) -> Answer:
        url = f"{self._config.url.rstrip('/')}/v1/decisions?{urlencode({'ip': address})}"
        request = Request(url=url, headers={"X-Api-Key": self._key}, timeout_s=self._config.timeout_s)
        try:
            decisions = [d for d in _decode(fetch(request)[1]) or () if not d.simulated]
        except (msgspec.MsgspecError, ValueError):
            raise OutsideError("the answer is not as documented") from None
        if not decisions:
            return Answer(listed=False, text="no decision")
        text = f"{safe(decisions[0].type, 32)} for {safe(decisions[0].scenario, 64)}"
        return Answer(listed=True, text=text)


def build(config: ReputationConfig) -> CrowdSec | None:
    return CrowdSec(config) if config.crowdsec.enabled else None
