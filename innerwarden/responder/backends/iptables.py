# SPDX-License-Identifier: Apache-2.0
"""Blocks in a chain of our own, INNERWARDEN, that INPUT and FORWARD jump to from their first place; v4 and v6 each.

Every rule is made and removed by one and the same specification, mark included. Whether the jumps still come first is
looked at each time, and a jump that others pushed down is put in front again.
Source: iptables(8), iptables-extensions(8), "comment".
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.skill import Keep, Means, SkillError

CHAIN = "INNERWARDEN"
FROM = ("INPUT", "FORWARD")
PROGRAMS = {4: "iptables", 6: "ip6tables"}
_MARK = ("-m", "comment", "--comment", "innerwarden")
_JUMP = (*_MARK, "-j", CHAIN)
_LENGTHS = {4: 32, 6: 128}
#: For the lock that all iptables commands share, in seconds.
_WAIT = ("-w", "5")
_TABLES = {"iptables": Path("/proc/net/ip_tables_names"), "ip6tables": Path("/proc/net/ip6_tables_names")}


def _rule(address: str) -> tuple[str, ...]:
    """As iptables -S prints it: text compares with text."""
    return ("-s", f"{address}/{_LENGTHS[ip_address(address).version]}", *_MARK, "-j", "DROP")


class Iptables(Backend):
    rank = 30

    def __init__(self) -> None:
        self._doubts: dict[str, str | None] = {}

    def missing(self) -> str | None:
        for program in PROGRAMS.values():
            if command.find(program) is None:
                return f"{program} is not installed"
            if _sleeps(program):
                continue
            ran = command.run(program, *_WAIT, "-S", "INPUT")
            if ran.code != 0:
                return f"{program} does not work here: {ran.problem}"
        return None

    def plan(self, address: str, ttl_s: int) -> list[str]:
        program = _program(address)
        found = _rules(program)
        made = [] if CHAIN in found else [f"{program} -N {CHAIN}"]
        made += [shlex.join([program, "-I", one, "1", *_JUMP]) for one in FROM if not _is_first(found, one)]
        return [*made, shlex.join([program, "-I", CHAIN, "1", *_rule(address)])]

    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        program = _program(address)
        found = _rules(program)
        if CHAIN not in found:
            _must(program, "-N", CHAIN)
        rule = _rule(address)
        if _accepting(found.get(CHAIN, [])):
            self._drop_strangers(program)
        if rule not in found.get(CHAIN, []):
            _must(program, "-I", CHAIN, "1", *rule)
        for chain in FROM:
            if not _is_first(found, chain):
                _must(program, "-I", chain, "1", *_JUMP)
                self._drop_jumps(program, chain, keep_first=True)

    def unblock(self, address: str, handle: str) -> None:
        program = _program(address)
        for _ in range(_rules(program).get(CHAIN, []).count(_rule(address))):
            _must(program, "-D", CHAIN, *_rule(address))

    def check(self, address: str, handle: str) -> str | None:
        program = _program(address)
        found = _rules(program)
        if _rule(address) not in found.get(CHAIN, []):
            return f"{address} is not in chain {CHAIN} of {program}"
        return _doubt(program, found)

    def present(self) -> Iterable[tuple[str, str]]:
        for program in PROGRAMS.values():
            found = {} if _sleeps(program) else _rules(program)
            self._doubts[program] = _doubt(program, found)
            for rule in found.get(CHAIN, []):
                if rule[:1] == ("-s",) and rule == _rule(address := rule[1].partition("/")[0]):
                    yield address, ""

    def doubt(self, address: str) -> str | None:
        return self._doubts.get(_program(address))

    def clear(self) -> None:
        for program in PROGRAMS.values():
            if _sleeps(program) or CHAIN not in _rules(program):
                continue
            for chain in FROM:
                self._drop_jumps(program, chain, keep_first=False)
            _must(program, "-F", CHAIN)
            _must(program, "-X", CHAIN)

    def _drop_strangers(self, program: str) -> None:
        """What others put into our chain, the last ones first."""
        rules = _rules(program).get(CHAIN, [])
        for number in reversed([at for at, rule in enumerate(rules, 1) if _accepting([rule])]):
            _must(program, "-D", CHAIN, str(number))

    def _drop_jumps(self, program: str, chain: str, *, keep_first: bool) -> None:
        """Ours in `chain`, the last ones first."""
        rules = _rules(program).get(chain, [])
        at = [number for number, rule in enumerate(rules, 1) if rule == _JUMP]
        for number in reversed(at[1:] if keep_first else at):
            _must(program, "-D", chain, str(number))


def _sleeps(program: str) -> bool:
    """Whether nobody uses its table yet: with the legacy variant a mere look would load kernel modules."""
    if b"legacy" not in command.run(program, "-V").out:
        return False
    try:
        return "filter" not in _TABLES[program].read_text().split()
    except FileNotFoundError:
        return True


def _program(address: str) -> str:
    return PROGRAMS[ip_address(address).version]


def _is_first(found: dict[str, list[tuple[str, ...]]], chain: str) -> bool:
    return found.get(chain, [])[:1] == [_JUMP]


def _doubt(program: str, found: dict[str, list[tuple[str, ...]]]) -> str | None:
    """Why rules of our chain may not be met."""
    if _accepting(found.get(CHAIN, [])):
        return f"chain {CHAIN} of {program} has rules that are not ours"
    late = [chain for chain in FROM if not _is_first(found, chain)]
    return f"{program} does not jump to {CHAIN} first from {late[0]}" if late else None


def _accepting(rules: list[tuple[str, ...]]) -> bool:
    """Whether there are rules in our chain that are not drops of ours."""
    return any(rule[-2:] != ("-j", "DROP") or rule[2:6] != _MARK for rule in rules)


def _rules(program: str) -> dict[str, list[tuple[str, ...]]]:
    """Chain -> its rules in order, each without `-A chain`."""
    ran = command.run(program, *_WAIT, "-S")
    if ran.code != 0:
        raise SkillError(f"{program} -S failed: {ran.problem}", f"Try: {program} -S")
    found: dict[str, list[tuple[str, ...]]] = {}
    for words in _lines(ran.out):
        if words[0] in ("-N", "-P"):
            found.setdefault(words[1], [])
        elif words[0] == "-A":
            found.setdefault(words[1], []).append(tuple(words[2:]))
    return found


def _lines(out: bytes) -> Iterator[list[str]]:
    for line in out.decode("utf-8", "backslashreplace").splitlines():
        try:
            words = shlex.split(line)
        except ValueError:  # a comment of somebody else with odd quotes
            words = line.split()
        if len(words) > 1:
            yield words


def _must(program: str, *words: str) -> None:
    ran = command.run(program, *_WAIT, *words)
    if ran.code != 0:
        raise SkillError(f"{shlex.join([program, *words])} failed: {ran.problem}", f"Look at: {program} -S")


def make(means: Means) -> Backend:
    return Iptables()
