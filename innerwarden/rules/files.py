# SPDX-License-Identifier: Apache-2.0
"""Directories of Sigma files that are no modules: other people's rules, as they are."""

from __future__ import annotations

from pathlib import Path

from innerwarden.rules.program import RuleSource

#: Where specs of such rules say that they come from.
MODULE = "rules"


def sources_below(directory: Path, *, relative: bool = False) -> list[RuleSource]:
    """Every .yml and .yaml file below a directory, or the one file, in order of their names.

    `relative`: named by their paths below the directory. Raises OSError for a file that cannot be read.
    """
    paths = [directory] if directory.is_file() else sorted(directory.rglob("*.y*ml"))
    root = directory.parent if directory.is_file() else directory
    return [
        RuleSource(
            name=str(path.relative_to(root) if relative else path),
            stem=path.stem,
            text=path.read_text("utf-8", "replace"),
            module=MODULE,
        )
        for path in paths
        if path.suffix in (".yml", ".yaml") and path.is_file()
    ]
