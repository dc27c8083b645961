# SPDX-License-Identifier: Apache-2.0
"""Lists that rules share: what a file may hold, who finds it, and what a rule with one means."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.config import Config, RulesConfig
from innerwarden.errors import RuleError
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.rules.compiled import key_of
from innerwarden.rules.compiler import compile_sources
from innerwarden.rules.lists import MAX_FILE_BYTES, MAX_VALUES, Shelf, ValueList, read_list
from innerwarden.rules.program import RuleSource
from tests.unit.modules.sample import write_module

RULE = """
title: t
id: 6a8f0c52-0b3e-4c51-a1d6-6c5f2a9b3eff
logsource:
  product: linux
  category: process_creation
detection:
  tool:
    {item}
  condition: tool
level: low
tags: [attack.t1059]
"""


def compiled(item: str, *lists: ValueList):
    return compile_sources([RuleSource(name="r.yml", stem="r", text=RULE.format(item=item), lists=lists)])


def shelf_list(name: str, *values: str) -> ValueList:
    return ValueList(name=name, file=f"{name}.txt", values=values)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_values_are_lines_and_comments_are_not(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.txt", "# Tools.\n# Source: here\n\n/usr/bin/a\n# more\n/opt/*/b c\n")
    assert read_list(path) == ValueList(name="tools", file=str(path), values=("/usr/bin/a", "/opt/*/b c"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("# Source: x\n", 1, "has no value"),
        ("", 1, "has no value"),
        ("/usr/bin/a\n", 1, "Source"),
        ("# Source:\n/usr/bin/a\n", 1, "Source"),
        ("# Source: x\na\nb\na\n", 4, "already, in line 2"),
        ("# Source: x\n a\n", 2, "space"),
        ("# Source: x\nb\n**\n", 3, "wildcards only"),
        ("# Source: x\nb\na%c\n", 3, "no value may have"),
        ("# Source: x\nb\na\x01c\n", 3, "no value may have"),
        ("# Source: x\n" + "a" * 257 + "\n", 2, "longer than"),
        ("# Source: x\n" + "\n".join(f"v{i}" for i in range(MAX_VALUES + 1)), MAX_VALUES + 2, "more than"),
        ("# Source: x\nb\n" + "#" * MAX_FILE_BYTES, 1, "larger than"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = write(tmp_path / "tools.txt", text)
    with pytest.raises(RuleError) as refused:
        read_list(path)
    assert refused.value.problem.startswith(f"{path}:{line}: ")
    assert words in refused.value.problem


def test_a_list_that_is_no_text_or_a_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tools.txt"
    path.write_bytes(b"# Source: x\n\xff\n")
    with pytest.raises(RuleError, match="UTF-8"):
        read_list(path)
    with pytest.raises(RuleError, match="cannot be read"):
        read_list(tmp_path)


def test_as_many_values_as_allowed_compile() -> None:
    many = shelf_list("many", *(f"/bin/v{i}" for i in range(MAX_VALUES)))
    assert compiled("Image|expand: '%many%'", many).problems == ()


@pytest.mark.parametrize(
    ("with_list", "written"),
    [
        ("Image|expand: '%two%'", "Image: [/usr/bin/a, /opt/*/b]"),
        ("Image|endswith|expand: '%two%'", "Image|endswith: [/usr/bin/a, /opt/*/b]"),
        ("Image|expand: ['%two%', /c]", "Image: [/usr/bin/a, /opt/*/b, /c]"),
        (
            "CommandLine|contains|expand: 'x %two% y'",
            "CommandLine|contains: ['x /usr/bin/a y', 'x /opt/*/b y']",
        ),
        ("CommandLine|contains|all|expand: '%two%'", "CommandLine|contains|all: [/usr/bin/a, /opt/*/b]"),
        ("Image|cased|expand: '%two%'", "Image|cased: [/usr/bin/a, /opt/*/b]"),
        ("pid|expand: '%numbers%'", "pid: [9, 15]"),
    ],
)
def test_a_rule_with_a_list_is_the_rule_with_its_values(with_list: str, written: str) -> None:
    lists = shelf_list("two", "/usr/bin/a", "/opt/*/b"), shelf_list("numbers", "9", "15")
    expanded, plain = compiled(with_list, *lists), compiled(written)
    assert expanded.problems == plain.problems == ()
    assert expanded.rules == plain.rules


def test_percent_signs_without_the_modifier_are_text() -> None:
    one = compiled("CommandLine: '%two%'", shelf_list("two", "a"))
    assert one.rules[0].predicates[0].literals == (b"%two%",)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("Image|expand: '%nosuch%'", "no list 'nosuch'"),
        ("Image|re|expand: '%two%'", "regular expression"),
        ("pid|expand: '%two%'", "'a' is not"),
    ],
)
def test_what_cannot_be_expanded_is_refused_at_its_line(item: str, words: str) -> None:
    found = compiled(item, shelf_list("two", "a"))
    assert found.rules == ()
    assert found.problems[0].startswith("r.yml:9: "), found.problems
    assert words in found.problems[0]


def module_with(root: Path, name: str) -> None:
    """A module whose only rule has the list `tools`."""
    rule = next(path for path in write_module(root, name) if path.suffix == ".yml")
    text = rule.read_text().replace("Image|endswith: /nmap", "Image|expand: '%tools%'")
    rule.write_text(text)


def watched(modules: ModuleSet) -> list[tuple[bytes | int, ...]]:
    tests = [test for rule in modules.compiled_rules for test in rule.predicates]
    return [test.literals for test in tests if test.field == "exe_path"]


def test_a_module_finds_its_own_list_then_its_root_then_other_roots(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    module_with(second, "alpha")
    roots = [first, second]
    write(first / "lists/tools.txt", "# Source: x\n/other\n")
    assert watched(load_modules(roots, Config())) == [(b"/other",)]
    write(second / "lists/tools.txt", "# Source: x\n/root\n")
    assert watched(load_modules(roots, Config())) == [(b"/root",)]
    write(second / "alpha/lists/tools.txt", "# Source: x\n/own\n")
    assert watched(load_modules(roots, Config())) == [(b"/own",)]


def test_a_broken_list_is_told_once_and_takes_only_its_rules_with_it(tmp_path: Path) -> None:
    module_with(tmp_path, "alpha")
    module_with(tmp_path, "be")
    path = write(tmp_path / "lists/tools.txt", "# Source: x\n")
    modules = load_modules([tmp_path], Config())
    text = "\n".join(modules.problems)
    assert text.count(f"{path}:1: ") == 1
    assert text.count("no list 'tools' that can be read") == 2
    assert modules.compiled_rules == ()


def test_rules_of_a_directory_find_lists_there(tmp_path: Path) -> None:
    write(tmp_path / "r.yml", RULE.format(item="Image|expand: '%tools%'"))
    write(tmp_path / "lists/tools.txt", "# Source: x\n/usr/bin/a\n")
    modules = load_modules([], Config(rules=RulesConfig(directories=(str(tmp_path),))))
    assert modules.problems == ()
    assert watched(modules) == [(b"/usr/bin/a",)]


def test_a_changed_list_makes_another_key() -> None:
    def key(*values: str) -> str:
        lists = (shelf_list("tools", *values),)
        return key_of([RuleSource(name="r.yml", stem="r", text="t", lists=lists)])

    assert key("a") == key("a")
    assert key("a") != key("b")


def test_a_rule_without_the_modifier_reads_no_file(tmp_path: Path) -> None:
    write(tmp_path / "lists/tools.txt", "")
    shelf = Shelf([tmp_path])
    assert shelf.of("Image: '%tools%'", tmp_path / "alpha") == ()
    assert shelf.problems == []
