# SPDX-License-Identifier: Apache-2.0
"""Recipe files: `collectors/<id>.toml` of a module. Every problem is collected with its line, then it is refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from innerwarden.errors import ModuleError
from innerwarden.logs.json_path import JsonPath
from innerwarden.logs.recipe import MEMBERS, TIME_FORMATS, Recipe
from innerwarden.modules.manifest import SNAKE, Read, on_disk, toml_line
from innerwarden.rules.pipeline import suggest
from innerwarden.unreadable import toml

Key = tuple[str | int, ...]
Problem = tuple[Key, str]

_HEAD = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_ENTRY = re.compile(
    r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*="""
)
_NAME = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")
_PLACE = re.compile(r"\{([^{}]*)\}")
#: Places where files are no logs.
_NO_LOGS = ("/proc/", "/sys/", "/dev/")
PER_SECOND_MAX = 10_000
WITHIN_MAX_S = 86_400
LINE_BYTES = (1024, 1 << 20)


class Origin(msgspec.Struct, frozen=True):
    """Where a recipe comes from. `shipped`: with the product, so that it may start a command; which ones, its module
    says (`security.allowed_commands`). `taken`: collector ids that are in use."""

    module: str
    shipped: bool = False
    allowed_commands: tuple[str, ...] = ()
    taken: frozenset[str] = frozenset()


def read_recipe(path: Path, origin: Origin, text_of: Read = on_disk) -> Recipe:
    """Raises ModuleError with every problem as `file:line: text`."""
    try:
        text = text_of(path)
        tree = toml(text)
    except tomllib.TOMLDecodeError as error:
        raise ModuleError("a recipe cannot be read", [f"{path}:{toml_line(error)}: {error}"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModuleError("a recipe cannot be read", [f"{path}:1: {error}"]) from error
    lines = _Lines(text)
    problems = [*_shape(tree, Recipe, ()), *_sense(tree, path.stem, origin)]
    if problems:
        ordered = sorted({(lines.at(key), what) for key, what in problems})
        raise ModuleError("a recipe is refused", [f"{path}:{line}: {what}" for line, what in ordered])
    return msgspec.structs.replace(msgspec.convert(tree, Recipe), module=origin.module)


class _Lines:
    """Line of every table and key of a TOML text; of what lies in an inline table, the line of the key with it."""

    def __init__(self, text: str) -> None:
        self._at: dict[Key, int] = {}
        counts: dict[Key, int] = {}
        prefix: Key = ()
        for number, line in enumerate(text.splitlines(), 1):
            if match := _HEAD.match(line):
                prefix = tuple(_names(match[2]))
                if match[1] == "[[":
                    index = counts[prefix] = counts.get(prefix, -1) + 1
                    self._at.setdefault(prefix, number)
                    prefix = (*prefix, index)
                self._at.setdefault(prefix, number)
            elif match := _ENTRY.match(line):
                self._at.setdefault((*prefix, *_names(match[1])), number)

    def at(self, key: Key) -> int:
        while key:
            if key in self._at:
                return self._at[key]
            key = key[:-1]
        return 1


def _names(text: str) -> list[str]:
    return [a or b or c for a, b, c in _NAME.findall(text)]


def _shape(tree: dict[str, Any], shape: type[msgspec.Struct], at: Key) -> Iterator[Problem]:
    """What a table lacks, has too much, or has of another type."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    fields.pop("module", None)
    for name in tree:
        if name not in fields:
            yield (*at, name), f"unknown key {name!r}. {suggest(name, fields)}"
    for name, field in fields.items():
        if name not in tree:
            if field.required:
                yield at, f"the key {'.'.join(map(str, (*at, name)))} is missing"
            continue
        yield from _value(tree[name], field.type, (*at, name))


def _value(value: Any, kind: Any, at: Key) -> Iterator[Problem]:
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.UnionType):
        info = next(one for one in info.types if not isinstance(one, msgspec.inspect.NoneType))
    if isinstance(info, msgspec.inspect.StructType):
        if isinstance(value, dict):
            yield from _shape(value, info.cls, at)
        else:
            yield at, f"{at[-1]} is a table"
        return
    if get_origin(kind) is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from _value(item, get_args(kind)[1], (*at, name))
        return
    inner = info.item_type if isinstance(info, msgspec.inspect.VarTupleType) else None
    if isinstance(inner, msgspec.inspect.StructType):
        if not isinstance(value, list):
            yield at, f"{at[-1]} is a list of tables: write [[{'.'.join(map(str, at))}]]"
            return
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield from _shape(item, inner.cls, (*at, number))
            else:
                yield (*at, number), f"{at[-1]} is a list of tables"
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield at, f"{'.'.join(map(str, at))}: {error}"


def _sense(tree: dict[str, Any], stem: str, origin: Origin) -> Iterator[Problem]:
    """What is well typed and still wrong; parts that are not well typed are left to `_shape`."""
    yield from _about(_table(tree, "recipe"), stem, origin)
    yield from _input(_table(tree, "input"), origin)
    yield from _event(_table(tree, "event"))
    yield from _severity(_table(tree, "severity"))
    yield from _fields(_table(tree, "fields"))
    for number, one in enumerate(_list(tree, "filters")):
        yield from _path(one.get("field"), ("filters", number, "field"))
        if not set(one) - {"field"}:
            yield ("filters", number), "the filter has no condition: exists, equals, not_equals or contains"
    dedupe = _table(tree, "dedupe")
    if "dedupe" in tree and not dedupe.get("fields"):
        yield ("dedupe",), "dedupe.fields names nothing: every event would be the same one"
    for place in _texts(dedupe.get("fields")):
        yield from _path(place, ("dedupe", "fields"))
    yield from _number(dedupe.get("within_s"), 1, WITHIN_MAX_S, ("dedupe", "within_s"))
    yield from _number(_table(tree, "rate").get("per_second"), 1, PER_SECOND_MAX, ("rate", "per_second"))


def _about(about: dict[str, Any], stem: str, origin: Origin) -> Iterator[Problem]:
    name = about.get("id")
    if not isinstance(name, str):
        return
    if not SNAKE.fullmatch(name):
        yield ("recipe", "id"), f"recipe.id {name!r} is not snake_case"
    if name != stem:
        yield ("recipe", "id"), f"recipe.id {name!r} is not the file's name {stem!r}"
    if name in origin.taken:
        yield ("recipe", "id"), f"recipe.id {name!r} is the id of another collector"


def _input(table: dict[str, Any], origin: Origin) -> Iterator[Problem]:
    yield from _number(table.get("line_max_bytes"), *LINE_BYTES, ("input", "line_max_bytes"))
    paths, command = _texts(table.get("paths")), _texts(table.get("command"))
    if table.get("mechanism", "file") == "command":
        if paths:
            yield ("input", "paths"), "input.paths belongs to mechanism file"
        yield from _command(command, origin)
        return
    if command:
        yield ("input", "command"), "input.command belongs to mechanism command"
    if not paths:
        yield ("input",), "input.paths names no file"
    for path in paths:
        parent = path.rpartition("/")[0]
        if not path.startswith("/") or path.endswith("/") or set(parent) & set("*?[") or "/../" in path:
            yield ("input", "paths"), f"{path!r}: a path is absolute, with wildcards in its name only"
        elif path.startswith(_NO_LOGS):
            yield ("input", "paths"), f"{path!r} is no log file"


def _command(command: Sequence[str], origin: Origin) -> Iterator[Problem]:
    where: Key = ("input", "command")
    if not command:
        yield ("input",), "input.command is empty"
    elif not origin.shipped:
        yield (
            where,
            "a recipe that did not come with the product starts no command; let the tool write a file",
        )
    elif command[0] not in origin.allowed_commands:
        yield where, f"{command[0]!r} is not among security.allowed_commands of module.toml"


def _event(table: dict[str, Any]) -> Iterator[Problem]:
    for name in ("time", "message"):
        yield from _path(table.get(name), ("event", name))
    if table.get("items"):
        yield from _path(table["items"], ("event", "items"))
    form = table.get("time_format", "rfc3339")
    if isinstance(form, str) and form not in TIME_FORMATS and not re.fullmatch(r"strptime:.*%.*", form):
        known = ", ".join(TIME_FORMATS)
        yield ("event", "time_format"), f"time_format {form!r} is not one of {known}, strptime:FORMAT"
    kind = table.get("kind")
    if isinstance(kind, str):
        if not kind:
            yield ("event", "kind"), "event.kind is empty"
        for place in _PLACE.findall(kind):
            yield from _path(place, ("event", "kind"))
        if set(_PLACE.sub("", kind)) & set("{}"):
            yield ("event", "kind"), f"event.kind {kind!r} has a brace without its partner"


def _severity(table: dict[str, Any]) -> Iterator[Problem]:
    if table.get("field"):
        yield from _path(table["field"], ("severity", "field"))
    elif table.get("labels") or table.get("ranges"):
        yield ("severity",), "severity.field is missing: labels and ranges are about its text"
    lower = [label.lower() for label in _table(table, "labels")]
    for label in sorted({one for one in lower if lower.count(one) > 1}):
        yield ("severity", "labels"), f"the label {label!r} stands there twice; case does not count"
    for number, one in enumerate(_list(table, "ranges")):
        low, high = one.get("from"), one.get("to")
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            yield ("severity", "ranges", number), f"the range from {low} to {high} is empty"
    for number, one in enumerate(_list(table, "matches")):
        yield from _path(one.get("field"), ("severity", "matches", number, "field"))
        if one.get("contains") == "":
            yield ("severity", "matches", number, "contains"), "an empty text is in every text"


def _fields(table: dict[str, Any]) -> Iterator[Problem]:
    for name, places in table.items():
        if name not in MEMBERS:
            yield ("fields", name), f"no member {name!r}. {suggest(name, MEMBERS)}"
        for place in _texts(places):
            yield from _path(place, ("fields", name))


def _path(place: object, at: Key) -> Iterator[Problem]:
    if isinstance(place, str):
        try:
            JsonPath(place)
        except ValueError as error:
            yield at, f"{'.'.join(map(str, at))}: {error}"


def _number(value: object, low: int, high: int, at: Key) -> Iterator[Problem]:
    if isinstance(value, int) and not low <= value <= high:
        yield at, f"{'.'.join(map(str, at))} is {value}; it must lie in {low}..{high}"


def _table(tree: dict[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _list(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = tree.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
