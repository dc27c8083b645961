# SPDX-License-Identifier: Apache-2.0
"""Files that people write: Sigma rules, manifests, native detectors, recipes, correlations, trust, triage, cases,
configuration, value lists, module packages. Each is read or refused with the declared error, naming the file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from innerwarden.errors import ConfigError, InnerWardenError, ModuleError, RuleError
from tests.fuzz.target import ROOT, Judge, Target, case_files, must

#: TOML's own.
WORDS = (b"[[", b"]]", b" = ", b'"""', b"'''", b"[[[[[[[[[[[[[[[[", b"{ a = 1 }", b"1979-05-27", b"07:32:00", b"nan",
         b"inf", b"0x7fffffffffffffffff", b"true", b"\\U0010FFFF", b"1" * 40)  # fmt: skip
YAML_WORDS = (b"|contains", b"|re", b"|expand", b"|all", b"|cidr", b"|base64offset", b"|windash", b"|fieldref",
              b"1 of ", b"all of them", b" and ", b" or ", b" not ", b"condition:", b"&a", b"*a", b"<<:", b"? ",
              b"!!python/object:x", b"!!binary", b"2001-99-99", b"timespan:", b"correlation:", b"group-by:",
              b"event_count", b"[[[[[[[[[[", b"{{{{{{{{", b"---\n", b"(?=a)", b"(a+)+", b"\\x{110000}")  # fmt: skip

Read = Callable[[Path], object]


def _file(name: str, read: Read, *refused: type[Exception]) -> Judge:
    """Of one file of this name in a directory of its own."""
    directory = tempfile.TemporaryDirectory()
    path = Path(directory.name) / name
    path.parent.mkdir(parents=True, exist_ok=True)

    def judge(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except refused as error:
            must(path.name in str(error) or str(path.parent) in str(error), f"the file is not named: {error}")

    judge.keep = directory  # type: ignore[attr-defined]
    return judge


def _problems(problems: Iterable[str], name: str) -> None:
    for problem in problems:
        must(name in problem, f"the file is not named: {problem}")


def _config() -> Judge:
    from innerwarden import config

    return _file("config.toml", config.load, ConfigError)


def _sigma() -> Judge:
    from innerwarden_core import Engine

    from innerwarden.rules.compiler import compile_sources
    from innerwarden.rules.program import RuleSource

    engine = Engine(process_entries=16, process_bytes=1 << 14, window_keys=16)

    def judge(data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        compiled = compile_sources([RuleSource(name="one.yml", stem="one", text=text, module="fuzz")])
        _problems(compiled.problems, "one.yml")
        must(bool(compiled.problems or compiled.specs or compiled.rules), "a text of which nothing is said")
        engine.configure(
            [rule.native() for rule in compiled.rules], [one.native() for one in compiled.correlations], []
        )

    return judge


def _manifest() -> Judge:
    from innerwarden.modules import manifest

    def read(path: Path) -> None:
        found, problems = manifest.read(path.parent)
        must(found is not None or bool(problems), "refused without a problem")
        _problems(problems, "module.toml")

    return _file("a-module/module.toml", read)


def _native() -> Judge:
    from innerwarden.modules.native import build, read_native

    def read(path: Path) -> None:
        native = read_native(path, "fuzz")
        try:
            build(native, native.spec)
        except ValueError:  # declared: a value that the engine refuses
            return

    return _file("reverse_shell.toml", read, RuleError)


def _recipe() -> Judge:
    from innerwarden.logs.recipe import RecipeReader
    from innerwarden.modules.recipes import Origin, read_recipe

    def read(path: Path) -> None:
        recipe = read_recipe(path, Origin("fuzz", shipped=True))
        RecipeReader(recipe).read(b'{"time": 1, "a": [1, {"b": "c"}], "output": "x"}\n{}\n')

    return _file("falco.toml", read, ModuleError)


def _correlation() -> Judge:
    from innerwarden.agent.correlate.registry import find_groups, read_rule

    groups = find_groups()
    return _file("rule.toml", lambda path: read_rule(path, groups), RuleError)


def _trust() -> Judge:
    from innerwarden.trust import edit
    from innerwarden.trust import read as reading

    def read(path: Path) -> None:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            return
        placed, problems = reading.read(text, path.name)
        _problems(problems, path.name)
        for one in placed if not problems else ():
            again, wrong = reading.read(edit.text_of(one.entry), path.name)
            must(not wrong, f"what was written is refused: {wrong}")
            must([two.entry for two in again] == [one.entry], "an entry is another one when it is written")

    return _file("trust.toml", read)


def _triage() -> Judge:
    from innerwarden.agent.correlate.registry import find_rules
    from innerwarden.agent.triage import playbook, rule
    from innerwarden.agent.triage.detectors import known_detectors
    from innerwarden.config import Config

    chains = frozenset(one.id for one in find_rules())
    known = known_detectors(Config())

    def read(path: Path) -> None:
        for load in (
            partial(rule.load_rules, path.parent, known),
            partial(playbook.load_playbooks, path.parent, known, chains),
        ):
            try:
                load()
            except InnerWardenError as error:
                must("rules.toml" in str(error), f"the file is not named: {error}")

    return _file("triage/rules.toml", read)


def _cases() -> Judge:
    from innerwarden.errors import UsageError
    from innerwarden.modules.cases import read_cases, records_of

    def read(path: Path) -> None:
        for case in read_cases(path):
            try:
                records_of(case)
            except UsageError:  # declared: a row that is no record
                continue

    return _file("cases.toml", read, ModuleError)


def _list() -> Judge:
    from innerwarden.rules.lists import read_list

    return _file("names.txt", read_list, RuleError)


def _package() -> Judge:
    import gzip

    from innerwarden.modules import package

    def read(path: Path) -> None:
        data = path.read_bytes()
        if data[:1] == b"\1":  # the archive as it is unpacked, so that mutations reach it
            path.write_bytes(gzip.compress(data[1:], 1, mtime=0))
        else:
            path.write_bytes(data[1:])
        found = package.unpack(path)
        path.write_bytes(package.pack(found))
        must(package.unpack(path) == found, "packed again it is another one")

    return _file("one.iwm", read, ModuleError)


def _package_seeds() -> Iterator[bytes]:
    import gzip

    from innerwarden.modules import package

    data = package.pack(package.of_directory(ROOT / "modules/baseline"))
    yield b"\0" + data
    yield b"\1" + gzip.decompress(data)


def _texts(*patterns: str, most: int = 120) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for pattern in patterns:
            paths = sorted(ROOT.glob(pattern))
            for path in paths[:: max(1, len(paths) // most)]:
                yield path.read_bytes()[:8192]

    return seeds


def _config_seeds() -> Iterator[bytes]:
    import re

    text = (ROOT / "docs/configuration.md").read_text()
    yield from (block.encode() for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    yield b'[sensor]\nprocess_entries = 1024\n[responder]\nenabled = true\nverbs = ["block_address"]\n'
    yield b'[notify.channels.a]\nkind = "webhook"\nurl = "https://example.com/x"\n'
    yield b'[collectors.auth_log]\nenabled = false\npath = "/var/log/auth.log"\n'


def _trust_seeds() -> Iterator[bytes]:
    import re

    text = (ROOT / "docs/trust.md").read_text()
    yield from (block.encode() for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))


def _case_seeds() -> Iterator[bytes]:
    paths = case_files()
    yield from (path.read_bytes()[:8192] for path in paths[:: max(1, len(paths) // 80)])


def _toml(
    name: str, make: Callable[[], Judge], seeds: Callable[[], Iterator[bytes]], *packages: str
) -> Target:
    return Target(name=name, make=make, seeds=seeds, packages=packages, words=WORDS, max_bytes=8192)


def targets() -> Iterator[Target]:
    modules = "innerwarden.modules"
    yield Target(
        name="sigma", make=_sigma, seeds=_texts("modules/*/detectors/*.yml"), packages=("innerwarden.rules",),
        words=YAML_WORDS, max_bytes=4096, cpu_s=3.0,
    )  # fmt: skip
    yield _toml("config", _config, _config_seeds, "innerwarden.config")
    yield _toml("manifest", _manifest, _texts("modules/*/module.toml"), f"{modules}.manifest")
    yield _toml("native-detector", _native, _texts("modules/*/detectors/*.toml"), f"{modules}.native")
    yield _toml(
        "recipe", _recipe, _texts("modules/*/collectors/*.toml"), f"{modules}.recipes", "innerwarden.logs"
    )
    yield _toml(
        "correlation", _correlation, _texts("innerwarden/agent/correlate/rules/*.toml"),
        "innerwarden.agent.correlate.registry", "innerwarden.agent.correlate.rule",
    )  # fmt: skip
    yield _toml("trust", _trust, _trust_seeds, "innerwarden.trust")
    yield _toml(
        "triage", _triage, _texts("innerwarden/agent/triage/rules.toml", "innerwarden/agent/triage/playbooks/*.toml"),
        "innerwarden.agent.triage.tables", "innerwarden.agent.triage.rule", "innerwarden.agent.triage.playbook",
    )  # fmt: skip
    yield _toml("cases", _cases, _case_seeds, f"{modules}.cases", f"{modules}.factory")
    yield _toml("value-list", _list, _texts("modules/*/lists/*.txt"), "innerwarden.rules.lists")
    yield Target(
        name="package", make=_package, seeds=_package_seeds, packages=(f"{modules}.package",), max_bytes=65536,
        growth_bytes=192 << 20,
    )  # fmt: skip
