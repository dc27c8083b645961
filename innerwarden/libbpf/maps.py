# SPDX-License-Identifier: Apache-2.0
"""One BPF map: typed by its own key and value sizes; keys and values are bytes."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator, Sequence

from innerwarden.errors import BpfError, UsageError
from innerwarden.libbpf.library import Library

ANY = 0
PER_CPU_TYPES = (5, 6, 10)  # BPF_MAP_TYPE_PERCPU_HASH, _PERCPU_ARRAY, _LRU_PERCPU_HASH


class Map:
    """Lookup, update and delete through the map's descriptor; valid until its object is closed."""

    def __init__(self, library: Library, pointer: int) -> None:
        self._library = library
        self._pointer = pointer
        self.name: str = library.bpf_map__name(pointer).decode()
        self.type: int = library.bpf_map__type(pointer)
        self.key_size: int = library.bpf_map__key_size(pointer)
        self.value_size: int = library.bpf_map__value_size(pointer)

    @property
    def fd(self) -> int:
        descriptor: int = self._library.bpf_map__fd(self._pointer)
        return descriptor

    @property
    def id(self) -> int:
        """The kernel's number of this map; after load."""
        info = (ctypes.c_uint32 * 2)()  # struct bpf_map_info begins with type and id
        size = ctypes.c_uint32(ctypes.sizeof(info))
        self._library.bpf_obj_get_info_by_fd(self.fd, info, ctypes.byref(size))
        return int(info[1])

    @property
    def max_entries(self) -> int:
        entries: int = self._library.bpf_map__max_entries(self._pointer)
        return entries

    def resize(self, max_entries: int) -> None:
        """Before load only."""
        self._library.bpf_map__set_max_entries(self._pointer, max_entries)

    def write_initial(self, offset: int, data: bytes) -> None:
        """Before load only: overwrite part of a global data section's first contents."""
        size = ctypes.c_size_t()
        address = self._library.bpf_map__initial_value(self._pointer, ctypes.byref(size))
        if not address or offset + len(data) > size.value:
            raise BpfError(f"{self.name} holds {size.value} bytes, cannot set {len(data)} at {offset}")
        ctypes.memmove(address + offset, data, len(data))

    def _key(self, key: bytes) -> bytes:
        if len(key) != self.key_size:
            raise UsageError(f"map {self.name} has keys of {self.key_size} bytes, got {len(key)}")
        return key

    def _value(self, value: bytes) -> bytes:
        if len(value) != self.value_size:
            raise UsageError(f"map {self.name} has values of {self.value_size} bytes, got {len(value)}")
        return value

    def lookup(self, key: bytes) -> bytes | None:
        """The value, or None when there is none. Per-CPU maps: see `lookup_cpus`."""
        return self._lookup(key, self.value_size)

    def _lookup(self, key: bytes, size: int) -> bytes | None:
        out = ctypes.create_string_buffer(size)
        checked = self._key(key)
        try:
            self._library.bpf_map_lookup_elem(self.fd, checked, out)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return out.raw

    def lookup_cpus(self, key: bytes) -> list[bytes]:
        """One value per possible CPU of a per-CPU map; empty when the key is absent."""
        if self.type not in PER_CPU_TYPES:
            raise UsageError(f"map {self.name} is not per-CPU")
        stride = (self.value_size + 7) & ~7
        count = self._library.libbpf_num_possible_cpus()
        raw = self._lookup(key, stride * count)
        if raw is None:
            return []
        return [raw[i * stride : i * stride + self.value_size] for i in range(count)]

    def update(self, key: bytes, value: bytes, flags: int = ANY) -> None:
        checked = self._key(key), self._value(value)
        self._library.bpf_map_update_elem(self.fd, *checked, flags)

    def delete(self, key: bytes) -> bool:
        """True when the key was there."""
        checked = self._key(key)
        try:
            self._library.bpf_map_delete_elem(self.fd, checked)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def keys(self) -> Iterator[bytes]:
        """Every key; one deleted during the walk may restart it at the beginning (the kernel's rule)."""
        key: bytes | None = None
        out = ctypes.create_string_buffer(self.key_size)
        while True:
            try:
                self._library.bpf_map_get_next_key(self.fd, key, out)
            except BpfError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            key = out.raw
            yield key

    def update_batch(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Insert or replace many entries in one call, or one by one where the kernel or map type lacks it."""
        if not entries:
            return
        keys = b"".join(self._key(key) for key, _ in entries)
        values = b"".join(self._value(value) for _, value in entries)
        count = ctypes.c_uint32(len(entries))
        try:
            self._library.bpf_map_update_batch(self.fd, keys, values, ctypes.byref(count), None)
        except BpfError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, 524):  # 524: ENOTSUPP inside the kernel
                raise
            for key, value in entries:
                self.update(key, value)

    def delete_batch(self, keys: Sequence[bytes]) -> None:
        """Delete many keys, those that are not there left aside; one by one where the kernel or map type lacks it."""
        if not keys:
            return
        packed = b"".join(self._key(key) for key in keys)
        count = ctypes.c_uint32(len(keys))
        try:
            self._library.bpf_map_delete_batch(self.fd, packed, ctypes.byref(count), None)
        except BpfError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT, 524):
                raise
            for key in keys:
                self.delete(key)

    def lookup_batch(
        self, cursor: bytes | None, limit: int
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Up to `limit` entries from `cursor` (None: the beginning) and where to go on, None at the end.

        Entries that come or go meanwhile may be left out or told twice. Raises BpfError with EOPNOTSUPP or EINVAL
        where the kernel or the map type cannot, and with ENOSPC when one hash bucket holds more than `limit`.
        """
        keys = ctypes.create_string_buffer(self.key_size * limit)
        values = ctypes.create_string_buffer(self.value_size * limit)
        after = ctypes.create_string_buffer(max(self.key_size, 4))
        count = ctypes.c_uint32(limit)
        following: bytes | None
        try:
            self._library.bpf_map_lookup_batch(
                self.fd, cursor, after, keys, values, ctypes.byref(count), None
            )
            following = after.raw
        except BpfError as error:
            if error.errno != errno.ENOENT:
                raise
            following = None
        found = count.value
        pairs = zip(
            _pieces(keys.raw, self.key_size, found), _pieces(values.raw, self.value_size, found), strict=True
        )
        return list(pairs), following


def _pieces(raw: bytes, size: int, count: int) -> list[bytes]:
    return [raw[i * size : (i + 1) * size] for i in range(count)]
