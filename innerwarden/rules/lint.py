# SPDX-License-Identifier: Apache-2.0
"""What pySigma takes and a rule's author cannot have meant, or what has no event here: refused before compilation."""

from __future__ import annotations

from sigma.modifiers import SigmaCaseSensitiveModifier, SigmaFieldReferenceModifier
from sigma.rule import SigmaDetections

from innerwarden.errors import RuleError
from innerwarden.rules.backend import FieldError, items_of
from innerwarden.rules.sigma_file import Document

_OTHER_DOCUMENTS = {
    "filter": "a Sigma filter changes other rules, and is not applied here",
    "action": "documents that change the ones after them are no longer Sigma",
}


def one_rule(document: Document) -> None:
    """Refuse documents that are no rule of their own."""
    for key, what in _OTHER_DOCUMENTS.items():
        if key in document.tree:
            raise RuleError(f"{key!r}: {what}", "Put what it says into the rules themselves")


def detections_are_used(detections: SigmaDetections, document: Document) -> None:
    """Refuse a named search that no condition uses: it is most often a misspelt condition."""
    used = " ".join(detections.condition)
    for name in detections.detections:
        covered = name in used.replace("(", " ").replace(")", " ").split() or "them" in used.split()
        patterns = [word.rstrip("*") for word in used.replace(")", " ").split() if word.endswith("*")]
        if not covered and not any(name.startswith(pattern) for pattern in patterns):
            raise RuleError(f"{document.at(name)}: no condition uses {name!r}", "Use it or remove it")


def modifiers_agree(detections: SigmaDetections) -> None:
    """Refuse what pySigma takes and forgets."""
    for name, item in items_of(detections):
        if {SigmaCaseSensitiveModifier, SigmaFieldReferenceModifier} <= set(item.modifiers):
            problem = f"{item.field}: a field reference has no case to heed"
            error = FieldError(RuleError(problem, "Remove cased"), str(item.field))
            error.lies_in(name, item)
            raise error
