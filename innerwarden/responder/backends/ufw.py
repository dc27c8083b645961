# SPDX-License-Identifier: Apache-2.0
"""Blocks where ufw is active: a table of ours drops, and `ufw status` shows a rule at its top.

Our rule is `deny from ADDRESS comment innerwarden`, and only one with that comment is ever removed. ufw knows no
expiry: with the responder dead its rule stays.
Source: ufw(8), "prepend", "comment", "show added"; ufw-framework(8) on the order of its chains.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec

from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.managed import Managed
from innerwarden.responder.skill import Keep, Means, Refusal, SkillError

MARK = "innerwarden"
DEFAULTS = Path("/etc/default/ufw")
_ANYWHERE = ("Anywhere", "Anywhere (v6)")
_ACCEPTS = ("ALLOW", "LIMIT")
_ROW = re.compile(
    r"\[ *\d+\] (?P<to>.+?) +(?P<action>ALLOW|DENY|REJECT|LIMIT) IN +(?P<source>.+?)(?: +# (?P<comment>.*))?"
)


class Rule(msgspec.Struct, frozen=True):
    """A row of `ufw status numbered` about what comes in. `address`: the single one that all of it is from, or ""."""

    action: str
    address: str
    v6: bool
    ours: bool


class Ufw(Managed):
    name = "ufw"
    rank = 5
    programs = ("ufw",)

    def asleep(self) -> str | None:
        out = _must("status").splitlines()
        return None if out[:1] == ["Status: active"] else "ufw is not active"

    def steps(self, address: str) -> list[str]:
        return [shlex.join(["ufw", *_prepend(address)])] if _managed(address) else []

    def resist(self, address: str, handle: str) -> None:
        if any(rule.address == address and rule.action in _ACCEPTS for rule in _rules()):
            raise Refusal(
                "ufw", f"a rule of ufw lets {address} in; remove it: ufw delete allow from {address}"
            )

    def show(self, address: str, handle: str, keep: Keep) -> None:
        rules = list(_rules())
        if not _managed(address) or _doubt(rules, address) is None:
            return
        if any(rule.ours and rule.address == address for rule in rules):  # too far down
            _must("delete", *_spec(address))
        _must(*_prepend(address))

    def hide(self, address: str, handle: str) -> None:
        """The rule goes by what ufw keeps in its files, which it lists when it is not active too."""
        for line in _must("show", "added").splitlines():
            words = line.split()
            ours = words[:3] == ["ufw", "deny", "from"] and words[4:] == ["comment", f"'{MARK}'"]
            if ours and _canonical(words[3]) == address:
                _must("delete", *_spec(address))
                return

    def unseen(self, address: str) -> str | None:
        return _doubt(list(_rules()), address) if _managed(address) else None

    def shown(self, dropped: frozenset[str]) -> dict[str, str | None]:
        rules = list(_rules())
        ours = {rule.address for rule in rules if rule.ours}
        return {
            address: _doubt(rules, address) if _managed(address) else None
            for address in sorted(dropped | ours)
        }


def _spec(address: str) -> tuple[str, ...]:
    return ("deny", "from", address)


def _prepend(address: str) -> tuple[str, ...]:
    return ("prepend", *_spec(address), "comment", MARK)


def _doubt(rules: list[Rule], address: str) -> str | None:
    """Why ufw does not show `address` as denied before it accepts anybody; a deny of the operator's own will do."""
    v6 = ":" in address
    for rule in rules:
        if rule.v6 != v6:
            continue
        if rule.address == address and rule.action not in _ACCEPTS:
            return None
        if rule.action in _ACCEPTS:
            break
    return f"ufw does not deny {address} ahead of what it allows"


def _rules() -> Iterator[Rule]:
    for line in _must("status", "numbered").splitlines():
        found = _ROW.fullmatch(line.rstrip())
        if found is None:
            continue
        to, source = found["to"].strip(), found["source"].strip()
        address = _canonical(source) if to in _ANYWHERE else ""
        yield Rule(
            action=found["action"],
            address=address,
            v6=_is_v6(to) or _is_v6(source),
            ours=found["action"] == "DENY" and bool(address) and found["comment"] == MARK,
        )


def _is_v6(place: str) -> bool:
    """A place is `Anywhere (v6)`, an address or network, or ports such as `1:100/tcp`."""
    return "(v6)" in place or any(_version(word) == 6 for word in place.split())


def _version(word: str) -> int | None:
    try:
        return ip_network(word, strict=False).version
    except ValueError:
        return None


def _canonical(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _managed(address: str) -> bool:
    """Whether ufw takes rules for this family: it can be told to leave IPv6 alone."""
    if ":" not in address:
        return True
    try:
        text = DEFAULTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    set_to = re.findall(r"^IPV6=\s*[\"']?(\w+)", text, re.MULTILINE)
    return not set_to or set_to[-1].lower() == "yes"


def _must(*words: str) -> str:
    ran = command.run("ufw", *words)
    if ran.code != 0:
        raise SkillError(
            f"{shlex.join(['ufw', *words])} failed: {ran.problem}", "Look at: ufw status numbered"
        )
    return ran.out.decode("utf-8", "backslashreplace")


def make(means: Means) -> Backend:
    return Ufw()
