# SPDX-License-Identifier: Apache-2.0
"""Fields of Sigma's log sources that are no field of an event here, but something that one says."""

from __future__ import annotations

import re
from dataclasses import replace

from sigma.rule import SigmaDetections
from sigma.types import (
    SigmaBool,
    SigmaExists,
    SigmaExpansion,
    SigmaNull,
    SigmaNumber,
    SigmaString,
    SigmaType,
    SpecialChars,
)

from innerwarden.errors import RuleError
from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.rules.expression import Expression, Not, Or, Test
from innerwarden.rules.pipeline import Source
from innerwarden.rules.regex_form import engine_pattern
from innerwarden.rules.regex_tree import Flags
from innerwarden.rules.values import string_test

#: auditd's record of a program that starts is the event that every source has for it.
_STARTED = Test("kind_name", "equals", (b"process.exec",))
_RESULTS = {"yes": "success", "success": "success", "1": "success", "true": "success"}
_RESULTS |= {"no": "failed", "failed": "failed", "fail": "failed", "0": "failed", "false": "failed"}
_ARGUMENT = re.compile(r"a\d+")
#: Parts of a CloudTrail entry below which every leaf can be asked for by its path.
_LEAVES = re.compile(
    r"(requestParameters|responseElements|additionalEventData|userIdentity|resources|serviceEventDetails|"
    r"requestID|eventID|eventCategory|readOnly|managementEvent|sharedEventID|vpcEndpointId|tlsDetails|"
    r"sessionCredentialFromConsole|eventVersion|apiVersion)(\.[\w-]+)*"
)


def audit_source(fields: set[str], source: Source) -> Source:
    """The kinds that a rule for auditd is about; `fields` are those that it names.

    Raises RuleError for arguments of no record: SYSCALL's are registers, EXECVE's are words.
    """
    if "type" in fields:
        return source
    if any(_ARGUMENT.fullmatch(name) for name in fields):
        raise RuleError(
            "an auditd rule that names arguments without `type: EXECVE` or `type: SYSCALL` could mean either",
            "Add it",
        )
    return replace(source, kinds=tuple(kind for kind in source.kinds if kind != "process.exec"))


def fields_of(detections: SigmaDetections) -> set[str]:
    """Every field that a rule names."""
    found: set[str] = set()
    waiting: list[object] = list(detections.detections.values())
    while waiting:
        item = waiting.pop()
        waiting += getattr(item, "detection_items", ())
        if (name := getattr(item, "field", None)) is not None:
            found.add(str(name))
    return found


def foreign_test(name: str, value: SigmaType, source: Source) -> Expression | None:
    """The test that the field means, or None when it is an ordinary field."""
    if isinstance(value, SigmaExpansion):
        parts = [foreign_test(name, item, source) for item in value.values]
        known = tuple(part for part in parts if part is not None)
        return Or(known) if len(known) == len(parts) else None
    if source.category == "auditd":
        return _audit(name, value)
    if source.category == "cloudtrail" and _LEAVES.fullmatch(name) and not _has_field(name):
        return _leaf(name, value)
    return None


def foreign_keyword(value: SigmaString, source: Source) -> Expression | None:
    """Text anywhere in an audit record: of EXECVE the command line."""
    if source.category != "auditd":
        return None
    return Or((string_test(VOCABULARY["message"], value), string_test(VOCABULARY["command_line"], value)))


def _has_field(name: str) -> bool:
    return any("cloudtrail" in field.sigma.get(name, ()) for field in VOCABULARY.values())


def _audit(name: str, value: SigmaType) -> Expression | None:
    text = str(value) if isinstance(value, SigmaNumber | SigmaBool) else None
    if isinstance(value, SigmaString):
        text = None if value.contains_special() else value.to_plain()
    if name == "type":
        return _audit_type(value, text)
    if name in ("syscall", "SYSCALL"):
        if text is not None and text.isascii() and text.isdecimal():
            return Test("syscall_nr", "eq", (int(text),))
        return None
    if name in ("success", "res"):
        if text is None or text.lower() not in _RESULTS:
            raise RuleError(
                f"{name} is one of {', '.join(_RESULTS)}", "Write one of them, without wildcards or modifiers"
            )
        return Test("reason", "equals", (_RESULTS[text.lower()].encode(),))
    return None


def _audit_type(value: SigmaType, text: str | None) -> Expression:
    if text is not None:
        return _STARTED if text.upper() == "EXECVE" else Test("audit_type", "equals", (text.encode(),))
    if not isinstance(value, SigmaString):
        raise RuleError("type is text; only text and wildcards compare with it", "Name the records")
    test = string_test(VOCABULARY["audit_type"], value)
    pattern = "".join(_glob(part) for part in value.s)
    return Or((test, _STARTED)) if re.fullmatch(pattern, "execve", re.IGNORECASE) else test


def _glob(part: object) -> str:
    if isinstance(part, str):
        return re.escape(part)
    return "." if part is SpecialChars.WILDCARD_SINGLE else ".*"


def _leaf(name: str, value: SigmaType) -> Expression:
    """A leaf of the entry by its path: one line "path=value" of `cloud_parameters`; list positions are left out.

    Letters of the value compare equal in both cases. Without a leaf the path may name a part: then its leaves' values.
    """
    path = f"\n{name}"
    if isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value):
        return Not(_exists(path))
    if isinstance(value, SigmaExists):
        return _exists(path)
    if isinstance(value, SigmaNumber | SigmaBool):
        value = SigmaString(str(value).lower() if isinstance(value, SigmaBool) else str(value))
    if not isinstance(value, SigmaString) or value.contains_placeholder():
        raise RuleError(
            f"{name}: only text, numbers and wildcards compare with it", "Write the value as text"
        )
    if not value.contains_special():
        return Test("cloud_parameters", "contains", (f"{path}={value.to_plain()}\n".encode(),))
    body = "".join(
        re.escape(part)
        if isinstance(part, str)
        else "[^\\n]" + "*" * (part is not SpecialChars.WILDCARD_SINGLE)
        for part in value.s
    )
    pattern, needs = engine_pattern(
        f"\\n{re.escape(name)}(\\.[^\\n=]*)?={body}\\n", Flags(i=True, m=False, s=False)
    )
    return Test("cloud_parameters", "re", (pattern,), True, needs)


def _exists(path: str) -> Expression:
    leaves = (f"{path}=".encode(), f"{path}.".encode())
    return Test("cloud_parameters", "contains", leaves)
