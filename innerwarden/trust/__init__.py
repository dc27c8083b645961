# SPDX-License-Identifier: Apache-2.0
"""Trust in one place: who may do what without alarm, until when, and who said so. See docs/trust.md."""

from innerwarden.trust.judge import Actor, Answer, Subject, TrustSet, Verdict
from innerwarden.trust.model import MARK, Entry, Executable, Placed
from innerwarden.trust.programs import Image, Programs
from innerwarden.trust.store import TrustStore

__all__ = [
    "MARK",
    "Actor",
    "Answer",
    "Entry",
    "Executable",
    "Image",
    "Placed",
    "Programs",
    "Subject",
    "TrustSet",
    "TrustStore",
    "Verdict",
]
