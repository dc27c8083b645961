# SPDX-License-Identifier: Apache-2.0
"""A finding of a worker, which may be anything that has the form of one, as a person may read it."""

from __future__ import annotations

import re

import msgspec

from innerwarden.log import safe
from innerwarden.model import detector as sdk
from innerwarden.model.detector import placeholders
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence

#: Items of each list.
LIST_MAX = 32
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


def plain(finding: sdk.Finding) -> sdk.Finding:
    """What a worker says as a person may read it: one line each, none without end, and only so many."""

    def line(text: str) -> str:
        return safe(text, 300)

    return msgspec.structs.replace(
        finding,
        title=line(finding.title) if finding.title else None,
        summary=safe(finding.summary, 1000) if finding.summary else None,
        entities=tuple(EntityRef(e.type, line(e.value)) for e in finding.entities[:LIST_MAX]),
        evidence=tuple(
            Evidence(
                kind=line(e.kind),
                text=safe(e.text, 1000),
                ts=line(e.ts) if e.ts else None,
                details={
                    line(k): line(v) if isinstance(v, str) else v
                    for k, v in list(e.details.items())[:LIST_MAX]
                },
            )
            for e in finding.evidence[:LIST_MAX]
        ),
        checks=tuple(render_safe(check) for check in finding.checks[:LIST_MAX]),
        attack=tuple(t for t in finding.attack[:LIST_MAX] if TECHNIQUE.fullmatch(t)),
        tags=tuple(map(line, finding.tags[:LIST_MAX])),
        group=tuple(map(line, finding.group[:LIST_MAX])) if finding.group is not None else None,
        count=max(1, min(finding.count, 1 << 53)),
        values={
            line(k): line(v) if isinstance(v, str) else v for k, v in list(finding.values.items())[:LIST_MAX]
        },
    )


def render_safe(template: str) -> str:
    """A check of a worker, as a template that says just this text when it is none."""
    template = safe(template, 300)
    try:
        placeholders(template)
    except ValueError:
        return template.replace("{", "{{").replace("}", "}}")
    return template
