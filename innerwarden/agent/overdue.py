# SPDX-License-Identifier: Apache-2.0
"""Where the scheduler and correlation meet: chains that end with something that did not follow."""

from __future__ import annotations

from functools import cache

import msgspec

from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.users import Users


class TellOverdue(msgspec.Struct, frozen=True):
    """Operation: returns how many chains were complete because nothing followed."""

    correlator: Correlator
    durable: bool = True

    def apply(self, tx: Tx) -> int:
        return self.correlator.overdue(tx)


def tell_overdue(writer: Writer) -> int:
    """One round over what is due."""
    return writer.run(TellOverdue(_correlator()))


@cache
def _correlator() -> Correlator:
    return Correlator(find_rules(), Users().name)
