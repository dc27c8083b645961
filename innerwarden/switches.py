# SPDX-License-Identifier: Apache-2.0
"""The two switches of the responder, and the mode that they grant. Every path to a refusal goes through here."""

from __future__ import annotations

from innerwarden.config import ResponderConfig
from innerwarden.errors import UsageError
from innerwarden.model._wire import EnforcementMode

OFF = 0

#: Name in the configuration -> what the kernel programs read.
MODES: dict[str, int] = {
    "off": OFF,
    "observe": EnforcementMode.OBSERVE,
    "rehearse": EnforcementMode.REHEARSE,
    "enforce": EnforcementMode.ENFORCE,
}


def switches_on(responder: ResponderConfig) -> bool:
    """Both of them, and nothing that merely counts as true."""
    return responder.enabled is True and responder.dry_run is False


def effective_mode(responder: ResponderConfig, asked: str) -> int:
    """The mode to write into the kernel for a rule that is asked to be in mode `asked`.

    Never above observe unless both switches are on. Raises UsageError for a mode that there is not.
    """
    if asked not in MODES:
        raise UsageError(f"there is no enforcement mode {asked!r}", f"Use one of {', '.join(MODES)}")
    mode = MODES[asked]
    return mode if switches_on(responder) else min(mode, EnforcementMode.OBSERVE)
