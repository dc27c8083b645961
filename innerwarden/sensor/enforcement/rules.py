# SPDX-License-Identifier: Apache-2.0
"""Modes, lists, heartbeat and counters of the LSM programs. Nothing is pinned: with this process all of it ends."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from innerwarden import clock
from innerwarden.config import ResponderConfig
from innerwarden.libbpf import Object
from innerwarden.model._wire import EnforcementRule
from innerwarden.sensor.enforcement.identity import PathHash, process_start_ticks
from innerwarden.sensor.enforcement.lists import (
    AllowLists,
    AllowMaps,
    DenyList,
    Exempt,
    Exemptions,
    ProtectedFiles,
    never_denied,
)
from innerwarden.switches import OFF, effective_mode

RULES = 8
KEY_BYTES = 32
HEARTBEAT_S = 1.0
"""How often `beat` is to be called."""
HEARTBEAT_MAX_S = 10.0
"""Without a beat for so long the kernel programs only observe."""

#: Roles of a process: nobody else may end, stop or trace it; no rule is applied to what it does; it may end, stop
#: and trace the protected ones.
PROTECTED, TRUSTED, OPERATOR = 1, 2, 4

_ZERO = bytes(4)
_U32 = struct.Struct("<I")
_POLICY = struct.Struct(f"<4Q{RULES}I")
_COUNTERS = struct.Struct(f"<{3 * RULES + 4}Q")
_PROCESS = struct.Struct("<QII")

#: Ignored by default (signal(7)): CHLD, CONT, URG, WINCH. Signal 0 only asks and has no bit.
HARMLESS_SIGNALS = frozenset({17, 18, 23, 28})
GUARDED_SIGNALS = sum(1 << (n - 1) for n in range(1, 65) if n not in HARMLESS_SIGNALS)

#: enum bpf_cmd: load, pin, attach, detach, raw tracepoint, link create, update and detach, iterator, bind map, token.
GUARDED_COMMANDS = sum(1 << n for n in (5, 6, 8, 9, 17, 28, 29, 34, 33, 35, 36))


class EnforcementCounters(msgspec.Struct, frozen=True):
    """By rule: decisions recorded, of those carried out, and listed acts of somebody who may. `faults`, `stale` and
    `unrecorded` count what was let pass because something could not be read, the heartbeat was old, or the decision
    could not be recorded."""

    decided: dict[EnforcementRule, int]
    denied: dict[EnforcementRule, int]
    exempt: dict[EnforcementRule, int]
    faults: int
    stale: int
    unrecorded: int


class Enforcement:
    """The user side of one loaded object's LSM programs. One thread calls it, `beat` every HEARTBEAT_S.

    Starts with every rule off; modes are those that the switches in `responder` grant. `keys` are the KEY_BYTES
    that the programs hash paths with.
    """

    def __init__(
        self,
        loaded: Object,
        responder: ResponderConfig,
        keys: bytes,
        cgroup_root: Path | None,
        now_ns: Callable[[], int] = clock.boottime_ns,
    ) -> None:
        maps = self._maps = loaded.maps
        path_hash = PathHash(keys)
        self._responder = responder
        self._now_ns = now_ns
        self._modes: dict[EnforcementRule, int] = dict.fromkeys(EnforcementRule, OFF)
        self.exemptions = Exemptions(maps["iw_enforce_exempt"])
        self.deny = DenyList(maps["iw_exec_deny_file"], maps["iw_exec_deny_path"], path_hash, self.exemptions)
        self.files = ProtectedFiles(maps["iw_protect_file"])
        allow = AllowMaps(
            maps["iw_exec_allow_cgroup"], maps["iw_exec_allow_file"], maps["iw_exec_allow_path"]
        )
        self.allow = AllowLists(allow, path_hash, cgroup_root)
        for found in maps.values():
            maps["iw_enforce_map"].update(_U32.pack(found.id), _U32.pack(1))
        for path in never_denied():
            self.exemptions.add(path, Exempt.EXEC)
        self.protect_process(os.getpid(), PROTECTED | TRUSTED)
        self.beat()

    def set_mode(self, rule: EnforcementRule, asked: str) -> int:
        """Ask for a mode; returns the one that the switches grant, which is now in force."""
        self._modes[rule] = effective_mode(self._responder, asked)
        self.beat()
        return self._modes[rule]

    def mode(self, rule: EnforcementRule) -> int:
        return self._modes[rule]

    def allow_only(self, cgroup: str, asked: str, *, awaited: bool = False) -> int:
        """Judge what is executed in a control group by its allow list; returns the mode granted, which the mode of
        the rule bounds as well. Raises UsageError for an unknown group, unless it is awaited."""
        mode = effective_mode(self._responder, asked)
        self.allow.set_mode(cgroup, mode, awaited=awaited)
        return mode

    def beat(self) -> None:
        """Say that this process is alive, and write the modes with it."""
        modes = [OFF] * RULES
        for rule, mode in self._modes.items():
            modes[rule] = mode
        oldest = int(HEARTBEAT_MAX_S * clock.NS)
        value = _POLICY.pack(self._now_ns(), oldest, GUARDED_SIGNALS, GUARDED_COMMANDS, *modes)
        self._maps["iw_enforce_policy"].update(_ZERO, value)

    def protect_process(self, pid: int, roles: int = PROTECTED) -> None:
        """A process by pid and start time: a later one of the same pid is another one. Raises UsageError when gone."""
        value = _PROCESS.pack(process_start_ticks(pid), roles, 0)
        self._maps["iw_enforce_process"].update(_U32.pack(pid), value)

    def release_process(self, pid: int) -> bool:
        """True when it was listed."""
        return self._maps["iw_enforce_process"].delete(_U32.pack(pid))

    def some_map_id(self) -> int:
        """Of a map that is ours, for a control that tries to take hold of it."""
        return self._maps["iw_enforce_policy"].id

    def refresh(self) -> tuple[str, ...]:
        """Follow files that were replaced, went away or came to be; returns the listed ones that are missing."""
        lists = (self.deny, self.files, self.allow, self.exemptions)
        return tuple(path for one in lists for path in one.refresh())

    def counters(self) -> EnforcementCounters:
        rows = [_COUNTERS.unpack(value) for value in self._maps["iw_enforce_stats"].lookup_cpus(_ZERO)]
        sums = [sum(column) for column in zip(*rows, strict=True)]
        decided, denied, exempt = (sums[i * RULES : (i + 1) * RULES] for i in range(3))
        faults, stale, unrecorded, _sampled = sums[3 * RULES :]
        return EnforcementCounters(
            decided={rule: decided[rule] for rule in EnforcementRule},
            denied={rule: denied[rule] for rule in EnforcementRule},
            exempt={rule: exempt[rule] for rule in EnforcementRule},
            faults=faults,
            stale=stale,
            unrecorded=unrecorded,
        )

    def close(self) -> None:
        """Switch every rule off; the maps go with their object."""
        self._modes = dict.fromkeys(EnforcementRule, OFF)
        self.beat()
