# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.correlations`: the table of all rules at the end of docs/correlation.md."""

from __future__ import annotations

import re
import sys

from innerwarden import paths
from innerwarden.agent.correlate.registry import RULES, find_rules
from innerwarden.agent.correlate.rule import ChainRule, Order
from innerwarden.config import Config
from innerwarden.model.detector import DetectorSpec
from innerwarden.modules.loader import load_modules
from tests.catalogue import escaped

MODULES = paths.REPOSITORY / "modules"
PATH = paths.REPOSITORY / "docs" / "correlation.md"
MARK = "<!-- From here on written by `python -m tests.correlations`. -->\n"
REFERENCE = re.compile(r"CL-\d{3}")

HEAD = """
## All rules

{rules} rules of the agent, and {sensor} that the sensor decides by itself, because only single events can say it.
*Steps* are in order unless the window says otherwise; in brackets the kinds of key that tie a step to the others.

| number | rule | what it tells | severity | window | steps | ATT&CK |
|---|---|---|---|---|---|---|
"""


def window(rule: ChainRule) -> str:
    hours, seconds = divmod(rule.window_s, 3600)
    text = f"{hours} h" if hours and not seconds else f"{rule.window_s} s"
    return f"{text}, any order" if rule.order is Order.ANY else text


def steps(rule: ChainRule) -> str:
    written = tomllib_steps(rule)
    parts = []
    for number, (step, names) in enumerate(zip(rule.steps, written, strict=True), 1):
        named = ", ".join(f"`{name}`" for name in names) or f"any detector up to {step.max_severity}"
        marks = [", ".join(step.join)]
        if step.optional:
            marks.append("may be missing")
        if step.absent:
            marks.append(f"must not follow within {step.within_s} s")
        if step.distinct > 1:
            marks.append(f"{step.distinct} different ones")
        parts.append(f"{number}. {escaped(step.name)}: {named} ({'; '.join(marks)})")
    return "<br>".join(parts)


def tomllib_steps(rule: ChainRule) -> list[list[str]]:
    """Detectors as the rule's file names them, groups as groups."""
    import tomllib

    table = tomllib.loads((RULES / f"{rule.id}.toml").read_text("utf-8"))
    return [list(step.get("detectors", ())) for step in table["step"]]


def row(rule: ChainRule) -> str:
    cells = (
        rule.reference,
        f"[`{rule.id}`](#{rule.id})",
        escaped(rule.title),
        str(rule.severity),
        window(rule),
        steps(rule),
        ", ".join(rule.attack),
    )
    return f"| {' | '.join(cells)} |\n"


def sensor_rules() -> list[tuple[str, DetectorSpec]]:
    """Detectors that carry a number in their tags or in their file's references."""
    found = []
    for spec in load_modules([MODULES], Config()).specs.values():
        numbers = {tag for tag in spec.tags if REFERENCE.fullmatch(tag)}
        path = MODULES / spec.module / "detectors" / f"{spec.id}.yml"
        if path.exists():
            numbers |= set(REFERENCE.findall(path.read_text("utf-8")))
        found += [(number, spec) for number in numbers]
    return sorted(found, key=lambda one: (one[0], one[1].id))


def sensor_row(number: str, spec: DetectorSpec) -> str:
    cells = (
        number,
        f"[`{spec.id}`](detectors.md#{spec.id})",
        escaped(spec.title),
        str(spec.severity),
        "of the sensor",
        ", ".join(f"`{kind}`" for kind in spec.kinds),
        ", ".join(spec.attack),
    )
    return f"| {' | '.join(cells)} |\n"


def limits(rule: ChainRule) -> str:
    lines = [f'\n<a id="{rule.id}"></a>**`{rule.id}`** ({rule.reference}): {escaped(rule.title)}\n\n']
    lines += [f"- blind spot: {escaped(text)}\n" for text in rule.blind_spots]
    lines += [f"- false positive: {escaped(text)}\n" for text in rule.false_positives]
    return "".join(lines)


def groups() -> str:
    from innerwarden.agent.correlate.registry import find_groups

    lines = ["\n## Groups of detectors\n\n| group | detectors |\n|---|---|\n"]
    lines += [
        f"| `{name}` | {', '.join(f'`{d}`' for d in members)} |\n" for name, members in find_groups().items()
    ]
    return "".join(lines)


def render() -> str:
    """All that follows the mark."""
    rules = sorted(find_rules(), key=lambda rule: rule.reference)
    sensor = sensor_rules()
    rows = [(rule.reference, row(rule)) for rule in rules] + [(n, sensor_row(n, spec)) for n, spec in sensor]
    table = "".join(text for _, text in sorted(rows, key=lambda one: one[0]))
    head = HEAD.format(rules=len(rules), sensor=len(sensor))
    return head + table + groups() + "\n## Limits of each rule\n" + "".join(map(limits, rules))


def whole(text: str) -> str:
    """The document with its end written anew."""
    written, mark, _ = text.partition(MARK)
    if not mark:
        raise SystemExit(f"{PATH} has no line {MARK!r}")
    return written + mark + render()


def main() -> int:
    PATH.write_text(whole(PATH.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
