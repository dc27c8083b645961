# SPDX-License-Identifier: Apache-2.0
"""What the finding about a dead hook says."""

from __future__ import annotations

import msgspec

from innerwarden.model.health import HookHealth
from innerwarden.model.severity import Severity
from innerwarden.sensor import blind
from innerwarden.sensor.kernel_effects import EFFECTS
from innerwarden.sensor.kernel_hooks import HOOKS
from innerwarden.sensor.kernel_maps import KERNEL_KINDS, dotted

HOOK = HookHealth(
    name="mount", kind="filesystem.mount", state="dead", effect="a mount", lost_techniques=("T1611",)
)


def death(*, is_back: bool, was_proven: bool = True) -> blind.Death:
    return blind.Death(
        hook=HOOK, reason="it was detached", repair="tried", is_back=is_back, was_proven=was_proven
    )


def test_a_hook_that_stays_dead_is_named_with_what_it_saw() -> None:
    found = blind.finding("h", [death(is_back=False)], 1)
    assert found.severity == Severity.HIGH
    assert found.fields.title == "The sensor went blind"
    assert "T1611" in found.fields.summary and "still blind: mount" in found.fields.summary
    assert found.fields.blind == ("a mount (mount)",)


def test_a_hook_that_came_back_is_told_as_well() -> None:
    found = blind.finding("h", [death(is_back=True)], 1)
    assert found.severity == Severity.HIGH
    assert found.fields.title == "The sensor was blind for a while"
    assert "still blind" not in found.fields.summary


def test_a_hook_that_never_answered_is_no_attack_yet() -> None:
    found = blind.finding("h", [death(is_back=False, was_proven=False)], 1)
    assert found.severity == Severity.MEDIUM
    assert "since the sensor started" in found.fields.evidence[0].text


def test_every_kind_has_its_effect_in_words() -> None:
    assert set(EFFECTS) == {dotted(kind) for kind in KERNEL_KINDS}
    assert {kind for hook in HOOKS for kind in hook.kinds} <= set(EFFECTS)


def test_a_hook_that_others_stand_in_for_is_not_blind_any_more() -> None:
    covered = msgspec.structs.replace(death(is_back=False), stand_ins=("a", "b"))
    found = blind.finding("h", [covered], 1)
    assert found.fields.title == "The sensor was blind for a while"
    assert "other hooks see the same now as mount" in found.fields.summary
    assert "still blind" not in found.fields.summary
    assert "in its place: a, b" in found.fields.evidence[0].text


def test_stand_ins_that_do_not_answer_either_cover_nothing() -> None:
    silent = msgspec.structs.replace(death(is_back=False), stand_ins=("a", "b"), silent=("b",))
    found = blind.finding("h", [silent], 1)
    assert found.fields.title == "The sensor went blind"
    assert "still blind: mount (techniques T1611)" in found.fields.summary
    assert "silent too: b" in found.fields.evidence[0].text


def test_stand_ins_that_could_not_be_asked_are_named() -> None:
    unproven = msgspec.structs.replace(death(is_back=False), stand_ins=("a", "b"), unproven=("a",))
    assert "not proven: a" in blind.finding("h", [unproven], 1).fields.evidence[0].text


def test_of_several_each_is_told_by_what_became_of_it() -> None:
    other = msgspec.structs.replace(HOOK, name="bpf", lost_techniques=("T1014",))
    back = msgspec.structs.replace(death(is_back=True), hook=msgspec.structs.replace(HOOK, name="key"))
    covered = msgspec.structs.replace(death(is_back=False), hook=other, stand_ins=("a",))
    summary = blind.finding("h", [death(is_back=False), covered, back], 1).fields.summary
    assert "meanwhile: T1014, T1611." in summary
    assert "other hooks see the same now as bpf; answering again: key;" in summary
    assert "still blind: mount (techniques T1611)." in summary
