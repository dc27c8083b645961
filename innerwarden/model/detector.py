# SPDX-License-Identifier: Apache-2.0
"""DetectorSpec, and the light Finding that a Python detector returns.

A spec is all that the host, the documents and the tests know about a detector, whatever its form
(Sigma, Python, native).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from string import Formatter
from typing import Annotated

import msgspec

from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.event import Event
from innerwarden.model.finding import Evidence
from innerwarden.model.severity import Severity

MATURITIES = ("experimental", "test", "stable")
#: The longest time in which equal matches fold into one: a week.
MAX_COOLDOWN_S = 604_800
CooldownSeconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_COOLDOWN_S)]

#: What a template may name besides fields and parameters: the window's event count, its recent samples, the
#: group key, the window's length, the account of the acting process; of a native detector's hit the variant (its
#: first sample) and the other samples.
PLACEHOLDERS = ("count", "samples", "group", "timespan_s", "user_name", "variant", "detail")


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs when a native detector reports this variant (the first sample of its hit)."""

    title: str
    severity: Severity
    attack: tuple[str, ...]


#: Field with a process id -> the one with that process's start time; `start_ns` for the acting process.
_STARTS = {"target_pid": "target_start_ns", "ppid": "parent_start_ns"}


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One detector.

    `kinds` are dotted event kinds; `group_key` names the fields that make two matches "the same" for the
    cooldown (empty: the acting process); `parameters` are integers with the unit in the name. `summary`
    and `checks` are templates with `{field}` placeholders (also PLACEHOLDERS and parameters). `entities`
    are `type:field` pairs, e.g. `ip:src_ip`. `attack` are ATT&CK technique ids.
    """

    id: str
    title: str
    severity: Severity
    kinds: tuple[str, ...]
    summary: str
    attack: tuple[str, ...]
    blind_spots: tuple[str, ...]
    false_positives: tuple[str, ...]
    checks: tuple[str, ...]
    group_key: tuple[str, ...] = ()
    cooldown_s: CooldownSeconds = 300
    parameters: dict[str, int] = msgspec.field(default_factory=dict)
    variants: dict[str, Variant] = msgspec.field(default_factory=dict)
    entities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    maturity: str = "experimental"
    form: str = "python"
    module: str = ""
    """Id of the module that brings it; the loader fills it in."""

    def entity_refs(self, fields: Mapping[str, object]) -> tuple[EntityRef, ...]:
        """The entities whose fields are present; a process entity takes the start time that goes with its pid."""
        refs = []
        for pair in self.entities:
            kind, _, name = pair.partition(":")
            value = fields.get(name)
            if value is None or value == "":
                continue
            start = _STARTS.get(name, "start_ns")
            text = f"{value}:{fields.get(start) or 0}" if kind == EntityType.PROCESS else str(value)
            refs.append(EntityRef(EntityType(kind), text))
        return tuple(dict.fromkeys(refs))


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a Python detector saw. Everything is optional: None or empty takes the spec's.

    `group` is the cooldown key when the spec's `group_key` fields do not say it; `values` fill the
    placeholders of the spec's templates besides the event's own fields.
    """

    title: str | None = None
    summary: str | None = None
    severity: Severity | None = None
    entities: tuple[EntityRef, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    checks: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: tuple[str, ...] | None = None
    count: int = 1
    values: dict[str, str | int] = msgspec.field(default_factory=dict)


class Detector:
    """Base of a Python detector: one instance for the sensor's life, called on one thread.

    State must be bounded (use the SDK's windows). An exception is counted; one that keeps coming
    disables the detector.
    """

    def __init__(self, parameters: Mapping[str, int]) -> None:
        self.parameters = dict(parameters)

    def process(self, event: Event) -> Finding | None:
        """Judge one event that passed the prefilter; runs within tens of microseconds."""
        raise NotImplementedError


def placeholders(template: str) -> tuple[str, ...]:
    """Names in braces, in order. Raises ValueError for a template that is not well formed."""
    names = []
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"placeholder {{{name}}} must be a plain field name")
        names.append(name)
    return tuple(names)


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill a template; what is absent reads `(not known)`, because a made-up value would mislead."""
    parts = []
    for text, name in _parts(template):
        parts.append(text)
        if name is not None:
            value = values.get(name)
            parts.append("(not known)" if value is None or value == "" else str(value))
    return "".join(parts)


# PERF: a finding renders some five templates, and taking one apart costs more than filling it. Row 3.
@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((text, name) for text, name, _, _ in Formatter().parse(template))


def check_templates(spec: DetectorSpec) -> None:
    """Raises ValueError naming the template that could not be rendered."""
    for template in (spec.summary, *spec.checks):
        try:
            placeholders(template)
        except ValueError as error:
            raise ValueError(f"template {template!r}: {error}") from error
