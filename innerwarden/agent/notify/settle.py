# SPDX-License-Identifier: Apache-2.0
"""When a channel may be tried, and what an attempt leads to."""

from __future__ import annotations

import msgspec

from innerwarden.agent.notify.sending import Result
from innerwarden.agent.state import notices
from innerwarden.agent.state.notices import CRITICAL, Channel, Due
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS
from innerwarden.model.severity import Severity

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 3600.0
#: A Critical is tried again after so long at most, unless the provider asked for silence.
CRITICAL_WAIT_S = 60.0
#: Attempts when the provider says no to the message or to us.
FINAL_ATTEMPTS = 3
CRITICAL_KEPT_NS = 86_400 * NS
#: However patient a provider asks to be, nothing is tried for longer.
KEPT_NS = 7 * 86_400 * NS


def wait_s(failures: int, severity: Severity) -> float:
    """Before the next attempt after so many failures in a row."""
    longest = CRITICAL_WAIT_S if severity is Severity.CRITICAL else LONGEST_WAIT_S
    return min(FIRST_WAIT_S * 2.0 ** min(max(failures - 1, 0), 20), longest)


def take(tx: Tx, name: str, now_ns: int) -> Due | None:
    """What this channel may send now."""
    state = notices.channel(tx, name)
    at_least = lowest(state, now_ns)
    return None if at_least is None else notices.next_due(tx, name, now_ns, at_least)


def lowest(state: Channel, now_ns: int) -> int | None:
    """The lowest severity that may be tried now; None: nothing. A wait that began in the future is void."""
    if now_ns < state.refused_until_ns <= now_ns + KEPT_NS:
        return None
    past_s = (now_ns - state.failed_ns) / NS
    if not state.failures or past_s < 0 or past_s >= wait_s(state.failures, Severity.HIGH):
        return Severity.DEBUG.rank
    return CRITICAL if past_s >= wait_s(state.failures, Severity.CRITICAL) else None


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: the next message, which stays due until it is settled: a crash in between sends it again."""

    channel: str
    now_ns: int
    durable: bool = False

    def apply(self, tx: Tx) -> Due | None:
        return take(tx, self.channel, self.now_ns)


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: what came of an attempt. Returns whether the message was given up."""

    channel: str
    due: Due
    result: Result
    max_attempts: int
    now_ns: int
    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        state = notices.channel(tx, self.channel)
        if self.result.ok:
            notices.sent(tx, self.due.id, self.now_ns)
            notices.put_channel(
                tx,
                msgspec.structs.replace(
                    state, failures=0, failed_ns=0, refused_until_ns=0, sent_ns=self.now_ns, last_error=""
                ),
            )
            return False
        notices.put_channel(tx, self._failed(state))
        if self._is_over():
            notices.give_up(tx, self.due.id, self.now_ns, self.result.detail)
            return True
        delay_s = self.result.retry_after_s
        if delay_s is None:
            delay_s = wait_s(self.due.attempts + 1, self.due.severity)
        counted = int(self.result.retry_after_s is None)
        notices.put_off(tx, self.due.id, self.now_ns + int(delay_s * NS), self.result.detail, counted)
        return False

    def _failed(self, state: Channel) -> Channel:
        if self.result.final:  # others of the same channel may pass
            return msgspec.structs.replace(state, last_error=self.result.detail)
        refused_ns = int((self.result.retry_after_s or 0) * NS)
        return msgspec.structs.replace(
            state,
            failures=state.failures + (self.result.retry_after_s is None),
            failed_ns=self.now_ns,
            refused_until_ns=self.now_ns + refused_ns if refused_ns else 0,
            last_error=self.result.detail,
        )

    def _is_over(self) -> bool:
        age_ns = self.now_ns - self.due.created_ns
        if age_ns > KEPT_NS:
            return True
        if self.result.retry_after_s is not None:
            return False
        limit = min(FINAL_ATTEMPTS, self.max_attempts) if self.result.final else self.max_attempts
        if self.due.attempts + 1 < limit:
            return False
        return self.due.severity is not Severity.CRITICAL or age_ns >= CRITICAL_KEPT_NS
