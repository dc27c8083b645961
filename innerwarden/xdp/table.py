# SPDX-License-Identifier: Apache-2.0
"""The table of blocked IPv4 addresses, which the XDP program reads while this process writes it.

Rows of one cache line, see struct iw_row of bpf/xdp.bpf.c; what finds no free place in its row spills into a hash of
the kernel. There is one writer. A program on any CPU may look at any moment, and sees no half of a change, because:

- Address, expiry and mark are one aligned 64-bit word, and an item of a memoryview of that format is one store.
- The count of a place is zeroed before an address is put there, and only programs write it afterwards. One that has
  just matched the address that left may still store its count; then the new count begins too high, and that is all.
- An address stays where it was put until it is removed, in a row or in the hash. Nothing moves between the two, so
  that a program which looks at the row and then into the hash cannot miss it.
- A spilled address is in the hash before its row says so, and the row says so until after the last one has left.
"""

from __future__ import annotations

import errno
import mmap
import struct
from collections.abc import Collection

from innerwarden import clock
from innerwarden.errors import BpfError
from innerwarden.libbpf import Map

ENTRIES = 4
"""Of a row."""
LOAD = 2
"""Addresses of a row, on average, in a full table: then 4 % of them spill. With 4 it is 20 %, and a packet of one among
a million costs a quarter more; with 1 the table is twice as large, and nothing is gained."""
SPILL_PART = 4
"""The hash has room for one address in so many. One in ten is there after long coming and going (Erlang's loss formula
for four places and two addresses), and nobody can bring about more who does not know the secret."""

_ROW_WORDS = 2 * ENTRIES
_ROW_BYTES = 8 * _ROW_WORDS
_U64, _ADDRESS = (1 << 64) - 1, (1 << 32) - 1
_SPILLED = 1 << 63
_EXPIRES_S = (1 << 31) - 1
_FREE = 0
_BLOCK = struct.Struct("<QQ")  # struct iw_block


def row_count(addresses: int) -> int:
    """Rows for so many addresses: a power of two."""
    return 1 << (-(-addresses // LOAD) - 1).bit_length()


class Table:
    """Addresses are the four bytes of the packet as a little-endian number; expiries ns of CLOCK_BOOTTIME, 0 for never.

    In a row they count in whole seconds, rounded up. One thread calls it, until `close`.
    """

    def __init__(self, rows: Map, spill: Map, mix: tuple[int, int], *, is_new: bool) -> None:
        self._pages = mmap.mmap(rows.fd, rows.max_entries * _ROW_BYTES)
        self._words = memoryview(self._pages).cast("Q")
        self._mask, self._mix, self._spill = rows.max_entries - 1, mix, spill
        self._room = rows.max_entries * LOAD
        self._spilled: dict[int, set[int]] = {}  # by row
        self._cursor = 0
        self._held = 0
        if not is_new:
            self._take_over()

    def _take_over(self) -> None:
        """What another writer of the same table left."""
        for key in self._spill.keys():  # noqa: SIM118 - a Map is no dict
            address = int.from_bytes(key, "little")
            self._spilled.setdefault(self._row(address), set()).add(address)
            self._held += 1
        self._held += sum(word & _ADDRESS != _FREE for word in self._words[::2].tolist())

    def close(self) -> None:
        self._words.release()
        self._pages.close()

    def require_room(self, addresses: Collection[int]) -> None:
        """Raises BpfError unless all of them can be put."""
        if self._held + len(addresses) <= self._room:
            return
        held = self._held + sum(self.packet_count(address) is None for address in set(addresses))
        if held > self._room:
            raise BpfError(
                f"the XDP list has room for {self._room} IPv4 addresses, and {held} would be in it",
                "Raise responder.block_entries",
                errno.E2BIG,
            )

    def put(self, address: int, expires_ns: int) -> None:
        """Also anew: then its packets are counted from 0. Raises BpfError when the kernel takes no more."""
        row = self._row(address)
        at = self._place(row, address)
        if at is None:
            self._put_spilled(row, address, expires_ns)
            return
        word = self._words[at]
        self._held += word & _ADDRESS == _FREE
        self._words[at + 1] = 0
        self._words[at] = word & _SPILLED | min(-(-expires_ns // clock.NS), _EXPIRES_S) << 32 | address

    def _put_spilled(self, row: int, address: int, expires_ns: int) -> None:
        self._spill.update(_key(address), _BLOCK.pack(expires_ns, 0))
        spilled = self._spilled.setdefault(row, set())
        self._held += address not in spilled
        spilled.add(address)
        self._words[row] |= _SPILLED

    def remove(self, address: int) -> bool:
        """True when it was there."""
        row = self._row(address)
        spilled = self._spilled.get(row, set())
        if address in spilled:
            self._spill.delete(_key(address))
            spilled.remove(address)
            if not spilled:
                del self._spilled[row]
                self._words[row] &= ~_SPILLED
        elif (at := self._find(row, address)) is not None:
            self._words[at] &= _SPILLED
        else:
            return False
        self._held -= 1
        return True

    def packet_count(self, address: int) -> int | None:
        """None when it is not there."""
        row = self._row(address)
        if address in self._spilled.get(row, ()):
            value = self._spill.lookup(_key(address))
            return None if value is None else int(_BLOCK.unpack(value)[1])
        at = self._find(row, address)
        return None if at is None else self._words[at + 1]

    def reap(self, rows: int) -> int:
        """Remove the expired among the next so many rows; returns how many. Spilled ones are left aside."""
        start, now_s = self._cursor, clock.boottime_ns() // clock.NS
        entries = self._words[start : start + rows * _ROW_WORDS : 2].tolist()
        expired = [i for i, word in enumerate(entries) if 0 < (word >> 32 & _EXPIRES_S) <= now_s]
        for i in expired:
            self._words[start + 2 * i] &= _SPILLED
        self._held -= len(expired)
        self._cursor = (start + rows * _ROW_WORDS) if start + rows * _ROW_WORDS < len(self._words) else 0
        return len(expired)

    def _row(self, address: int) -> int:
        """First word of the address's row, as row_of in bpf/xdp.bpf.c has it."""
        mixed = address * self._mix[0] & _U64
        return ((mixed ^ mixed >> 32) * self._mix[1] >> 32 & self._mask) * _ROW_WORDS

    def _place(self, row: int, address: int) -> int | None:
        """Where the address is or may be put; None where that is the hash."""
        if address == _FREE or address in self._spilled.get(row, ()):
            return None
        found = self._find(row, address)
        return self._at(row, _FREE) if found is None else found

    def _find(self, row: int, address: int) -> int | None:
        return None if address == _FREE else self._at(row, address)

    def _at(self, row: int, address: int) -> int | None:
        for at in range(row, row + _ROW_WORDS, 2):
            if self._words[at] & _ADDRESS == address:
                return at
        return None


def _key(address: int) -> bytes:
    return address.to_bytes(4, "little")
