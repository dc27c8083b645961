# SPDX-License-Identifier: Apache-2.0
"""The authentication log file, usually /var/log/auth.log (Debian) or /var/log/secure (Red Hat)."""

from __future__ import annotations

from pathlib import Path

from innerwarden_core import Engine, Hit

from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import SOURCE_AUTH_LOG, Context, auth_parser, decode_cursor
from innerwarden.sensor.collectors.tail import Cursor, Tail

ID = "auth_log"
#: Some 40,000 lines, parsed in a few hundredths of a second: longer than any window on a busy server.
WARM_BYTES = 4 << 20


class AuthLog:
    """Whole lines go to the native parser; Python sees only the chunks."""

    id = ID

    def __init__(self, path: Path, context: Context) -> None:
        self.tail = Tail(path, decode_cursor(context.cursor, Cursor), monotonic=context.monotonic)
        self._clock = auth_parser(SOURCE_AUTH_LOG, context)
        self._warm: dict[str, int] = {}

    def warm_up(self, engine: Engine) -> None:
        """Bring windows and cooldowns to where a killed sensor left them; its findings are written already.

        Event time makes that repeatable: the lines after the cursor then give the same findings, with the
        same ids, that the dead sensor gave for them, and no attack is cut in two by the restart.
        """
        parser = self._clock.refresh()
        for chunk in self.tail.before(WARM_BYTES):
            engine.feed_lines(chunk, parser)
        self._warm = parser.stats()

    def poll(self, engine: Engine) -> list[Hit]:
        hits: list[Hit] = []
        parser = self._clock.refresh()
        for chunk in self.tail.chunks():
            found, _consumed = engine.feed_lines(chunk, parser)
            hits += found
        return hits

    def health(self) -> CollectorHealth:
        warm, tail = self._warm, self.tail.stats
        parsed = {name: count - warm.get(name, 0) for name, count in self._clock.parser.stats().items()}
        reason = self.tail.absent or (
            "" if parsed["lines"] else f"no line in {self.tail.path} since the start"
        )
        if tail.gaps:
            reason = (
                reason + "; " if reason else ""
            ) + f"{tail.gaps} rotated file(s) gone before they were read"
        state = "absent" if self.tail.absent else "working" if parsed["lines"] else "unconfirmed"
        return CollectorHealth(
            id=self.id,
            state=state,
            reason=reason,
            lines=parsed["lines"],
            matched=parsed["matched"],
            malformed=parsed["malformed"],
            lost=parsed["too_long"] + tail.too_long,
        )

    def cursor(self) -> Cursor | None:
        return self.tail.cursor()

    def close(self) -> None:
        self.tail.close()


def create(context: Context) -> AuthLog | None:
    config = context.config.auth_log
    return AuthLog(Path(config.path), context) if config.enabled else None
