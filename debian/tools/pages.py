# SPDX-License-Identifier: Apache-2.0
"""pages.py CONFIGURATION OUT: the manual, from the command line itself and from docs/configuration.md."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from innerwarden import __version__
from innerwarden.ctl.main import EPILOG, build

FILES = (
    ("/etc/innerwarden/config.toml", "The configuration, see innerwarden.toml(5)."),
    ("/etc/innerwarden/modules, trust.d, triage.d, playbooks.d, threat-lists, yara", "The operator's own."),
    ("/usr/lib/innerwarden/modules", "Modules that came with the package."),
    ("/var/lib/innerwarden", "Findings, state and the journal of responses."),
)


def escape(text: str) -> str:
    """Text as roff takes it: nothing in it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def inline(text: str) -> str:
    """One line of Markdown."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text))
    out = [
        f"\\fB{escape(part.strip('`*'))}\\fR" if part[:1] in "`*" and part else escape(part) for part in parts
    ]
    return "".join(out)


def heading(name: str, section: int, about: str) -> list[str]:
    day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    return [
        f'.TH {name.upper()} {section} {day} "InnerWarden {__version__}" "InnerWarden"',
        ".SH NAME",
        f"{escape(name)} \\- {escape(about)}",
    ]


def usage(path: str, command: Any) -> str:
    """`\\fBinnerwarden block\\fR [options] ADDRESS`."""
    words = ["[options]"] if _options(command) else []
    words += [_metavar(one) for one in command.params if one.param_type_name == "argument"]
    words += ["command"] if hasattr(command, "commands") else []
    return f"\\fB{escape(path)}\\fR {escape(' '.join(words))}".rstrip()


def described(command: Any) -> list[str]:
    """What a command does and takes, as tagged paragraphs."""
    lines = [escape(one) for one in (command.help or "").split("\n") if one.strip()]
    for one in command.params:
        if one.param_type_name == "argument" and getattr(one, "help", None):
            lines += [".TP", f"\\fI{escape(_metavar(one))}\\fR", escape(one.help)]
    for one in _options(command):
        names = ", ".join([*one.opts, *one.secondary_opts])
        value = "" if one.is_flag else f" \\fI{escape(one.metavar or one.name.upper())}\\fR"
        about = one.help + (f" Environment: {one.envvar}." if one.envvar else "")
        lines += [".TP", f"\\fB{escape(names)}\\fR{value}", escape(about)]
    return lines


def _options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option" and one.help and not one.hidden]


def _metavar(argument: Any) -> str:
    return str(
        argument.metavar
        or (f"{argument.name.upper()}" if argument.required else f"[{argument.name.upper()}]")
    )


def first_sentence(command: Any) -> str:
    return re.split(r"(?<=[.;:(])\s", command.help or "")[0].rstrip(" .;:(")


def pages(configuration: str) -> Iterator[tuple[str, str]]:
    """(file name, text) of every page."""
    root = typer.main.get_command(build())
    commands: dict[str, Any] = dict(sorted(root.commands.items()))  # type: ignore[attr-defined]
    yield "innerwarden.1", "\n".join(main_page(root, commands))
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield f"innerwarden-{name}.1", "\n".join(group_page(name, command))
    yield "innerwarden.toml.5", "\n".join(configuration_page(configuration))


def main_page(root: Any, commands: dict[str, Any]) -> list[str]:
    lines = heading("innerwarden", 1, "endpoint detection and response")
    lines += [".SH SYNOPSIS", usage("innerwarden", root), ".SH DESCRIPTION", *described(root), ".SH COMMANDS"]
    for name, command in commands.items():
        if hasattr(command, "commands"):
            lines += [".TP", f"\\fBinnerwarden {escape(name)}\\fR", f"{escape(command.help or '')}"]
            lines += [f"See \\fBinnerwarden\\-{escape(name)}\\fR(1)."]
        else:
            lines += [".SS " + usage(f"innerwarden {name}", command), *described(command)]
    lines += [".SH FILES"]
    for path, about in FILES:
        lines += [".TP", f"\\fI{escape(path)}\\fR", escape(about)]
    groups = [name for name, command in commands.items() if hasattr(command, "commands")]
    lines += [".SH EXIT STATUS", escape(EPILOG), ".SH SEE ALSO"]
    return [
        *lines,
        ", ".join([*(f"\\fBinnerwarden\\-{g}\\fR(1)" for g in groups), "\\fBinnerwarden.toml\\fR(5)"]),
        "",
    ]


def group_page(name: str, group: Any) -> list[str]:
    lines = heading(f"innerwarden-{name}", 1, first_sentence(group))
    lines += [
        ".SH SYNOPSIS",
        usage(f"innerwarden {name}", group),
        ".SH DESCRIPTION",
        *described(group),
        ".SH COMMANDS",
    ]
    for each, command in sorted(group.commands.items()):
        lines += [".SS " + usage(f"innerwarden {name} {each}", command), *described(command)]
    return [*lines, ".SH EXIT STATUS", escape(EPILOG), ".SH SEE ALSO", "\\fBinnerwarden\\fR(1)", ""]


def configuration_page(text: str) -> list[str]:
    """docs/configuration.md: paragraphs, lists, code and tables of a key, its default and its meaning."""
    lines = heading("innerwarden.toml", 5, "configuration of InnerWarden")
    lines += [".SH DESCRIPTION"]
    code = False
    for line in text.splitlines()[1:]:
        if line.startswith("```"):
            code = not code
            lines += [".PP", ".nf", ".RS 4"] if code else [".RE", ".fi"]
        elif code:
            lines.append(escape(line))
        elif line.startswith("## "):
            lines.append(f".SH {escape(line[3:].upper())}")
        elif line.startswith("|"):
            lines += row(line)
        elif line.startswith("- "):
            lines += [".IP \\(bu 2", inline(line[2:])]
        elif not line.strip():
            lines.append(".PP")
        else:
            lines.append(inline(line.strip()))
    return [*tidy(lines), ".SH SEE ALSO", "\\fBinnerwarden\\fR(1)", ""]


def row(line: str) -> list[str]:
    """One row of a table; none for its head."""
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
    if set("".join(cells)) <= set("-: ") or not cells[0].startswith("`"):
        return []
    default = [f"Default: {inline(cells[1])}.", ".br"] if len(cells) > 2 else []
    return [".TP", inline(cells[0]), *default, inline(cells[-1])]


def tidy(lines: list[str]) -> list[str]:
    """Without paragraphs that a heading, or nothing, follows."""
    kept: list[str] = []
    for line in lines:
        if kept and kept[-1] == ".PP" and line.startswith((".PP", ".SH", ".TP", ".IP")):
            kept.pop()
        if line != ".PP" or (kept and not kept[-1].startswith(".SH")):
            kept.append(line)
    return kept[:-1] if kept and kept[-1] == ".PP" else kept


def main(configuration: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(configuration.read_text(encoding="utf-8")):
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
