# SPDX-License-Identifier: Apache-2.0
"""Settings, commands and make targets are documented, and the documents name nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from innerwarden.config import Config
from innerwarden.model._wire import KINDS

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
ROOMS = ("bpf", "core", "innerwarden", "modules", "tests", "bench", "debian", "docs")


def config_keys(section: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted key -> default, tables opened; a table of tables by name appears as `detectors.<id>.key`."""
    for field in msgspec.structs.fields(section):
        name = f"{prefix}{field.name}"
        kind = msgspec.inspect.type_info(field.type)
        if isinstance(kind, msgspec.inspect.StructType):
            yield from config_keys(kind.cls, f"{name}.")
        elif isinstance(kind, msgspec.inspect.DictType) and isinstance(
            kind.value_type, msgspec.inspect.StructType
        ):
            yield from config_keys(kind.value_type.cls, f"{name}.<id>.")
        else:
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            yield name, default


def documented_keys() -> dict[str, str]:
    """Key -> the default that its row states; rows look like `| \\`a.b\\` | \\`default\\` | text |`."""
    rows = re.findall(r"^\| `([a-z_.<>]+)` \| `([^`]*)` \|", CONFIGURATION, re.MULTILINE)
    return dict(rows)


def toml_text(value: object) -> str:
    """A default as a person would write it in the file."""
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_text(item) for item in value) + "]"
    return msgspec.json.encode(value).decode()


def test_every_setting_is_documented_with_its_default() -> None:
    wanted = {key: toml_text(default) for key, default in config_keys(Config)}
    assert documented_keys() == wanted


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every visible command that does something; a group has `commands`, whichever click typer brings."""
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from walk(child, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


def leaf_commands() -> dict[str, Any]:
    from innerwarden.ctl.main import build

    return dict(walk(typer.main.get_command(build())))


def documented_commands() -> dict[str, str]:
    """Command -> its section's text; sections begin with `## innerwarden NAME`."""
    parts = re.split(r"^## innerwarden ([a-z -]+?)(?: [A-Z.]+)*$", COMMANDS, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_documented_and_exists() -> None:
    assert set(documented_commands()) == set(leaf_commands())


def test_every_option_is_documented() -> None:
    sections = documented_commands()
    missing = [
        f"{name} {option}"
        for name, command in leaf_commands().items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help" and f"`{option}" not in sections.get(name, "")
    ]
    assert not missing, ", ".join(missing)


def test_every_make_target_has_its_help_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split())
    helped = set(re.findall(r"^([a-z-]+):[^=\n]*## ", makefile, re.MULTILINE))
    assert phony == helped


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_promises(room: str) -> None:
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    assert len(text) > 300


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / r / "README.md" for r in ROOMS)]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)} -> {target}")
    assert not broken, "\n".join(broken)


def test_documents_that_messages_name_exist() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "innerwarden").rglob("*.py"))
        for name in re.findall(r"\bdocs/[\w./-]+\.md", path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    assert not missing, "\n".join(missing)


def test_every_event_kind_is_listed_for_authors() -> None:
    text = (ROOT / "docs/module-authoring.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not missing, ", ".join(missing)


def test_licences_are_whole() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSES/GPL-2.0-only.txt").read_text(encoding="utf-8")
