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
    reference="CL-901",
    title="t",
    severity=Severity.HIGH,
    window_s=60,
    steps=(
        Step(name="one", detectors=frozenset({"tries"}), join=(Join.IP,)),
        Step(name="two", detectors=frozenset({"login"}), join=(Join.IP,)),
        Step(name="three", detectors=frozenset({"cron"}), join=(Join.USER,)),
    ),
    attack=("T1110",),
    checks=("c",),
    blind_spots=("b",),
    false_positives=("f",),
)


def test_every_shipped_rule_can_fire() -> None:
    assert len(find_rules()) >= 60
    assert lint_installation([paths.REPOSITORY / "modules"], Config()) == []


def test_a_disabled_detector_is_missed() -> None:
    config = Config(detectors={"web_server_shell": DetectorConfig(enabled=False)})
    problems = lint_installation([paths.REPOSITORY / "modules"], config)
    assert any(one.startswith("web_shell_outbound: ") for one in problems)
    assert all("web_server_shell, which no loaded module reports" in one for one in problems)


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
        ([_step(2, join=(Join.IP,))], "cron carries no key by which"),
        ([_step(1, join=(Join.USER,))], "tries carries no key by which"),
        ([_step(1, detectors=frozenset({"tries"}))], "tries stands in two steps"),
        ([msgspec.structs.replace(RULE, steps=RULE.steps[:1])], "at least two"),
        ([msgspec.structs.replace(RULE, window_s=0)], "window_s"),
        ([msgspec.structs.replace(RULE, severity=Severity.LOW)], "too low"),
        ([RULE, RULE], "a_chain is used twice"),
        ([RULE, RULE], "CL-901 is used twice"),
        ([msgspec.structs.replace(RULE, reference="13")], "no number such as"),
        ([msgspec.structs.replace(RULE, blind_spots=())], "blind_spots is empty"),
        ([_step(1, distinct=2)], "wants 2 different ones of 1"),
        ([_step(1, max_severity=Severity.LOW)], "names detectors and a severity"),
        ([_step(1, absent=True, within_s=5)], "must be the last one"),
        ([_step(2, absent=True)], "say within_s"),
        ([_step(1, within_s=5)], "only a step that must be absent may"),
        ([_step(0, optional=True)], "must stand between"),
        ([_step(2, optional=True)], "must stand between"),
        ([_step(2, detectors=frozenset({"telemetry"}))], "can only be absent"),
        ([msgspec.structs.replace(RULE, id="cron")], "also a detector"),
    ],
)
def test_each_defect_is_named(rules: list[ChainRule], text: str) -> None:
    problems = lint(rules, SPECS)
    assert any(text in problem for problem in problems), problems
