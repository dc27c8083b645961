# SPDX-License-Identifier: Apache-2.0
"""Lists of bad addresses, networks, names and TLS fingerprints; the tables are plain C (intel.h)."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcpy, memset

import os
import socket

cdef extern from "intel.h" nogil:
    enum:
        IW_INTEL_LINE
        IW_INTEL_LISTS
        IW_INTEL_REASONS
        IW_INTEL_TAKEN
        IW_INTEL_EMPTY
        IW_INTEL_LONG
        IW_INTEL_LOCAL
        IW_INTEL_V4
        IW_INTEL_KINDS
    struct iw_indicator:
        int kind
    int iw_intel_line(char *line, uint32_t size, iw_indicator *out)
    bint iw_intel_room(iw_intel *self, uint64_t v4, uint64_t others)
    void iw_intel_put(iw_intel *self, const iw_indicator *one, uint32_t list_number)
    void iw_intel_free(iw_intel *self)
    uint32_t iw_intel_address(const iw_intel *self, const uint8_t *address, uint32_t *prefix)
    uint32_t iw_intel_name(const iw_intel *self, const uint8_t *name, size_t size, size_t *at)
    uint32_t iw_intel_print(const iw_intel *self, const char *text, size_t size)

cdef enum:
    PROBLEMS = 100      # lines that are told one by one

REASONS = (
    "", "", "is no address, network, name, JA3 or JA4", "is a network with bits set behind its prefix",
    "is a network so wide that it must be a mistake (below /8, IPv6 below /16)",
    "is a public suffix, under which everybody can register a name", "is longer than a line may be",
    "is a private, loopback or multicast address",
)
if len(REASONS) != IW_INTEL_REASONS:
    raise ImportError("intel.h has other reasons than intel.pyx has words for")
KINDS = ("ipv4", "ipv6", "name", "fingerprint")
if len(KINDS) != IW_INTEL_KINDS:
    raise ImportError("intel.h has other kinds than intel.pyx has names for")


cdef class Intel:
    """What files of indicators say. Built once, then only read."""

    def __init__(self, files, uint64_t max_entries=2_000_000):
        cdef uint64_t counts[2]
        cdef uint32_t i
        if self.table.v4 != NULL:
            raise ValueError("a table is filled once")
        files = [(name, content) for name, content in files]
        if len(files) > IW_INTEL_LISTS:
            raise ValueError(f"{len(files)} lists are more than {IW_INTEL_LISTS}")
        self.lists = tuple(name for name, _ in files)
        self._names = tuple(name.encode() for name in self.lists)
        self.problems, self.refused = [], {}
        self.table.seed = int.from_bytes(os.urandom(8), "little")
        self.table.names = <const uint8_t **>calloc(len(files) + 1, sizeof(uint8_t *))
        self.table.name_sizes = <uint32_t *>calloc(len(files) + 1, sizeof(uint32_t))
        if self.table.names == NULL or self.table.name_sizes == NULL:
            raise MemoryError()
        for i in range(<uint32_t>len(files)):
            self.table.names[i] = <const uint8_t *><const char *><bytes>self._names[i]
            self.table.name_sizes[i] = <uint32_t>len(self._names[i])
        memset(counts, 0, sizeof(counts))
        left = max_entries
        for name, content in files:
            left = self._read(name, content, 0, left, counts)
        if not iw_intel_room(&self.table, counts[0], counts[1]):
            raise MemoryError()
        left = max_entries
        for i, (_, content) in enumerate(files):
            left = self._read(None, content, i + 1, left, counts)

    def __dealloc__(self):
        iw_intel_free(&self.table)
        free(self.table.names)
        free(self.table.name_sizes)

    cdef uint64_t _read(self, name, const uint8_t[::1] content, uint32_t number, uint64_t left, uint64_t *counts):
        """Count a file's entries, or with a `number` put them in; returns how many more there may be."""
        cdef char line[1024]
        cdef iw_indicator one
        cdef const uint8_t *text
        cdef const uint8_t *end
        cdef size_t size = <size_t>content.shape[0], length, at = 0
        cdef uint64_t line_number = 0
        cdef int reason
        if size == 0:
            return left
        text = &content[0]
        while at < size:
            line_number += 1
            end = <const uint8_t *>memchr(text + at, c'\n', size - at)
            length = <size_t>(end - text) - at if end != NULL else size - at
            if length >= IW_INTEL_LINE:
                reason = IW_INTEL_LONG
            else:
                memcpy(line, text + at, length)
                reason = iw_intel_line(line, <uint32_t>length, &one)
            at += length + 1
            if reason == IW_INTEL_TAKEN:
                if left == 0:
                    if name is not None:
                        self._refuse(name, line_number, "lies behind the last entry that fits; see threat_lists.max_entries")
                    return 0
                left -= 1
                if number:
                    iw_intel_put(&self.table, &one, number)
                else:
                    counts[one.kind != IW_INTEL_V4] += 1
            elif reason != IW_INTEL_EMPTY and name is not None:
                self._refuse(name, line_number, REASONS[reason])
        return left

    cdef _refuse(self, name, line_number, reason):
        self.refused[name] = self.refused.get(name, 0) + 1
        if len(self.problems) < PROBLEMS:
            self.problems.append((name, line_number, reason))

    @property
    def counts(self):
        """Kind of entry -> how many different ones are held."""
        return {name: self.table.count[<uint32_t>i] for i, name in enumerate(KINDS)}

    @property
    def table_bytes(self):
        """Memory of the tables."""
        return self.table.v4_slots * 8 + self.table.slots * 10

    def address(self, str text not None):
        """(list, prefix length) of an address as text; None when no list has it. Raises OSError for no address."""
        cdef bytes packed
        cdef uint32_t prefix = 0, listed
        if ":" in text:
            packed = socket.inet_pton(socket.AF_INET6, text)
        else:
            packed = b"\0" * 10 + b"\xff\xff" + socket.inet_pton(socket.AF_INET, text)
        listed = iw_intel_address(&self.table, <const uint8_t *><const char *>packed, &prefix)
        return (self.lists[listed - 1], prefix) if listed else None

    def name(self, str text not None):
        """(list, entry) of a name or of one that it lies under; None when no list has one."""
        cdef bytes raw = text.encode()
        cdef size_t at = 0
        cdef uint32_t listed = iw_intel_name(&self.table, <const uint8_t *><const char *>raw, len(raw), &at)
        return (self.lists[listed - 1], raw[at:].decode()) if listed else None

    def fingerprint(self, str text not None):
        """The list of a JA3 or JA4; None when no list has it."""
        cdef bytes raw = text.encode()
        cdef uint32_t listed = iw_intel_print(&self.table, <const char *>raw, len(raw))
        return self.lists[listed - 1] if listed else None
