# SPDX-License-Identifier: Apache-2.0
"""rules.py ROOT: compile the rules of the modules below ROOT, as they will be named where ROOT is /.

So the first start of a sensor sees at once, and need not compile for seconds or, on a slow machine, minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import rule_sources
from innerwarden.rules.compiled import compile_here
from innerwarden.rules.program import RuleSource


def installed(source: RuleSource, root: str) -> RuleSource:
    """The same under the names that its files have later."""
    lists = tuple(msgspec.structs.replace(one, file=one.file.removeprefix(root)) for one in source.lists)
    return msgspec.structs.replace(source, name=source.name.removeprefix(root), lists=lists)


def main(root: Path) -> None:
    """Raises OSError; ends with the problems where a rule cannot be compiled."""
    place = root / paths.SYSTEM_MODULES[1].relative_to("/")
    sources = [installed(one, str(root)) for one in rule_sources([place], Config(), [place])]
    saved = compile_here(sources)
    if saved.problems or not saved.rules:
        raise SystemExit("\n".join(saved.problems) or f"{place} holds no rules")
    (root / paths.shipped_rules().relative_to("/")).write_bytes(msgspec.msgpack.encode(saved))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
