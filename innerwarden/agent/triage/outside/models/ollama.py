# SPDX-License-Identifier: Apache-2.0
"""Ollama's own protocol. Source: its API page, Generate a chat completion."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.outside.http import OutsideError, Request, checked_url, fetch
from innerwarden.agent.triage.outside.model import MAX_BYTES, MAX_TOKENS
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import ModelConfig


class _Message(msgspec.Struct, frozen=True):
    content: str


class _Reply(msgspec.Struct, frozen=True):
    message: _Message


_decode = msgspec.json.Decoder(_Reply).decode


class Ollama:
    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self.name = config.model
        self._url = f"{config.url.rstrip('/')}/api/chat"
        checked_url(self._url)
        self._key = read_key(config.key_file) if config.key_file else ""

    def complete(self, instructions: str, data: str) -> str:
        body = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": data}],
            "stream": False,
            "format": "json",
            "options": {"temperature": 0, "num_predict": MAX_TOKENS},
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = Request(
            url=self._url,
            headers=headers,
            body=msgspec.json.encode(body),
            timeout_s=self._config.timeout_s,
            max_bytes=MAX_BYTES,
        )
        try:
            return _decode(fetch(request)[1]).message.content
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise OutsideError("the answer is not as documented") from None


def build(config: ModelConfig) -> Ollama:
    return Ollama(config)
