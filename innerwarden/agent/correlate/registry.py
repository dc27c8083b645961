# SPDX-License-Identifier: Apache-2.0
"""Read the correlation rules: every file of correlate/rules/, with the groups and parts that they name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from innerwarden.agent.correlate.parts import Part, Parts
from innerwarden.agent.correlate.rule import ChainRule, Join, Order, Step
from innerwarden.errors import RuleError
from innerwarden.model.severity import Severity
from innerwarden.unreadable import toml

HERE = Path(__file__).parent
RULES = HERE / "rules"
GROUPS = HERE / "groups.toml"
PARTS = HERE / "parts.toml"
_LINE = re.compile(r"line (\d+)")
_REMEDY = "See docs/correlation.md for what a rule may say"

_T = TypeVar("_T")
Groups = dict[str, tuple[str, ...]]


class _Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step as it is written: `detectors` may name groups, in capitals."""

    name: str
    detectors: tuple[str, ...] = ()
    join: tuple[Join, ...]
    max_severity: Severity | None = None
    distinct: int = 1
    within_s: int | None = None
    optional: bool = False
    absent: bool = False


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    reference: str
    title: str
    severity: Severity
    window_s: int
    order: Order = Order.STRICT
    attack: tuple[str, ...]
    checks: tuple[str, ...]
    blind_spots: tuple[str, ...]
    false_positives: tuple[str, ...]
    step: tuple[_Step, ...]


@cache
def find_rules() -> list[ChainRule]:
    """By file name. Raises RuleError with file and line for a file that is no rule of its own name."""
    groups = find_groups()
    return [read_rule(path, groups) for path in sorted(RULES.glob("*.toml"))]


@cache
def find_parts() -> Parts:
    return Parts(_read(PARTS, lambda tree: msgspec.convert(tree, dict[str, Part])))


@cache
def find_groups() -> Groups:
    """Each group with the detectors that it means, those of groups in it included."""
    written = _read(GROUPS, lambda tree: msgspec.convert(tree, Groups))
    return {name: tuple(dict.fromkeys(_flat(name, written, GROUPS, ()))) for name in written}


def read_rule(path: Path, groups: Groups) -> ChainRule:
    """Raises RuleError with file and line."""
    one = _read(path, lambda tree: msgspec.convert(tree, _Rule))
    if one.id != path.stem:
        raise RuleError(f"{path}:{_line_of(path, 'id')}: id {one.id!r} is not the file's name", _REMEDY)
    steps = []
    for step in one.step:
        named = [d for name in step.detectors for d in _meant(name, groups, path)]
        steps.append(
            Step(
                name=step.name,
                detectors=frozenset(named),
                join=step.join,
                max_severity=step.max_severity,
                distinct=step.distinct,
                within_s=step.within_s,
                optional=step.optional,
                absent=step.absent,
            )
        )
    return ChainRule(
        id=one.id,
        reference=one.reference,
        title=one.title,
        severity=one.severity,
        window_s=one.window_s,
        steps=tuple(steps),
        order=one.order,
        attack=one.attack,
        checks=one.checks,
        blind_spots=one.blind_spots,
        false_positives=one.false_positives,
    )


def _meant(name: str, groups: Groups, path: Path) -> tuple[str, ...]:
    if not name.isupper():
        return (name,)
    if name not in groups:
        raise RuleError(
            f"{path}:{_line_of(path, name)}: there is no group {name}", f"Groups are in {GROUPS.name}"
        )
    return groups[name]


def _flat(name: str, written: Groups, path: Path, above: tuple[str, ...]) -> list[str]:
    if name not in written or name in above:
        problem = "holds itself" if name in above else "does not exist"
        raise RuleError(f"{path}:{_line_of(path, name)}: group {name} {problem}", _REMEDY)
    out: list[str] = []
    for one in written[name]:
        out += _flat(one, written, path, (*above, name)) if one.isupper() else [one]
    return out


def _read(path: Path, convert: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        return convert(toml(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}:1: cannot be read: {error}", _REMEDY) from error
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        raise RuleError(f"{path}:{found[1] if found else 1}: {error}", _REMEDY) from error
    except msgspec.ValidationError as error:
        quoted = str(error).split("`")[1::2]
        words = [one for one in quoted if not one.startswith("$")]
        words += [word for one in reversed(quoted) for word in reversed(re.findall(r"\w+", one))]
        lines = [line for word in words if (line := _line_of(path, word)) > 1]
        raise RuleError(f"{path}:{lines[0] if lines else 1}: {error}", _REMEDY) from error


def _line_of(path: Path, word: str) -> int:
    """The first line that begins with `word =`, else the first that holds it as a word; 1 when none does."""
    lines = path.read_text("utf-8").splitlines()
    for pattern in (rf"\s*{re.escape(word)}\s*=", rf".*[\"\[]{re.escape(word)}[\"\]]"):
        for number, line in enumerate(lines, 1):
            if re.match(pattern, line):
                return number
    return 1
