# SPDX-License-Identifier: Apache-2.0
"""Whether a target may be acted on. One function decides for every path: `may_act`."""

from innerwarden.safety.act import Verdict, may_act
from innerwarden.safety.host import HostFacts, look
from innerwarden.safety.policy import Policy, policy_of

__all__ = ["HostFacts", "Policy", "Verdict", "look", "may_act", "policy_of"]
