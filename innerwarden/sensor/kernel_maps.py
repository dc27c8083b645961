# SPDX-License-Identifier: Apache-2.0
"""The maps that user space and the kernel programs share: watched names, own processes, counters."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from innerwarden.errors import BpfError
from innerwarden.libbpf import Map
from innerwarden.libbpf.btf import Btf
from innerwarden.model._wire import HookId, Kind
from innerwarden.sensor.kernel_watch import DIR, READ

KEY_BYTES = 32
FILTER_BYTES = 2048
_U32 = struct.Struct("<I")
_WORDS = struct.Struct("<4Q")
_MASK = (1 << 64) - 1
#: 2^64 divided by the golden ratio; common.bpf.c computes the same.
_MULTIPLIER = 0x9E3779B97F4A7C15
ZERO_KEY = bytes(4)
NO_EXIST = 1  # BPF_NOEXIST

#: Kinds whose records kernel programs make.
KERNEL_KINDS = tuple(kind for kind in Kind if kind < 64)


def watch_key(name: str | bytes) -> bytes:
    """The first 32 bytes of a file name, zero-padded."""
    raw = name.encode() if isinstance(name, str) else name
    return raw[:KEY_BYTES].ljust(KEY_BYTES, b"\0")


def filter_bit(key: bytes) -> int:
    """Index of a key's bit in the filter."""
    a, b, c, d = _WORDS.unpack(key)
    bit: int = (((a + b * 3 + c * 5 + d * 7) * _MULTIPLIER) & _MASK) >> 50
    return bit


def wants_directory_reads(names: Mapping[bytes, int], qualified: int) -> bool:
    """Must every open for reading look at its directories?

    A directory watched for reads serves the qualified names when there are any; only without them does it
    stand for every file below it, which costs three more names on each open.
    """
    plain_readable = any(flags & DIR and flags & READ for flags in names.values())
    return plain_readable and not any(flags & qualified for flags in names.values())


class WatchList:
    """The watched names; replaced as a whole, added before removed: a name that stays is never missing."""

    def __init__(self, names: Map, bits: Map) -> None:
        self._names = names
        self._bits = bits
        self._wanted: Mapping[bytes, int] | Mapping[str, int] = {}

    def restore(self) -> None:
        """Write again what `set` wrote."""
        self.set(self._wanted)

    def broken(self) -> str:
        """What somebody took out or changed since `set`; empty when nothing."""
        if self._bits.lookup(ZERO_KEY) != _filter_of(self._entries()):
            return "the filter of watched names was changed (iw_watch_filter)"
        if any(self._names.lookup(key) != _U32.pack(flags) for key, flags in self._entries().items()):
            return "watched names were taken out (iw_watch_name)"
        return ""

    def set(self, names: Mapping[bytes, int] | Mapping[str, int]) -> None:
        self._wanted = names
        wanted = self._entries()
        present = set(self._names.keys())
        self._bits.update(ZERO_KEY, _filter_of(wanted.keys() | present))
        self._names.update_batch([(key, _U32.pack(flags)) for key, flags in wanted.items()])
        for key in present - wanted.keys():
            self._names.delete(key)
        self._bits.update(ZERO_KEY, _filter_of(wanted))

    def _entries(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for name, flags in self._wanted.items():
            key = watch_key(name)
            found[key] = found.get(key, 0) | flags
        return found


def _filter_of(keys: Iterable[bytes]) -> bytes:
    bits = bytearray(FILTER_BYTES)
    for key in keys:
        _set_bit(bits, filter_bit(key))
    return bytes(bits)


def _set_bit(bits: bytearray, index: int) -> None:
    bits[index >> 3] |= 1 << (index & 7)


class Counters:
    """Sums struct iw_counters over CPUs; member places come from the object's own BTF."""

    def __init__(self, stats: Map, btf: Btf) -> None:
        self._stats = stats
        size, members = btf.structs("iw_counters")["iw_counters"]
        self._words = struct.Struct(f"<{size // 8}Q")
        #: Member -> what it counts -> its word.
        self._places = {
            m.name: {dotted(kind): m.offset // 8 + kind for kind in KERNEL_KINDS}
            for m in members
            if m.size == 8 * 64
        }
        fired = next(m.offset for m in members if m.name == "fired") // 8
        self._places["fired"] = {hook.name.lower(): fired + hook for hook in HookId}

    def read(self) -> dict[str, dict[str, int]]:
        """made, lost, filtered, unpaired, suppressed -> dotted kind -> count since load; fired -> hook (lower case) ->
        count."""
        values = self._stats.lookup_cpus(ZERO_KEY)
        sums = [sum(word) for word in zip(*map(self._words.unpack, values), strict=True)]
        return {
            name: {what: sums[place] for what, place in places.items()}
            for name, places in self._places.items()
        }


class Call(msgspec.Struct, frozen=True):
    """One syscall's hook: the program that takes it, and the calls as (ABI, number)."""

    program_fd: int
    program_id: int
    ways: tuple[tuple[int, int], ...]


class CallTable:
    """Which syscall numbers the program on sys_exit hands on, and to whom. Remembers what it was told to hold."""

    CALL_MAX = 1024

    def __init__(self, calls: Map, handlers: Map) -> None:
        self._calls = calls
        self._handlers = handlers
        self._wanted: dict[HookId, Call] = {}

    def add(self, hook: HookId, call: Call) -> None:
        """Hand the calls to the program. The program is there before the first call is."""
        self._wanted[hook] = call
        self._handlers.update(_U32.pack(hook), _U32.pack(call.program_fd))
        table = self._table()
        for abi, number in call.ways:
            table[abi * self.CALL_MAX + number] = hook
        self._calls.update(ZERO_KEY, bytes(table))

    def restore(self, hook: HookId) -> None:
        """Write again what `add` wrote."""
        self.add(hook, self._wanted[hook])

    def broken(self, hook: HookId) -> str:
        """What somebody took out or changed since `add`; empty when nothing."""
        call = self._wanted[hook]
        if self._handlers.lookup(_U32.pack(hook)) != _U32.pack(call.program_id):
            return "its program was taken out of the table of handlers (iw_handlers)"
        table = self._table()
        if any(table[abi * self.CALL_MAX + number] != hook for abi, number in call.ways):
            return "its calls were taken out of the table of calls (iw_calls)"
        return ""

    def _table(self) -> bytearray:
        return bytearray(self._calls.lookup(ZERO_KEY) or bytes(self._calls.value_size))

    def remove(self, hook: HookId) -> None:
        """No call goes to that hook any more."""
        self._wanted.pop(hook, None)
        self._calls.update(ZERO_KEY, bytes(0 if byte == hook else byte for byte in self._table()))


class Identities:
    """Last known credentials of each process: what a change is compared with."""

    _VALUE = struct.Struct("<QQIIII")  # start_ns, cap_effective, uid, euid, gid, mixed

    def __init__(self, identities: Map) -> None:
        self._map = identities

    def seed(self, known: Mapping[int, tuple[int, int, int, int, int, bool]]) -> None:
        """pid -> (start_ns, cap_effective, uid, euid, gid, threads may differ); an entry that the kernel has made
        since is kept."""
        for pid, values in known.items():
            with suppress(BpfError):
                self._map.update(_U32.pack(pid), self._VALUE.pack(*values), NO_EXIST)

    def forget(self) -> None:
        """Births are seen from the first hook on, changes only from the last: nothing kept in between counts."""
        for key in list(self._map.keys()):
            self._map.delete(key)


_DOTTED: dict[Kind, str] = {}


def dotted(kind: Kind) -> str:
    """`process.exec` for Kind.PROCESS_EXEC."""
    if not _DOTTED:
        from innerwarden.model._wire import KINDS

        _DOTTED.update({value: name for name, value in KINDS.items()})
    return _DOTTED[kind]
