# SPDX-License-Identifier: Apache-2.0
"""Fuzz one target in this process, through atheris: `python -m tests.fuzz.worker NAME DIRECTORY SECONDS`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parents[2] / "innerwarden"


def _modules() -> Iterator[str]:
    for path in HERE.rglob("*.py"):
        parts = path.relative_to(HERE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _unwatched(packages: tuple[str, ...]) -> list[str]:
    """Modules that are imported as they are: their coverage says nothing of this target."""
    return [
        name for name in _modules() if not any(name == one or name.startswith(f"{one}.") for one in packages)
    ]


def main() -> None:
    name, directory, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    packages = tuple(filter(None, sys.argv[4].split(",")))
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["innerwarden"], exclude=_unwatched(packages)):
        from tests.fuzz import targets
        from tests.fuzz.target import bounded

        target = targets.find()[name]
        judge = bounded(target, target.make())
    options = [
        f"-max_total_time={seconds}",
        "-timeout=60",  # of a hang; what is slow is judged by its processor time
        "-report_slow_units=3600",
        "-rss_limit_mb=3000",
        f"-max_len={target.max_bytes}",
        f"-artifact_prefix={directory}/fault-",
        *([f"-dict={directory}/words"] if target.words else []),
        "-print_final_stats=1",
        "-use_value_profile=0",
        "-len_control=20",
    ]
    atheris.Setup([name, *options, f"{directory}/corpus", f"{directory}/seeds"], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
