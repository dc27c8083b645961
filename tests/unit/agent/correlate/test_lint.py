# SPDX-License-Identifier: Apache-2.0
"""Shipped correlation rules can fire with the shipped modules; the lint says why another cannot."""

from __future__ import annotations

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.correlate.lint import lint, lint_installation
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.correlate.rule import ChainRule, Join, Step
from innerwarden.config import Config, DetectorConfig
from innerwarden.model.severity import Severity


class Spec(msgspec.Struct):
    kinds: tuple[str, ...]
    entities: tuple[str, ...] = ()


SPECS = {
    "tries": Spec(("ssh.login_failed",), ("ip:src_ip",)),
    "login": Spec(("ssh.login_success",), ("ip:src_ip", "user:user")),
    "cron": Spec(("file.open",), ("path:path",)),
}
RULE = ChainRule(
    id="a_chain",
    title="t",
    severity=Severity.HIGH,
    window_s=60,
    steps=(
        Step(name="one", detectors=frozenset({"tries"}), join=(Join.IP,)),
        Step(name="two", detectors=frozenset({"login"}), join=(Join.IP,)),
        Step(name="three", detectors=frozenset({"cron"}), join=(Join.USER,)),
    ),
    checks=(),
    blind_spots=(),
    false_positives=(),
)


def test_every_shipped_rule_can_fire() -> None:
    assert len(find_rules()) >= 3
    assert lint_installation([paths.REPOSITORY / "modules"], Config()) == []


def test_a_disabled_detector_is_missed() -> None:
    config = Config(detectors={"web_server_shell": DetectorConfig(enabled=False)})
    (problem,) = lint_installation([paths.REPOSITORY / "modules"], config)
    assert problem.startswith("web_shell_outbound: ") and "web_server_shell" in problem


def test_a_good_rule_has_no_problem() -> None:
    assert lint([RULE], SPECS) == []


def _step(number: int, **changes: object) -> ChainRule:
    steps = list(RULE.steps)
    steps[number] = msgspec.structs.replace(steps[number], **changes)
    return msgspec.structs.replace(RULE, steps=tuple(steps))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ([_step(1, detectors=frozenset({"nobody"}))], "nobody, which no loaded module reports"),
        ([_step(1, detectors=frozenset())], "names no detector"),
        ([_step(1, join=())], "no join"),
        ([_step(2, join=(Join.IP,))], "cron carries no key of ip"),
        ([_step(1, join=(Join.USER,))], "login carries no key of user that an earlier step has"),
        ([_step(1, detectors=frozenset({"tries"}))], "tries stands in two steps"),
        ([msgspec.structs.replace(RULE, steps=RULE.steps[:1])], "at least two"),
        ([msgspec.structs.replace(RULE, window_s=0)], "window_s"),
        ([msgspec.structs.replace(RULE, severity=Severity.LOW)], "too low"),
        ([RULE, RULE], "used twice"),
        ([msgspec.structs.replace(RULE, id="cron")], "also a detector"),
    ],
)
def test_each_defect_is_named(rules: list[ChainRule], text: str) -> None:
    problems = lint(rules, SPECS)
    assert any(text in problem for problem in problems), problems
