# SPDX-License-Identifier: Apache-2.0
"""OpenAI's chat completions, which many servers speak. Source: its API reference, Create chat completion."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.outside.http import OutsideError, Request, checked_url, fetch
from innerwarden.agent.triage.outside.model import MAX_BYTES, MAX_TOKENS
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import ModelConfig

#: They take the number of tokens under a newer name, and no temperature.
_REASONING = ("o1", "o3", "o4", "gpt-5")


class _Message(msgspec.Struct, frozen=True):
    content: str


class _Choice(msgspec.Struct, frozen=True):
    message: _Message


class _Reply(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...]


_decode = msgspec.json.Decoder(_Reply).decode


class OpenAi:
    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self.name = config.model
        self._url = f"{config.url.rstrip('/')}/chat/completions"
        checked_url(self._url)
        self._key = read_key(config.key_file) if config.key_file else ""

    def complete(self, instructions: str, data: str) -> str:
        newer = self._config.model.startswith(_REASONING)
        body: dict[str, object] = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": data}],
            "response_format": {"type": "json_object"},
        }
        body |= (
            {"max_completion_tokens": 4 * MAX_TOKENS}
            if newer
            else {"max_tokens": MAX_TOKENS, "temperature": 0}
        )
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
            choices = _decode(fetch(request)[1]).choices
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise OutsideError("the answer is not as documented") from None
        if not choices:
            raise OutsideError("the answer holds no choice")
        return choices[0].message.content


def build(config: ModelConfig) -> OpenAi:
    return OpenAi(config)
