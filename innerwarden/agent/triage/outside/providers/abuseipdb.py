# SPDX-License-Identifier: Apache-2.0
"""AbuseIPDB, API version 2: how sure others are that an address attacks. Source: docs.abuseipdb.com, CHECK endpoint."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from innerwarden.agent.triage.outside.http import OutsideError, Request, fetch
from innerwarden.agent.triage.outside.provider import Answer
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import ReputationConfig

MAX_AGE_DAYS = 30


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    abuse_confidence_score: int
    total_reports: int = 0


class _Reply(msgspec.Struct, frozen=True):
    data: _Data


_decode = msgspec.json.Decoder(_Reply, strict=False).decode


class AbuseIpDb:
    name = "abuseipdb"

    def __init__(self, config: ReputationConfig) -> None:
        self._config = config.abuseipdb
        self._key = read_key(self._config.key_file)
        self.daily_budget = self._config.daily_budget

    def ask(self, address: str) -> Answer:
        query = urlencode({"ipAddress": address, "maxAgeInDays": MAX_AGE_DAYS})
        url = f"{self._config.url.rstrip('/')}/api/v2/check?{query}"
        request = Request(url=url, headers={"Key": self._key}, timeout_s=self._config.timeout_s)
        try:
            data = _decode(fetch(request)[1]).data
        except (msgspec.MsgspecError, ValueError):
            raise OutsideError("the answer is not as documented") from None
        text = f"score {data.abuse_confidence_score} of 100 by {data.total_reports} reports"
        return Answer(listed=data.abuse_confidence_score >= self._config.min_score, text=text)


def build(config: ReputationConfig) -> AbuseIpDb | None:
    return AbuseIpDb(config) if config.abuseipdb.enabled else None
