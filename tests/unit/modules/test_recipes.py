# SPDX-License-Identifier: Apache-2.0
"""Recipe files: those that ship are right, and of a wrong one every problem is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.errors import ModuleError
from innerwarden.modules.loader import load_modules
from innerwarden.modules.recipes import Origin, read_recipe

GOOD = """\
absent = ["-"]

[recipe]
id = "tool"
name = "Tool"
description = "A tool."

[input]
paths = ["/var/log/tool/*.json"]

[event]
time = "when"
message = "text"
kind = "tool.{sort}"

[severity]
field = "level"
labels = { bad = "high" }

[fields]
user = ["u.name"]
"""


def refused(
    tmp_path: Path, text: str, origin: Origin | None = None, name: str = "tool"
) -> list[tuple[int, str]]:
    """(line, text) of every problem."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    with pytest.raises(ModuleError) as caught:
        read_recipe(path, origin or Origin("m"))
    out = []
    for problem in caught.value.problems:
        assert problem.startswith(f"{path}:")
        line, _, what = problem.removeprefix(f"{path}:").partition(": ")
        out.append((int(line), what))
    return out


def test_the_shipped_ones_load() -> None:
    modules = load_modules([paths.REPOSITORY / "modules"], Config())
    assert {recipe.recipe.id: recipe.module for recipe in modules.recipes} == {
        name: f"{name}-integration" for name in ("falco", "osquery", "suricata", "wazuh")
    }
    assert [problem for problem in modules.problems if "collectors" in problem] == []


def test_a_right_one(tmp_path: Path) -> None:
    (tmp_path / "tool.toml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "tool.toml", Origin("m"))
    assert (recipe.recipe.id, recipe.module, recipe.severity.labels) == ("tool", "m", {"bad": "high"})


def test_every_problem_at_once(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        """\
absnt = []

[recipe]
id = "Tool"
name = "Tool"

[input]
paths = ["var/log/tool.json", "/proc/kmsg"]

[event]
time = "when..at"
time_format = "iso"
message = 3
kind = "tool.{}"

[severity]
labels = { bad = "terrible", BAD = "high" }

[[severity.ranges]]
from = 5
to = 2
severity = "low"

[fields]
usr = ["u.name"]
path = "file"

[[filters]]
field = "a"

[dedupe]
fields = []
within_s = 0

[rate]
per_second = 0
""",
    )
    wanted = [
        (1, "unknown key 'absnt'. Did you mean 'absent'?"),
        (3, "the key recipe.description is missing"),
        (4, "recipe.id 'Tool' is not snake_case"),
        (4, "recipe.id 'Tool' is not the file's name 'tool'"),
        (8, "'/proc/kmsg' is no log file"),
        (8, "'var/log/tool.json': a path is absolute"),
        (11, "event.time: 'when..at' is no path"),
        (12, "time_format 'iso' is not one of"),
        (13, "event.message: Expected `str`, got `int`"),
        (14, "event.kind: '' is no path"),
        (16, "severity.field is missing"),
        (17, "severity.labels.bad: Invalid enum value 'terrible'"),
        (17, "the label 'bad' stands there twice"),
        (19, "the range from 5 to 2 is empty"),
        (25, "no member 'usr'. Did you mean 'user'?"),
        (26, "fields.path: Expected `array`, got `str`"),
        (28, "the filter has no condition"),
        (31, "dedupe.fields names nothing"),
        (33, "dedupe.within_s is 0; it must lie in 1..86400"),
        (36, "rate.per_second is 0"),
    ]
    missing = [
        (line, what)
        for line, what in wanted
        if not any(line == at and text.startswith(what) for at, text in found)
    ]
    assert missing == [], found
    assert len(found) == len(wanted), found


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('kind = "tool.{sort}"', 'kind = "tool.{sort"', 14, "a brace without its partner"),
        ('paths = ["/var/log/tool/*.json"]', "paths = []", 8, "input.paths names no file"),
        ('paths = ["/var/log/tool/*.json"]', 'paths = ["/var/*/tool.json"]', 9, "wildcards in its name only"),
        (
            'paths = ["/var/log/tool/*.json"]',
            'paths = ["/var/log/../../etc/shadow"]',
            9,
            "a path is absolute",
        ),
        ('paths = ["/var/log/tool/*.json"]', 'command = ["/bin/tool"]', 9, "belongs to mechanism command"),
        ('user = ["u.name"]', 'user = ["u name"]', 21, "is no path"),
        (
            '[severity]\nfield = "level"',
            '[severity]\nfield = "level"\ndefault = "bad"',
            18,
            "Invalid enum value",
        ),
        ("[severity]", "[severity", 16, "Expected"),
        ('id = "tool"', 'id = "auth_log"', 4, "is the id of another collector"),
        ("[recipe]", 'module = "m"\n[recipe]', 3, "unknown key 'module'"),
        ("[fields]", "filters = 3\n[fields]", 20, "unknown key 'filters'"),
    ],
)
def test_single_problems(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    name = "auth_log" if "auth_log" in new else "tool"
    found = refused(tmp_path, GOOD.replace(old, new), Origin("m", taken=frozenset({"auth_log"})), name)
    assert [(at, text) for at, text in found if at == line and what in text], found


COMMAND = GOOD.replace(
    'paths = ["/var/log/tool/*.json"]', 'mechanism = "command"\ncommand = ["/usr/bin/tool", "-f"]'
)


def test_a_command_needs_a_module_of_the_product_that_names_it(tmp_path: Path) -> None:
    ((line, what),) = refused(tmp_path, COMMAND)
    assert line == 10 and "did not come with the product" in what
    ((line, what),) = refused(tmp_path, COMMAND, Origin("m", shipped=True))
    assert line == 10 and "allowed_commands" in what
    (tmp_path / "tool.toml").write_text(COMMAND)
    recipe = read_recipe(
        tmp_path / "tool.toml", Origin("m", shipped=True, allowed_commands=("/usr/bin/tool",))
    )
    assert recipe.input.command == ("/usr/bin/tool", "-f")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tool.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "tool.toml", tmp_path / "none.toml"):
        with pytest.raises(ModuleError, match=r":1: "):
            read_recipe(path, Origin("m"))


def module_in(directory: Path, provides: str, recipe: str = GOOD) -> Path:
    own = directory / "my-tool"
    (own / "collectors").mkdir(parents=True)
    (own / "collectors/tool.toml").write_text(recipe)
    (own / "module.toml").write_text(
        '[module]\nid = "my-tool"\nname = "n"\nversion = "0.1.0"\ndescription = "d"\nauthors = ["a"]\n'
        f'license = "MIT"\n\n[provides]\ncollectors = [{provides}]\n'
    )
    return own


def test_a_module_brings_its_recipe_and_names_it(tmp_path: Path) -> None:
    module_in(tmp_path, '"tool"')
    loaded = load_modules([tmp_path], Config())
    assert [recipe.recipe.id for recipe in loaded.recipes] == ["tool"] and loaded.problems == ()


def test_what_the_module_names_and_what_lies_there_are_compared(tmp_path: Path) -> None:
    own = module_in(tmp_path, '"other"')
    loaded = load_modules([tmp_path], Config())
    assert loaded.problems == (
        f"{own}/module.toml:10: provides.collectors: other is named but has no file in collectors/",
        f"{own}/module.toml:10: provides.collectors: tool is not named, but lies in collectors/",
    )


def test_a_bad_recipe_takes_nothing_else_with_it(tmp_path: Path) -> None:
    own = module_in(tmp_path, '"tool"', GOOD.replace("when", "when..at"))
    loaded = load_modules([tmp_path], Config())
    assert loaded.recipes == () and [p.split(": ")[0] for p in loaded.problems] == [
        f"{own}/collectors/tool.toml:12"
    ]
