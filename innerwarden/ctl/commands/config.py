# SPDX-License-Identifier: Apache-2.0
"""`innerwarden config check|explain`: is the file valid, and what is in effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from innerwarden.ctl.options import ConfigFile, Json
from innerwarden.ctl.output import emit_json, note, shown, table

group = typer.Typer(help="Check the configuration file, or explain what is in effect.", no_args_is_help=True)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key in effect."""

    key: str
    value: object
    default: object
    about: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    file: str | None
    valid: bool
    settings_changed: int


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="config")


@group.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="The file to check.")] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Read the file as the daemons would; names file, line and remedy of what is wrong (exit code 2)."""
    from innerwarden import paths
    from innerwarden.config import load

    path = file or config
    settings = load(path)
    read = path or (paths.SYSTEM_CONFIG if paths.SYSTEM_CONFIG.exists() else None)
    changed = sum(setting.value != setting.default for setting in _settings(settings))
    if json:
        emit_json(
            "config check", Checked(file=str(read) if read else None, valid=True, settings_changed=changed)
        )
    elif read is None:
        note("no configuration file; every setting has its default")
    else:
        print(f"{shown(str(read))}: valid, {changed} settings differ from the default")


@group.command("explain")
def explain(
    key: Annotated[str, typer.Argument(help="Only keys that begin so, e.g. collectors.kernel.")] = "",
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List every setting, the value in effect and its default."""
    from innerwarden.config import load
    from innerwarden.errors import UsageError

    settings = [setting for setting in _settings(load(config)) if setting.key.startswith(key)]
    if not settings:
        raise UsageError(
            f"no setting begins with {key!r}", "Run `innerwarden config explain` for the whole list"
        )
    if json:
        emit_json("config explain", settings)
        return
    rows = [
        (s.key, _text(s.value), "" if s.value == s.default else f"default {_text(s.default)}", s.about)
        for s in settings
    ]
    table("Settings in effect", ("setting", "value", "changed", "about"), rows)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _settings(config: msgspec.Struct) -> list[Setting]:
    from innerwarden.config import Config

    return _walk(config, Config(), "")


def _walk(value: msgspec.Struct, default: msgspec.Struct, prefix: str) -> list[Setting]:
    """Leaves of the Struct tree, depth first, in order of declaration."""
    found: list[Setting] = []
    about = (type(value).__doc__ or "").strip().splitlines()
    for number, field in enumerate(msgspec.structs.fields(value)):
        now, before = getattr(value, field.name), getattr(default, field.name)
        if isinstance(now, msgspec.Struct):
            found += _walk(now, before, f"{prefix}{field.name}.")
        else:
            said = about[0] if about and number == 0 and prefix else ""
            found.append(Setting(key=prefix + field.name, value=now, default=before, about=said))
    return found
