# SPDX-License-Identifier: Apache-2.0
"""Why a message did not go out, in words that hold neither URL nor key."""

from __future__ import annotations


class Failed(Exception):
    """`detail` is one of our own sentences: text of libraries and providers may repeat a secret. `final`: the provider
    says no to this message or this sender; asking again soon changes nothing."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None, final: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.final = final
