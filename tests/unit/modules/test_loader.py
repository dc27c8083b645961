# SPDX-License-Identifier: Apache-2.0
"""Loading modules: overrides, precedence, the cache, and who may run Python here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from innerwarden import paths
from innerwarden.config import Config, DetectorConfig, ModulesConfig, RulesConfig
from innerwarden.model.severity import Severity
from innerwarden.modules.loader import load_modules
from tests.unit.modules.sample import write_module

SHIPPED = [paths.REPOSITORY / "modules"]


def test_everything_shipped_loads_without_a_problem() -> None:
    modules = load_modules(SHIPPED, Config())
    assert modules.problems == ()
    forms = [spec.form for spec in modules.specs.values()]
    assert forms.count("sigma") >= 12
    assert forms.count("python") >= 4
    assert forms.count("native") >= 3
    assert len(modules.correlations) >= 2


def test_overrides_apply_and_bad_ones_are_reported() -> None:
    config = Config(
        detectors={
            "ssh_bruteforce": DetectorConfig(
                severity="high", cooldown_s=7, parameters={"threshold_count": 3, "nosuch_count": 1}
            ),
            "log_deletion": DetectorConfig(enabled=False),
            "crypto_miner": DetectorConfig(severity="enormous"),
            "nosuch": DetectorConfig(),
            "web_shell_access": DetectorConfig(cooldown_s=-1),
            "user_created": DetectorConfig(cooldown_s=604_801),
        }
    )
    modules = load_modules(SHIPPED, config)
    spec = modules.specs["ssh_bruteforce"]
    assert (spec.severity, spec.cooldown_s, spec.parameters["threshold_count"]) == (Severity.HIGH, 7, 3)
    compiled = next(c for c in modules.compiled_correlations if c.owner == "ssh_bruteforce")
    assert (compiled.threshold, compiled.cooldown_s) == (3, 7)
    assert "log_deletion" not in modules.specs
    assert "log_deletion" not in {rule.owner for rule in modules.compiled_rules}
    text = "\n".join(modules.problems)
    assert "nosuch_count" in text
    assert "enormous" in text
    assert "detectors.nosuch" in text
    assert "web_shell_access.cooldown_s is -1; it must lie in 0..604800" in text
    assert "user_created.cooldown_s is 604801" in text
    assert len(modules.problems) == 5


def test_a_building_block_stays_while_a_correlation_uses_it() -> None:
    def loaded(off: tuple[str, ...]) -> set[str]:
        config = Config(detectors={name: DetectorConfig(enabled=False) for name in off})
        return {rule.owner for rule in load_modules(SHIPPED, config).compiled_rules}

    assert "ssh_failed_login" in loaded(("ssh_bruteforce",))
    users = [
        c.owner
        for c in load_modules(SHIPPED, Config()).compiled_correlations
        if "ssh_failed_login" in c.rules
    ]
    assert len(users) > 1
    assert "ssh_failed_login" not in loaded(tuple(users))


def test_a_disabled_module_brings_nothing() -> None:
    modules = load_modules(SHIPPED, Config(modules=ModulesConfig(disabled=("ssh-protection",))))
    assert "ssh_bruteforce" not in modules.specs
    assert "cron_persistence" in modules.specs


def test_a_new_module_loads_and_the_first_directory_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_module(first, "net-watch")
    write_module(second, "net-watch")
    rule = first / "net-watch/detectors/net_watch_scan.yml"
    rule.write_text(rule.read_text().replace("level: low", "level: high"))
    modules = load_modules([first, second], Config())
    assert modules.problems == ()
    assert modules.specs["net_watch_scan"].severity is Severity.HIGH


def test_python_from_elsewhere_is_refused_before_it_runs(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    ran = tmp_path / "ran"
    evil = tmp_path / "net-watch/detectors/evil.py"
    evil.write_text(f"open({str(ran)!r}, 'w')\n")
    modules = load_modules([tmp_path], Config())
    assert any("not run inside the sensor" in problem for problem in modules.problems)
    assert not ran.exists()
    assert "net_watch_scan" in modules.specs


def test_python_that_imports_beyond_the_sdk_is_refused_before_it_runs(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    path = tmp_path / "net-watch/detectors/wide.py"
    path.write_text("import json\nfrom innerwarden.config import Config\n")
    modules = load_modules([tmp_path], Config(), trusted=[tmp_path])
    assert any(f"{path}:2: imports innerwarden.config" in problem for problem in modules.problems)


def test_python_that_raises_is_one_problem_with_its_line(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    path = tmp_path / "net-watch/detectors/broken.py"
    path.write_text("import json\njson.loads('{')\n")
    modules = load_modules([tmp_path], Config(), trusted=[tmp_path])
    assert any(problem.startswith(f"{path}:2: JSONDecodeError") for problem in modules.problems)
    assert "net_watch_scan" in modules.specs


def test_the_cache_is_used_and_is_only_good_for_its_sources(tmp_path: Path) -> None:
    write_module(tmp_path / "m", "net-watch")
    cache = tmp_path / "rules.cache"
    before = load_modules([tmp_path / "m"], Config(), cache=cache)
    assert cache.stat().st_mode & 0o777 == 0o600
    stamp = cache.stat().st_mtime_ns
    again = load_modules([tmp_path / "m"], Config(), cache=cache)
    assert again.compiled_rules == before.compiled_rules
    assert cache.stat().st_mtime_ns == stamp
    rule = tmp_path / "m/net-watch/detectors/net_watch_scan.yml"
    rule.write_text(rule.read_text().replace("/nmap", "/masscan"))
    changed = load_modules([tmp_path / "m"], Config(), cache=cache)
    assert changed.compiled_rules != before.compiled_rules
    cache.write_bytes(cache.read_bytes()[:40])
    assert load_modules([tmp_path / "m"], Config(), cache=cache).compiled_rules == changed.compiled_rules


def test_with_a_cache_no_parser_is_imported(tmp_path: Path) -> None:
    cache = tmp_path / "rules.cache"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from innerwarden import paths\n"
        "from innerwarden.config import Config\n"
        "from innerwarden.modules.loader import load_modules\n"
        "paths.checkout_rules = lambda: Path('/nowhere')\n"
        f"load_modules([paths.REPOSITORY / 'modules'], Config(), cache=Path({str(cache)!r}))\n"
        "print([name for name in ('sigma', 'yaml', 'pyparsing') if name in sys.modules])\n"
    )

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=paths.REPOSITORY
        )
        return done.stdout.strip()

    assert run() == "['sigma', 'yaml', 'pyparsing']"
    assert run() == "[]"


RULE = """\
title: {title}
logsource: {{product: linux, category: process_creation}}
detection:
  s: {{Image: /{title}}}
  condition: s
level: low
"""


def test_directories_of_rules_load_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for place, title in (("one.yml", "one"), ("below/two.yaml", "two"), ("broken.yml", "{"), ("no.txt", "x")):
        (tmp_path / place).write_text(RULE.format(title=title))
    config = Config(rules=RulesConfig(directories=(str(tmp_path), str(tmp_path / "nosuch"))))
    modules = load_modules([], config)
    assert {(spec.id, spec.module) for spec in modules.specs.values()} == {("one", "rules"), ("two", "rules")}
    assert {rule.owner for rule in modules.compiled_rules} == {"one", "two"}
    first, second = modules.problems
    assert first.startswith("configuration: rules.directories: ") and "nosuch is no directory" in first
    assert second.startswith(f"{tmp_path}/broken.yml:3: ")


def test_a_rule_never_takes_the_id_of_another_detector(tmp_path: Path) -> None:
    """Of whatever form: a module's comes first, and the rule is left out whole."""
    taken = ("crypto_miner", "ssh_bruteforce", "kernel_module_load", "reverse_shell")
    for name in taken:
        (tmp_path / f"{name}.yml").write_text(RULE.format(title="one"))
    alone = load_modules(SHIPPED, Config())
    modules = load_modules(SHIPPED, Config(rules=RulesConfig(directories=(str(tmp_path),))))
    assert len(modules.problems) == len(taken)
    for name in taken:
        assert sum(name in problem for problem in modules.problems) == 1, name
    assert modules.compiled_rules == alone.compiled_rules
    assert modules.compiled_correlations == alone.compiled_correlations
    assert modules.specs == alone.specs


def test_a_correlation_never_takes_the_id_of_another_detector(tmp_path: Path) -> None:
    for name in ("reverse_shell", "kernel_module_load", "crypto_miner", "ssh_bruteforce"):
        body = {"type": "temporal", "rules": [f"{name}_a", f"{name}_b"], "timespan": "1m"}
        documents = [yaml.safe_load(RULE.format(title=t)) | {"name": t} for t in body["rules"]]
        documents.append({"title": "t", "correlation": body, "level": "low"})
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump_all(documents))
    alone = load_modules(SHIPPED, Config())
    modules = load_modules(SHIPPED, Config(rules=RulesConfig(directories=(str(tmp_path),))))
    assert len(modules.problems) == 4
    assert modules.specs == alone.specs
    assert modules.compiled_correlations == alone.compiled_correlations
