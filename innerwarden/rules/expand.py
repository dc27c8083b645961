# SPDX-License-Identifier: Apache-2.0
"""Sigma's placeholders -> the values of lists, before anything else looks at a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sigma.rule import SigmaDetections
from sigma.types import Placeholder, SigmaRegularExpression, SigmaString, SigmaType

from innerwarden.errors import RuleError
from innerwarden.rules.backend import FieldError, items_of
from innerwarden.rules.lists import DIRECTORY, SUFFIX, ValueList


def expand(detections: SigmaDetections, lists: Sequence[ValueList]) -> None:
    """Put the values in place. Raises FieldError for a list that is not there and for what is no text."""
    known = {one.name: one for one in lists}
    for search, item in items_of(detections):
        values: list[SigmaType] = []
        for value in item.value:
            try:
                values += _values(value, known)
            except RuleError as error:
                located = FieldError(error, item.field or search, value)
                located.lies_in(search, item)
                raise located from error
        item.value = values


def _values(value: SigmaType, known: Mapping[str, ValueList]) -> Sequence[SigmaType]:
    if isinstance(value, SigmaRegularExpression) and value.regexp.contains_placeholder():
        raise RuleError("a list has no place in a regular expression", "Write the alternatives out")
    if not isinstance(value, SigmaString) or not value.contains_placeholder():
        return [value]

    def replacements(placeholder: Placeholder) -> Iterator[SigmaString]:
        found = known.get(placeholder.name)
        if found is None:
            raise RuleError(
                f"there is no list {placeholder.name!r} that can be read",
                f"Add {DIRECTORY}/{placeholder.name}{SUFFIX} to the module, or correct it",
            )
        for text in found.values:
            yield SigmaString(text)

    expanded = value.replace_placeholders(replacements)
    return [_as(type(value), one) for one in expanded]


def _as(kind: type[SigmaString], text: SigmaString) -> SigmaString:
    """pySigma builds plain strings out of the parts; a cased one stays cased."""
    if type(text) is kind:
        return text
    out = kind()
    out.s = text.s
    return out
