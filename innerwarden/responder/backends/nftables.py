# SPDX-License-Identifier: Apache-2.0
"""Blocks in a table of our own, `inet innerwarden`: two sets with timeouts and one chain in front of all filtering.

A drop is final in netfilter, an accept ends only its own base chain, so no rule of anybody else lets through what this
chain drops. It stands before raw (-300) and so before connection tracking, and packets to be forwarded pass it too.
Elements carry a timeout: the kernel ends a block in time with all of us dead.
Source: nft(8), "Hooks", "Verdict statement", "Set statement"; libnftables-json(5).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from innerwarden.responder import command
from innerwarden.responder.backend import Backend
from innerwarden.responder.skill import Keep, Means, SkillError

TABLE = "innerwarden"
CHAIN = "block"
#: Elements of one transaction when many come back.
AT_ONCE = 1000
#: NF_IP_PRI_RAW is -300 (include/uapi/linux/netfilter_ipv4.h); nothing usual stands before it.
PRIORITY = -310
SETS = {4: "blocked_v4", 6: "blocked_v6"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_PROTOCOLS = {4: "ip", 6: "ip6"}
_HOOK = {"type": "filter", "hook": "prerouting", "prio": PRIORITY, "policy": "accept"}

_Command = dict[str, Any]


def _expressions(version: int) -> list[_Command]:
    source = {"payload": {"protocol": _PROTOCOLS[version], "field": "saddr"}}
    return [{"match": {"op": "==", "left": source, "right": f"@{SETS[version]}"}}, {"drop": None}]


_RULES = [_expressions(4), _expressions(6)]


def _set_of(address: str) -> str:
    return SETS[ip_address(address).version]


def _flags(shown: _Command) -> list[str]:
    """A single flag is a list of one or a text, by version of nft."""
    flags = shown.get("flags", [])
    return [flags] if isinstance(flags, str) else list(flags)


class Nftables(Backend):
    """`table`: its name in the family inet. Each owner has one of its own."""

    rank = 10

    def __init__(self, table: str = TABLE) -> None:
        self._table = table
        self._where: _Command = {"family": "inet", "table": table}

    def missing(self) -> str | None:
        if command.find("nft") is None:
            return "nft is not installed"
        ran = command.run("nft", "-j", "list", "tables")
        return None if ran.code == 0 else f"nft does not work here: {ran.problem}"

    def plan(self, address: str, ttl_s: int) -> list[str]:
        made = [] if self._look() is None else [
            f"nft add table inet {self._table}",
            *(f"nft add set inet {self._table} {n} {{ type {_TYPES[v]}; flags timeout; }}" for v, n in SETS.items()),
            f"nft add chain inet {self._table} {CHAIN} "
            f"{{ type filter hook prerouting priority {PRIORITY}; policy accept; }}",
            *(f"nft add rule inet {self._table} {CHAIN} {_PROTOCOLS[v]} saddr @{n} drop" for v, n in SETS.items()),
        ]  # fmt: skip
        return [
            *made,
            f"nft add element inet {self._table} {_set_of(address)} {{ {address} timeout {ttl_s}s }}",
        ]

    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        if problem := self._put(self._renewed(address, ttl_s)):
            raise SkillError(f"nft refused to block {address}: {problem}", "Look at: nft list ruleset")

    def _put(self, elements: list[_Command]) -> str | None:
        """Into a table that is as it should be then; what nft said against it."""
        if self._look() is None and self._change(elements) is None:
            return None
        if self._change([*self._structure(), *elements]) is None:
            return None
        # Something of our name but of another shape is in the way.
        return self._change([*self._removal(), *self._structure(), *elements])

    def unblock(self, address: str, handle: str) -> None:
        if self._there(address) and (
            problem := self._change([self._element("add", address), self._element("delete", address)])
        ):
            raise SkillError(
                f"nft refused to unblock {address}: {problem}", f"nft delete table inet {self._table}"
            )

    def check(self, address: str, handle: str) -> str | None:
        if problem := self._look():
            return problem
        return None if self._there(address) else f"{address} is not in set {_set_of(address)}"

    def present(self) -> Iterable[tuple[str, str]]:
        if self._look():
            return []  # whatever is left there drops nothing
        return [(address, "") for name in SETS.values() for address in self._elements(name)]

    def restore(self, addresses: Sequence[tuple[str, int]]) -> None:
        for first in range(0, len(addresses), AT_ONCE):
            part = addresses[first : first + AT_ONCE]
            self._put([command for address, ttl_s in part for command in self._renewed(address, ttl_s)])

    def clear(self) -> None:
        if self._objects() is not None and (problem := self._change(self._removal())):
            raise SkillError(f"nft did not remove table inet {self._table}: {problem}", "Remove it by hand")

    def _structure(self) -> list[_Command]:
        """Table, sets, chain and rules. What is there already stays; a table that was put to sleep wakes."""
        sets = [
            {"add": {"set": {**self._where, "name": name, "type": _TYPES[version], "flags": ["timeout"]}}}
            for version, name in SETS.items()
        ]
        return [
            {"add": {"table": {"family": "inet", "name": self._table}}},
            *sets,
            {"add": {"chain": {**self._where, "name": CHAIN, **_HOOK}}},
            {"flush": {"chain": {**self._where, "name": CHAIN}}},
            *({"add": {"rule": {**self._where, "chain": CHAIN, "expr": rule}}} for rule in _RULES),
        ]

    def _removal(self) -> list[_Command]:
        """`add` first: deleting what is not there would fail."""
        return [{what: {"table": {"family": "inet", "name": self._table}}} for what in ("add", "delete")]

    def _element(self, what: str, address: str, ttl_s: int | None = None) -> _Command:
        value: Any = address if ttl_s is None else {"elem": {"val": address, "timeout": ttl_s}}
        return {what: {"element": {**self._where, "name": _set_of(address), "elem": [value]}}}

    def _renewed(self, address: str, ttl_s: int) -> list[_Command]:
        """Before Linux 6.12 an element that is there keeps its old timeout when added again; so it goes and comes in
        one transaction."""
        add = self._element("add", address)
        return [add, self._element("delete", address), self._element("add", address, ttl_s)]

    def _change(self, commands: list[_Command]) -> str | None:
        """One transaction, all or nothing; what nft said against it."""
        ran = command.run("nft", "-j", "-f", "-", given=json.dumps({"nftables": commands}).encode())
        return None if ran.code == 0 else ran.problem or f"exit code {ran.code}"

    def _objects(self, *what: str) -> list[_Command] | None:
        """What nft lists, None when it is not there."""
        ran = command.run("nft", "-j", *(what or ("-t", "list", "table", "inet", self._table)))
        if ran.code:
            return None
        try:
            return list(json.loads(ran.out)["nftables"])
        except (ValueError, KeyError, TypeError) as error:
            raise SkillError(
                f"nft -j said something that is not its JSON: {error}", "Try: nft -j list tables"
            ) from error

    def _look(self) -> str | None:
        """What is wrong with table, sets, chain or rules; None when packets meet our rules first."""
        objects = self._objects()
        if objects is None:
            return f"table inet {self._table} is not there"
        parts: dict[str, list[_Command]] = {}
        for one in objects:
            for kind, value in one.items():
                parts.setdefault(kind, []).append(value)
        if any(table.get("flags") for table in parts.get("table", [])):
            return f"table inet {self._table} is dormant"
        shapes = {one["name"]: (one.get("type"), _flags(one)) for one in parts.get("set", [])}
        for version, name in SETS.items():
            if shapes.get(name) != (_TYPES[version], ["timeout"]):
                return f"set {name} is not there as we made it"
        chains = [one for one in parts.get("chain", []) if one["name"] == CHAIN]
        if not chains or any(chains[0].get(key) != value for key, value in _HOOK.items()):
            return f"chain {CHAIN} does not stand at prerouting with priority {PRIORITY}"
        if [one.get("expr") for one in parts.get("rule", []) if one.get("chain") == CHAIN] != _RULES:
            return f"the rules of chain {CHAIN} are not ours alone"
        return None

    def _there(self, address: str) -> bool:
        ran = command.run("nft", "get", "element", "inet", self._table, _set_of(address), f"{{ {address} }}")
        return ran.code == 0 and b"elements" in ran.out

    def _elements(self, name: str) -> list[str]:
        found: list[str] = []
        for one in self._objects("list", "set", "inet", self._table, name) or []:
            for element in one.get("set", {}).get("elem", []):
                value = element["elem"]["val"] if isinstance(element, dict) else element
                found.append(str(value))
        return found


def make(means: Means) -> Backend:
    return Nftables()
