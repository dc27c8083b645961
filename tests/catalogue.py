# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.catalogue`: docs/detectors.md from the shipped modules and their cases."""

from __future__ import annotations

import re
import sys

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.detector import DetectorSpec
from innerwarden.model.vocabulary import HOST_KINDS, KERNEL_KINDS, LOG_KINDS
from innerwarden.modules.cases import read_cases
from innerwarden.modules.loader import Module, ModuleSet, load_modules

MODULES = paths.REPOSITORY / "modules"
PATH = paths.REPOSITORY / "docs" / "detectors.md"

HEAD = """# Detectors

Every detector that ships, by module: {detectors} detectors in {modules} modules, {firing} cases that fire and {silent}
that must stay silent. Written by `python -m tests.catalogue` from `modules/`, and compared with it by a test.

*Trigger* names the events that a detector looks at: of the kernel, of the sensor's own look at the host, or of a log.
*Parameters* can be set, see [configuration.md](configuration.md). *Cases* are the recorded inputs that hold a detector
to its word: those that fire + those that must not. Each module's own page is `modules/<id>/docs/README.md`.
"""

TABLE = """
| detector | what it tells | severity | ATT&CK | trigger | parameters | cases |
|---|---|---|---|---|---|---|
"""


def escaped(text: str) -> str:
    """Text of a rule as Markdown that says just this text, in one line."""
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", " ".join(text.split()))


def trigger(spec: DetectorSpec) -> str:
    """The kinds by where they come from."""
    parts = []
    for source, kinds in (("kernel", KERNEL_KINDS), ("host", HOST_KINDS), ("log", LOG_KINDS)):
        if own := [f"`{kind}`" for kind in spec.kinds if kind in kinds]:
            parts.append(f"{source}: {', '.join(own)}")
    return "; ".join(parts)


def count_cases(spec: DetectorSpec) -> tuple[int, int]:
    """(firing, silent)"""
    cases = read_cases(MODULES / spec.module / "tests" / f"{spec.id}.toml")
    firing = sum(case.expect > 0 for case in cases)
    return firing, len(cases) - firing


def row(spec: DetectorSpec) -> str:
    severities = dict.fromkeys([spec.severity, *(variant.severity for variant in spec.variants.values())])
    parameters = ", ".join(f"`{name}` {value}" for name, value in spec.parameters.items())
    firing, silent = count_cases(spec)
    cells = (
        f"[`{spec.id}`](#{spec.id})",
        escaped(spec.title),
        ", ".join(severities),
        ", ".join(spec.attack),
        trigger(spec),
        parameters or "–",
        f"{firing} + {silent}",
    )
    return f"| {' | '.join(cells)} |\n"


def limits(spec: DetectorSpec) -> str:
    """What it cannot see, and what it takes for an attack that is none."""
    lines = [f'\n<a id="{spec.id}"></a>**`{spec.id}`**: {escaped(spec.title)}\n\n']
    lines += [f"- blind spot: {escaped(text)}\n" for text in spec.blind_spots]
    lines += [f"- false positive: {escaped(text)}\n" for text in spec.false_positives]
    return "".join(lines)


def section(module: Module, specs: list[DetectorSpec]) -> str:
    about = module.manifest.module
    text = f"\n## {about.id}\n\n{escaped(about.description)}\n{TABLE}{''.join(map(row, specs))}"
    return text + "".join(map(limits, specs))


def render(modules: ModuleSet) -> str:
    """The whole document. Modules and detectors stand in the order of their ids."""
    text, total, firing, silent = "", 0, 0, 0
    ordered = sorted(modules.modules, key=lambda module: module.id)
    for module in ordered:
        specs = sorted((s for s in modules.specs.values() if s.module == module.id), key=lambda s: s.id)
        counts = [count_cases(spec) for spec in specs]
        total += len(specs)
        firing += sum(fires for fires, _ in counts)
        silent += sum(quiet for _, quiet in counts)
        text += section(module, specs)
    return HEAD.format(detectors=total, modules=len(ordered), firing=firing, silent=silent) + text


def main() -> int:
    modules = load_modules([MODULES], Config())
    if modules.problems:
        print("\n".join(modules.problems), file=sys.stderr)
        return 1
    PATH.write_text(render(modules), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
