# SPDX-License-Identifier: Apache-2.0
"""What the table of hooks must hold for one hook to stand in for another."""

from __future__ import annotations

from innerwarden.sensor.kernel_hooks import HOOKS, SYSCALL

BY_NAME = {hook.name: hook for hook in HOOKS}
PAIRS = [(hook, BY_NAME[name]) for hook in HOOKS for name in hook.instead_of]


def test_who_stands_in_sees_the_same() -> None:
    for stand_in, hook in PAIRS:
        assert set(stand_in.kinds) <= set(hook.kinds), (stand_in.name, hook.name)
        assert set(stand_in.techniques) <= set(hook.techniques) or not hook.techniques


def test_who_is_stood_in_for_can_be_detached_alone() -> None:
    assert {hook.attach for _stand_in, hook in PAIRS} & {SYSCALL} == set()


def test_hooks_that_share_a_stand_in_share_all_of_them() -> None:
    """One goes when the other does, and nothing that it saw may be left to nobody."""
    of = {hook.name: {stand_in.name for stand_in, one in PAIRS if one is hook} for _stand_in, hook in PAIRS}
    for stand_in in {stand_in.name: stand_in for stand_in, _hook in PAIRS}.values():
        assert len({frozenset(of[name]) for name in stand_in.instead_of}) == 1, stand_in.name
