# SPDX-License-Identifier: Apache-2.0
"""Blocks where firewalld runs: a table of ours drops, and the address is a source of firewalld's zone `drop`.

A source goes before every zone of an interface, for packets to this host and packets to be forwarded, and is put into
the runtime and the permanent configuration without a reload, which would cost the operator what he set at runtime
only; a set or zone of our own would need one. A source carries no comment: what is ours stands in the handle, and in
the table of ours. firewalld ends no source by itself: with the responder dead it stays.
Source: firewall-cmd(1), firewalld.zones(5), "Options to bind sources".
"""

from __future__ import annotations

import shlex

from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.managed import Managed
from innerwarden.responder.skill import Keep, Means, Refusal, SkillError

ZONE = "drop"
#: Handle of a block whose source we added.
SOURCE = "source"
#: Exit code of --get-zone-of-source for a source of no zone; firewall-cmd(1).
_NO_ZONE = 2
_PERMANENT = "--permanent"


class Firewalld(Managed):
    name = "firewalld"
    rank = 4
    programs = ("firewall-cmd", "firewall-offline-cmd")
    handle = SOURCE

    def asleep(self) -> str | None:
        return None if command.run("firewall-cmd", "--state").code == 0 else "firewalld does not run"

    def steps(self, address: str) -> list[str]:
        return [shlex.join(["firewall-cmd", *kind, *_add(address)]) for kind in ((_PERMANENT,), ())]

    def resist(self, address: str, handle: str) -> None:
        zone = _zone_of(address)
        if zone == ZONE and handle != SOURCE:
            raise Refusal("firewalld", f"{address} is a source of firewalld's zone {ZONE} already")
        if zone not in ("", ZONE):
            remedy = f"firewall-cmd --zone={zone} --remove-source={address}, with --permanent too"
            raise Refusal(
                "firewalld", f"{address} is a source of firewalld's zone {zone}; take it out: {remedy}"
            )

    def show(self, address: str, handle: str, keep: Keep) -> None:
        keep(SOURCE)
        for kind in ((_PERMANENT,), ()):
            if address not in _sources(*kind):
                _must(*kind, *_add(address))

    def hide(self, address: str, handle: str) -> None:
        if handle != SOURCE:
            return
        if self.asleep() is not None:
            _take_out("firewall-offline-cmd", address)
            return
        for kind in ((), (_PERMANENT,)):
            if address in _sources(*kind):
                _take_out("firewall-cmd", address, *kind)

    def unseen(self, address: str) -> str | None:
        if address in _sources() and address in _sources(_PERMANENT):
            return None
        return f"{address} is not a source of firewalld's zone {ZONE}"

    def shown(self, dropped: frozenset[str]) -> dict[str, str | None]:
        sources = _sources()
        lacking = f"it is not a source of firewalld's zone {ZONE}"
        return {one: None if one in sources else lacking for one in sorted(dropped)}


def _add(address: str) -> tuple[str, ...]:
    return (f"--zone={ZONE}", f"--add-source={address}")


def _take_out(program: str, address: str, *kind: str) -> None:
    words = (*kind, f"--zone={ZONE}", f"--remove-source={address}")
    ran = command.run(program, *words)
    if ran.code != 0 and "UNKNOWN_SOURCE" not in ran.said and "NOT_ENABLED" not in ran.said:
        raise _failed(program, words, ran)


def _zone_of(address: str) -> str:
    """At runtime; "" for none."""
    words = (f"--get-zone-of-source={address}",)
    ran = command.run("firewall-cmd", *words)
    if ran.code == _NO_ZONE:
        return ""
    if ran.code != 0:
        raise _failed("firewall-cmd", words, ran)
    return ran.out.decode("utf-8", "backslashreplace").strip()


def _sources(*kind: str) -> list[str]:
    return _must(*kind, f"--zone={ZONE}", "--list-sources").split()


def _must(*words: str) -> str:
    ran = command.run("firewall-cmd", *words)
    if ran.code != 0:
        raise _failed("firewall-cmd", words, ran)
    return ran.out.decode("utf-8", "backslashreplace")


def _failed(program: str, words: tuple[str, ...], ran: command.Output) -> SkillError:
    remedy = f"Look at: firewall-cmd --zone={ZONE} --list-all"
    return SkillError(f"{shlex.join([program, *words])} failed: {ran.problem or ran.code}", remedy)


def make(means: Means) -> Backend:
    return Firewalld()
