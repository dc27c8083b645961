# SPDX-License-Identifier: Apache-2.0
"""Which backend blocks, by who rules the host; and how ufw's own list is read."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from innerwarden.model.responder import Way
from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.backends import ufw
from innerwarden.responder.choice import choose
from innerwarden.responder.skill import Keep, SkillError


class Stand(Backend):
    """A backend that only says whether it fits."""

    def __init__(self, rank: int, manages: bool = False, missing: str = "", asleep: str = "") -> None:
        self.rank, self.manages = rank, manages  # type: ignore[misc]
        self._missing, self._asleep = missing, asleep

    def missing(self) -> str | None:
        return self._missing or None

    def asleep(self) -> str | None:
        return self._asleep or None

    def plan(self, address: str, ttl_s: int) -> list[str]:
        raise AssertionError

    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        raise AssertionError

    def unblock(self, address: str, handle: str) -> None:
        raise AssertionError

    def check(self, address: str, handle: str) -> str | None:
        raise AssertionError

    def present(self) -> Iterable[tuple[str, str]]:
        raise AssertionError

    def clear(self) -> None:
        raise AssertionError


def backends(
    *, ufw: str = "off", firewalld: str = "off", nft: str = "", iptables: str = ""
) -> dict[str, Backend]:
    """Each value: why it is not to be used; `off` for asleep."""

    def managing(rank: int, state: str) -> Stand:
        return Stand(rank, True, "" if state == "off" else state, "it is off" if state == "off" else "")

    return {
        "firewalld": managing(4, firewalld),
        "iptables": Stand(30, missing=iptables),
        "nftables": Stand(10, missing=nft),
        "ufw": managing(5, ufw),
    }


@pytest.mark.parametrize(
    ("found", "name", "why"),
    [
        (backends(), "nftables", "neither ufw nor firewalld rules this host"),
        (backends(ufw=""), "ufw", "ufw rules this host"),
        (backends(firewalld=""), "firewalld", "firewalld rules this host"),
        (backends(ufw="not installed", nft="not installed"), "iptables", "neither ufw nor firewalld"),
    ],
)
def test_who_rules_the_host_blocks(found: dict[str, Backend], name: str, why: str) -> None:
    way = choose(found, "auto")
    assert way.name == name
    assert way.why.startswith(why)
    assert not way.problem


def test_two_that_rule_are_passed_over_and_told_of() -> None:
    way = choose(backends(ufw="", firewalld=""), "auto")
    assert way.name == "nftables"
    assert way.problem.startswith("firewalld and ufw are active at the same time; disable one")


def test_what_is_named_is_used_and_a_ruler_besides_is_told_of() -> None:
    way = choose(backends(ufw=""), "iptables")
    assert way == Way(
        name="iptables",
        why="it is asked for by name",
        problem="ufw rules this host too and does not show what iptables blocks",
    )
    assert choose(backends(ufw=""), "ufw").problem == ""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("ufw", "backend ufw cannot block addresses: it is off"),
        ("pf", "backend pf cannot block addresses: this version does not know it"),
    ],
)
def test_what_is_named_and_cannot_be_used_is_an_error(wanted: str, said: str) -> None:
    with pytest.raises(SkillError) as error:
        choose(backends(), wanted)
    assert error.value.problem == said
    assert "responder.backend" in error.value.remedy


def test_without_any_each_reason_is_told() -> None:
    with pytest.raises(SkillError, match="ufw: it is off; nftables: no nft; iptables: no iptables"):
        choose(backends(nft="no nft", iptables="no iptables"), "auto")


HEAD = (
    "Status: active\n\n"
    "     To                         Action      From\n"
    "     --                         ------      ----\n"
)
OURS = "[ 1] Anywhere                   DENY IN     203.0.113.9                # innerwarden\n"
OURS_V6 = "[ 9] Anywhere (v6)              DENY IN     2001:db8::9                # innerwarden\n"


@pytest.mark.parametrize(
    ("rows", "fine"),
    [
        (OURS, True),
        ("[ 1] 22/tcp                     ALLOW OUT   Anywhere                   (out)\n" + OURS, True),
        ("[ 1] 22/tcp (v6)                ALLOW IN    Anywhere (v6)             \n" + OURS, True),
        ("[ 1] Anywhere                   DENY IN     203.0.113.9\n", True),
        ("[ 1] 1:100/tcp                  ALLOW IN    Anywhere                  \n" + OURS, False),
        (
            "[ 1] 22/tcp                     LIMIT IN    Anywhere                   # DENY IN x\n" + OURS,
            False,
        ),
        ("[ 1] 22/tcp                     DENY IN     203.0.113.9                # innerwarden\n", False),
        ("[ 1] Anywhere                   DENY IN     203.0.113.0/24             # innerwarden\n", False),
        ("[ 1] Anywhere                   DENY FWD    203.0.113.9                # innerwarden\n", False),
        ("", False),
    ],
)
def test_ufw_denies_it_before_it_accepts_anybody(
    rows: str, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = (HEAD + rows).encode()
    monkeypatch.setattr(command, "run", lambda *_: command.Output(0, out, ""))
    assert (ufw.Ufw().unseen("203.0.113.9") is None) is fine


def test_only_what_carries_our_mark_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        OURS,
        "[ 2] Anywhere                   DENY IN     203.0.113.8                # mine\n",
        "[ 3] Anywhere                   ALLOW IN    203.0.113.7                # innerwarden\n",
        OURS_V6,
    ]
    out = (HEAD + "".join(rows)).encode()
    monkeypatch.setattr(command, "run", lambda *_: command.Output(0, out, ""))
    assert list(ufw.Ufw().shown(frozenset())) == ["2001:db8::9", "203.0.113.9"]
