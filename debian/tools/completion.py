# SPDX-License-Identifier: Apache-2.0
"""completion.py SHARE: completion for bash, zsh and fish, at the places below SHARE where each looks for it."""

from __future__ import annotations

import sys
from pathlib import Path

from typer.completion import get_completion_script

PLACES = {
    "bash": "bash-completion/completions/innerwarden",
    "zsh": "zsh/vendor-completions/_innerwarden",
    "fish": "fish/vendor_completions.d/innerwarden.fish",
}


def main(share: Path) -> None:
    """Each script asks the command itself, so that it knows every command and option of what is installed."""
    for shell, place in PLACES.items():
        script = get_completion_script(
            prog_name="innerwarden", complete_var="_INNERWARDEN_COMPLETE", shell=shell
        )
        target = share / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(script.strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
