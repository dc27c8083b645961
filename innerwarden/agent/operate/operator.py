# SPDX-License-Identifier: Apache-2.0
"""Carry out a person's command: judged like everything else, then one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable

from innerwarden.agent.state.commands import BlockByHand, MoveResponse, SetStatus, UnblockByHand
from innerwarden.agent.state.writer import Operation, Writer
from innerwarden.config import Config
from innerwarden.errors import InnerWardenError
from innerwarden.log import safe
from innerwarden.model.command import (
    Answer,
    AnyCommand,
    Approve,
    Block,
    Close,
    Deny,
    Unblock,
    Undo,
)
from innerwarden.model.verb import BlockAddress, Verb
from innerwarden.safety import HostFacts, look, may_act, policy_of
from innerwarden.trust.networks import address_of

logger = logging.getLogger(__name__)

TTL_S = (60, 604_800)
REASON_CHARACTERS = 500
WRITE_S = 10.0


#: Command -> (the response's state before, after, what the person is told).
_MOVES: dict[type[AnyCommand], tuple[str, str, str]] = {
    Approve: ("proposed", "intended", "is approved"),
    Deny: ("proposed", "denied", "will not happen"),
    Undo: ("active", "undoing", "will be undone"),
}


class Operator:
    """Called from several threads: command socket, dashboard, chat."""

    def __init__(self, writer: Writer, config: Config, facts: Callable[[], HostFacts] = look) -> None:
        self._writer = writer
        self._config = config
        self._facts = facts

    def run(self, who: str, command: AnyCommand) -> Answer:
        """`who` is a user's name, or `dashboard`. Never raises for what a person can say."""
        try:
            wanted = self._operation(f"operator:{who}", command)
            answer = wanted if isinstance(wanted, Answer) else self._writer.run(wanted, WRITE_S)
        except InnerWardenError as error:
            answer = Answer(done=False, text=str(error))
        logger.info("command who=%s what=%s done=%s", safe(who), command.id, answer.done)
        return answer

    def word(self, who: str, word: str, response_id: str) -> str:
        """`approve` or `deny` from a chat; returns what the person is told."""
        command = Approve(response_id=response_id) if word == "approve" else Deny(response_id=response_id)
        return self.run(who, command).text

    def _operation(self, who: str, command: AnyCommand) -> Operation[Answer] | Answer:
        if isinstance(command, Block):
            return self._block(who, command)
        if isinstance(command, Approve | Deny | Undo):
            before, after, said = _MOVES[type(command)]
            return MoveResponse(
                who=who, what=command.id, reason=_reason(command), response_id=command.response_id,
                before=before, after=after, said=said,
            )  # fmt: skip
        if isinstance(command, Unblock):
            known = address_of(command.address)
            if known is None:
                return Answer(done=False, text=f"{command.address[:64]!r} is no address")
            return UnblockByHand(who=who, what=command.id, reason=_reason(command), address=str(known))
        status = "closed" if isinstance(command, Close) else "open"
        return SetStatus(
            who=who, what=command.id, reason=_reason(command), incident_id=command.incident_id, status=status
        )

    def _block(self, who: str, command: Block) -> Operation[Answer] | Answer:
        responder = self._config.responder
        ttl_s = responder.block_ttl_s if command.ttl_s is None else command.ttl_s
        if not TTL_S[0] <= ttl_s <= TTL_S[1]:
            return Answer(done=False, text=f"a block lasts {TTL_S[0]} to {TTL_S[1]} seconds, not {ttl_s}")
        if not responder.enabled:
            return Answer(done=False, text="responder.enabled is off, so nothing is ever blocked")
        known = address_of(command.address)
        verb = BlockAddress(address=str(known or command.address), backend=responder.backend)
        if (problem := self._objection(verb)) is not None:
            return Answer(done=False, text=problem)
        return BlockByHand(who=who, what=command.id, reason=_reason(command), verb=verb, ttl_s=ttl_s)

    def _objection(self, verb: Verb) -> str | None:
        if verb.id not in self._config.responder.verbs:
            return f"responder.verbs does not name {verb.id}"
        verdict = may_act(verb, self._facts(), policy_of(self._config))
        return None if verdict.allowed else f"refused ({verdict.rule}): {verdict.reason}"


def _reason(command: AnyCommand) -> str:
    return "" if isinstance(command, Approve) else command.reason[:REASON_CHARACTERS]
