# SPDX-License-Identifier: Apache-2.0
"""Ask reputation providers about addresses: from the cache, then within budget, breaker and a short wait.

What does not come in time is no fact for this decision; it is kept for the next. Nothing here can fail a decision.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import msgspec

from innerwarden.agent.state.lookups import ClaimBudget, Count, LookupReader, SaveListing
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.facts import Listing
from innerwarden.agent.triage.outside.breaker import Breaker
from innerwarden.agent.triage.outside.http import OutsideError
from innerwarden.agent.triage.outside.provider import Answer, Provider
from innerwarden.clock import NS, realtime_ns, rfc3339
from innerwarden.errors import StateError

logger = logging.getLogger(__name__)

THREADS = 4
#: Questions that wait for a thread; what comes on top is not asked.
WAITING_MAX = 64


class _Question(msgspec.Struct, frozen=True):
    provider: Provider
    address: str


class Lookups:
    """`__call__` belongs to one thread, the reader's."""

    def __init__(
        self,
        reader: LookupReader,
        writer: Writer,
        providers: Sequence[Provider],
        *,
        wait_s: float,
        keep_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._providers = {one.name: one for one in providers}
        self._breakers = {name: Breaker() for name in self._providers}
        self._wait_s = wait_s
        self._keep_ns = int(keep_s * NS)
        self._asked: queue.Queue[_Question | None] = queue.Queue(WAITING_MAX)
        self._changed = threading.Condition()
        self._running: set[tuple[str, str]] = set()
        self._fresh: dict[tuple[str, str], Listing] = {}
        for number in range(THREADS if providers else 0):
            threading.Thread(target=self._serve, name=f"lookup-{number}", daemon=True).start()

    def close(self) -> None:
        """Threads end with their question; a question that hangs ends with its own time limit."""
        for _ in range(THREADS):
            try:
                self._asked.put_nowait(None)
            except queue.Full:
                break

    def __call__(self, addresses: Sequence[str]) -> dict[str, tuple[Listing, ...]]:
        wanted = [text for text in addresses if _is_public(text)]
        if not wanted or not self._providers:
            return {}
        known = {
            (one.provider, one.address): Listing(
                provider=one.provider, address=one.address, listed=one.listed, text=one.text
            )
            for one in self._reader.listings(wanted, realtime_ns())
        }
        counted: Counter[str] = Counter()
        asked = set()
        with self._changed:
            self._fresh.clear()  # what came in since is kept in state.db
        for name, provider in self._providers.items():
            missing = [text for text in wanted if (name, text) not in known]
            counted[f"{name}.cached"] += len(wanted) - len(missing)
            asked |= self._ask(provider, missing, counted)
        known |= self._await(asked)
        self._count(counted)
        return {
            text: tuple(one for name in self._providers if (one := known.get((name, text))) is not None)
            for text in wanted
        }

    def _ask(self, provider: Provider, missing: list[str], counted: Counter[str]) -> set[tuple[str, str]]:
        """What of it is being asked now."""
        name = provider.name
        with self._changed:
            under_way = {(name, text) for text in missing if (name, text) in self._running}
        missing = [text for text in missing if (name, text) not in under_way]
        if not missing:
            return under_way
        if not self._breakers[name].may_ask():
            counted[f"{name}.paused"] += len(missing)
            return under_way
        day = rfc3339(realtime_ns())[:10]
        granted = self._writer.run(
            ClaimBudget(name=name, period=day, limit=provider.daily_budget, wanted=len(missing))
        )
        counted[f"{name}.over_budget"] += len(missing) - granted
        for text in missing[:granted]:
            with self._changed:
                self._running.add((name, text))
            try:
                self._asked.put_nowait(_Question(provider, text))
                under_way.add((name, text))
                counted[f"{name}.asked"] += 1
            except queue.Full:
                counted[f"{name}.dropped"] += 1
                with self._changed:
                    self._running.discard((name, text))
        return under_way

    def _await(self, asked: set[tuple[str, str]]) -> dict[tuple[str, str], Listing]:
        deadline = time.monotonic() + self._wait_s
        with self._changed:
            while asked & self._running and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return {key: self._fresh.pop(key) for key in asked if key in self._fresh}

    def _serve(self) -> None:
        while (question := self._asked.get()) is not None:
            answer: Answer | None = None
            try:
                answer = question.provider.ask(question.address)
            except OutsideError as error:
                logger.warning("no reputation provider=%s reason=%s", question.provider.name, error)
            except Exception:  # the top of a worker
                logger.exception("a reputation provider failed provider=%s", question.provider.name)
            self._done(question, answer)

    def _done(self, question: _Question, answer: Answer | None) -> None:
        name, address = question.provider.name, question.address
        self._breakers[name].note(answer is not None)
        if answer is None:
            self._count(Counter({f"{name}.failed": 1}))
        else:
            listing = Listing(provider=name, address=address, listed=answer.listed, text=answer.text)
            self._save(listing)
            with self._changed:
                if len(self._fresh) < WAITING_MAX:
                    self._fresh[name, address] = listing
        with self._changed:
            self._running.discard((name, address))
            self._changed.notify_all()

    def _save(self, one: Listing) -> None:
        self._submit(
            SaveListing(
                provider=one.provider,
                address=one.address,
                listed=one.listed,
                text=one.text,
                expires_ns=realtime_ns() + self._keep_ns,
            )
        )

    def _count(self, counted: Counter[str]) -> None:
        if +counted:
            self._submit(Count({f"triage.lookup.{name}": by for name, by in counted.items() if by}))

    def _submit(self, operation: SaveListing | Count) -> None:
        try:
            self._writer.submit(operation)
        except StateError as error:
            logger.warning("a lookup was not kept error=%s", error.problem)


def _is_public(text: str) -> bool:
    """An address that others can know of; what is private is nobody's business outside."""
    try:
        return ip_address(text).is_global
    except ValueError:
        return False
