# SPDX-License-Identifier: Apache-2.0
"""python -m innerwarden.modules.prepare: compile the rules of a checkout's modules, unless they are compiled already.

So the first start of a sensor with a new data directory compiles nothing, as that of an installed package.
"""

from __future__ import annotations

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import rule_sources
from innerwarden.rules.compiled import compile_or_load


def main() -> None:
    """A directory that cannot be written costs each first start a second, no more."""
    place, cache = paths.REPOSITORY / "modules", paths.checkout_rules()
    compile_or_load(rule_sources([place], Config(), [place]), cache)
    for old in set(cache.parent.glob("rules-*.cache")) - {cache}:
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
