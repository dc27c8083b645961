# SPDX-License-Identifier: Apache-2.0
"""Why a document was not compiled: collected, and each with the file and line that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetectionItem

from innerwarden.errors import RuleError
from innerwarden.rules.backend import POLICY, FieldError
from innerwarden.rules.correlation import CorrelationError
from innerwarden.rules.sigma_file import Document


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a document was not compiled, and the way out."""

    file: str
    line: int
    reason: str
    remedy: str


@contextmanager
def collected(problems: list[RuleError]) -> Iterator[None]:
    """Keep a refusal for the end, so that one document never takes another with it."""
    try:
        yield
    except RuleError as error:
        problems.append(error)


def refusal_of(error: RuleError) -> Refusal:
    """The parts of an error that begins with `file:line: `."""
    found = re.match(r"(.*?):(\d+): ", error.problem)
    if found is None:
        return Refusal(file="", line=0, reason=error.problem, remedy=error.remedy)
    reason = error.problem[found.end() :]
    return Refusal(file=found[1], line=int(found[2]), reason=reason, remedy=error.remedy)


@contextmanager
def located(document: Document) -> Iterator[None]:
    """Give errors of pySigma and of ours the file and line of the key they name."""
    try:
        yield
    except RuleError as error:
        if error.problem.startswith(f"{document.name}:"):
            raise
        if isinstance(error, FieldError):
            place = document.at(error.key, below=error.below)
        elif isinstance(error, CorrelationError):
            place = document.at(error.key, below="correlation")
        else:
            place = document.at(_word(error.problem))
        raise RuleError(f"{place}: {error.problem}", error.remedy) from error
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:
        text = str(error).split(" in /")[0]
        below = "correlation" if document.is_correlation else None
        key = _broken_item(document.tree.get("detection")) or _word(text)
        if below and key is None:
            key = next((key for word, key in _CORRELATION_WORDS.items() if word in text.lower()), None)
        raise RuleError(f"{document.at(key, below=below)}: {text}", "Correct the rule there") from error


#: Words of pySigma's errors about a correlation -> the key that they are about.
_CORRELATION_WORDS = {
    "field reference": "condition",
    "condition": "condition",
    "timespan": "timespan",
    "type": "type",
    "group": "group-by",
    "alias": "aliases",
    "rule": "rules",
}


def _broken_item(tree: object) -> str | None:
    """The `field|modifiers` that pySigma refuses; its errors do not say."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, dict | list) and (inner := _broken_item(value)):
                return inner
            if "|" in str(key):
                try:
                    SigmaDetectionItem.from_mapping(key, value, policy=POLICY)
                except (SigmaError, ValueError, TypeError, AttributeError):
                    return str(key)
    if isinstance(tree, list):
        return next((inner for item in tree if (inner := _broken_item(item))), None)
    return None


def _word(problem: str) -> str | None:
    """The key an error speaks of: the first quoted word."""
    return problem.split("'")[1].strip() if problem.count("'") > 1 else None
