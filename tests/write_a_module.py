# SPDX-License-Identifier: Apache-2.0
"""docs/write-a-module.md as something that runs: its blocks in order, and a shell that does what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/write-a-module.md"
_BLOCK = re.compile(r"^```(console|console live|file \S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- end of output, code "


@dataclass(frozen=True)
class Step:
    """One command with the output that the document shows, or (with `file`) a file to write."""

    text: str
    shown: str = ""
    file: str = ""
    live: bool = False


def steps() -> list[Step]:
    """Every fenced block is one of the three sorts; another would not be tested, so it is an error."""
    text = DOCUMENT.read_text("utf-8")
    blocks = _BLOCK.findall(text)
    if text.count("\n```") != 2 * len(blocks):
        raise ValueError("a block of the document is neither console nor file")
    out: list[Step] = []
    for sort, body in blocks:
        if sort.startswith("file "):
            out.append(Step(body, file=sort.removeprefix("file ")))
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            out.append(Step(command, shown, live=sort.endswith("live")))
    return out


def agrees(shown: str, printed: str) -> bool:
    """Three dots stand for any text within a line, or for nothing."""
    pattern = "".join(".*" if part == "..." else re.escape(part) for part in re.split(r"(\.\.\.)", shown))
    return re.fullmatch(pattern, printed) is not None


class Shell:
    """One bash for the whole document, as a reader has it."""

    def __init__(self, directory: Path) -> None:
        programs = Path(sys.executable).parent
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self._directory = directory
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**kept, "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
            text=True,
        )

    def run(self, step: Step) -> str:
        """What it prints, both streams; the command's code is not looked at, as a reader does not see it."""
        if step.file:
            (self._directory / step.file).write_text(step.text)
            return ""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{step.text}\necho '{_END}'$?\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at: {step.text}\n{''.join(lines)}")

    def close(self) -> None:
        """End what the document left running, then the shell."""
        self.run(Step("jobs -p | xargs --no-run-if-empty kill -INT; wait"))
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def follow(directory: Path, *, live: bool) -> None:
    """Do what the document says in an empty directory; raises AssertionError where it shows something else."""
    shell = Shell(directory)
    try:
        for step in steps():
            if step.live and not live:
                continue
            printed = shell.run(step)
            if not step.file and not step.text.endswith("&"):
                assert agrees(step.shown, printed), (
                    f"$ {step.text}\nshown:\n{step.shown}\nprinted:\n{printed}"
                )
    finally:
        shell.close()
