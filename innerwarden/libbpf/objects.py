# SPDX-License-Identifier: Apache-2.0
"""A BPF object file: open, choose programs, load, attach. Owns everything that it opened."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from innerwarden.errors import BpfError
from innerwarden.libbpf._table import (
    LinkInfo,
    LinkOptions,
    OpenOptions,
    ProgInfo,
    TcHook,
    TcOptions,
    TestRunOptions,
)
from innerwarden.libbpf.library import Library, load
from innerwarden.libbpf.maps import Map

_STATS_RUN_TIME = 0  # enum bpf_stats_type
_ATTACH_XDP = 37  # BPF_XDP of enum bpf_attach_type
#: XDP_FLAGS_SKB_MODE and XDP_FLAGS_DRV_MODE, include/uapi/linux/if_link.h.
XDP_GENERIC, XDP_NATIVE = 2, 4
_TC_EGRESS = 2  # enum bpf_tc_attach_point
_LINK_CGROUP = 3  # enum bpf_link_type
_REFUSED = re.compile(r"prog '([^']+)': (?:failed to load|BPF program load failed)")


class RunStats(msgspec.Struct, frozen=True):
    """What the kernel counted while statistics were on (see `enable_stats`)."""

    id: int
    name: str
    run_count: int
    run_time_ns: int
    recursion_misses: int


class Link:
    """An attached program; `destroy` detaches it and is safe to call from any thread, once."""

    def __init__(self, library: Library, pointer: int) -> None:
        self._library = library
        self._pointer: int | None = pointer

        self.id = self._info().id

    def _info(self) -> LinkInfo:
        """All zero when the descriptor is no link's: before 5.15 a classic tracepoint has none, or it was closed."""
        info = LinkInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        if self._pointer is not None:
            with suppress(BpfError):
                descriptor = self._library.bpf_link__fd(self._pointer)
                self._library.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size))
        return info

    def is_attached(self) -> bool:
        """Is the program still where it was put? True as well where the kernel does not say."""
        if self.id == 0:
            return True
        info = self._info()
        return bool(info.id == self.id and (info.type != _LINK_CGROUP or info.tp_name != 0))

    def iterate(self) -> bytes:
        """Run an iterator over all of its objects; what it wrote."""
        descriptor = self._library.bpf_iter_create(self._library.bpf_link__fd(self._pointer))
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def destroy(self) -> None:
        # A descriptor that is no longer this link's belongs to something else by now, which must stay open.
        is_ours = self.id == 0 or self._info().id == self.id
        pointer, self._pointer = self._pointer, None
        if pointer is not None and is_ours:
            self._library.bpf_link__destroy(pointer)


class DescriptorLink:
    """A link that is its descriptor: closing it detaches, and so does the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def destroy(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Program:
    """One program of an object. `fd` exists after load."""

    def __init__(self, library: Library, pointer: int) -> None:
        self._library = library
        self._pointer = pointer
        self.name: str = library.bpf_program__name(pointer).decode()
        self.section: str = library.bpf_program__section_name(pointer).decode()

    @property
    def fd(self) -> int:
        descriptor: int = self._library.bpf_program__fd(self._pointer)
        return descriptor

    @property
    def id(self) -> int:
        """The kernel's number for the loaded program."""
        return self.stats().id

    @property
    def autoload(self) -> bool:
        return bool(self._library.bpf_program__autoload(self._pointer))

    def set_autoload(self, enabled: bool) -> None:
        self._library.bpf_program__set_autoload(self._pointer, enabled)

    def attach(self) -> Link:
        """To what its section names."""
        return self._link(self._library.bpf_program__attach(self._pointer))

    def attach_tracepoint(self, category: str, event: str) -> Link:
        """A classic tracepoint; the same program may be attached to several."""
        pointer = self._library.bpf_program__attach_tracepoint(
            self._pointer, category.encode(), event.encode()
        )
        return self._link(pointer)

    def attach_cgroup(self, cgroup_fd: int) -> Link:
        return self._link(self._library.bpf_program__attach_cgroup(self._pointer, cgroup_fd))

    def attach_xdp(self, interface_index: int, flags: int) -> DescriptorLink:
        """`flags` XDP_NATIVE or XDP_GENERIC; the kernel does not change one into the other."""
        options = LinkOptions(sz=ctypes.sizeof(LinkOptions), flags=flags)
        fd = self._library.bpf_link_create(self.fd, interface_index, _ATTACH_XDP, ctypes.byref(options))
        return DescriptorLink(fd)

    def attach_uprobe(self, path: str, offset: int) -> Link:
        """To a place of a file, in this process only."""
        pointer = self._library.bpf_program__attach_uprobe(self._pointer, False, 0, os.fsencode(path), offset)
        return self._link(pointer)

    def attach_tc_egress(self, interface_index: int) -> None:
        """To what leaves by the interface, until that is gone: for interfaces that one made."""
        hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=interface_index, attach_point=_TC_EGRESS)
        options = TcOptions(sz=ctypes.sizeof(TcOptions), prog_fd=self.fd)
        self._library.bpf_tc_hook_create(ctypes.byref(hook))
        self._library.bpf_tc_attach(ctypes.byref(hook), ctypes.byref(options))

    def _link(self, pointer: int) -> Link:
        return Link(self._library, pointer)

    def _info(self) -> ProgInfo:
        info = ProgInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        self._library.bpf_obj_get_info_by_fd(self.fd, ctypes.byref(info), ctypes.byref(size))
        return info

    def verified_instructions(self) -> int:
        """Instructions that the verifier processed for this program; 0 where the kernel does not say (before 5.16)."""
        return int(self._info().verified_insns)

    def stats(self) -> RunStats:
        info = self._info()
        return RunStats(
            id=info.id,
            name=info.name.decode(),
            run_count=info.run_cnt,
            run_time_ns=info.run_time_ns,
            recursion_misses=info.recursion_misses,
        )

    def test_run(self, packet: bytes, repeat: int = 1) -> tuple[int, int]:
        """Run a packet program on `packet`; returns its verdict and mean ns a run."""
        out = ctypes.create_string_buffer(len(packet) + 256)
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions), data_in=packet, repeat=repeat)
        options.data_size_in = len(packet)
        options.data_out = ctypes.addressof(out)
        options.data_size_out = len(out)
        self._library.bpf_prog_test_run_opts(self.fd, ctypes.byref(options))
        return int(options.retval), int(options.duration)


class Object:
    """An opened object file. `close` frees programs, maps and descriptors; links belong to the caller."""

    def __init__(self, image: bytes, name: str = "innerwarden") -> None:
        self._library = load()
        self._library.log.clear()
        options = OpenOptions(sz=ctypes.sizeof(OpenOptions), object_name=name.encode())
        self._image = image  # libbpf reads it until load is done
        self._pointer: int | None = self._library.bpf_object__open_mem(
            image, len(image), ctypes.byref(options)
        )
        self.programs: dict[str, Program] = {p.name: p for p in self._programs()}
        self.maps: dict[str, Map] = {m.name: m for m in self._maps()}

    def _programs(self) -> Iterator[Program]:
        pointer: int | None = None
        while pointer := self._library.bpf_object__next_program(self._pointer, pointer):
            yield Program(self._library, pointer)

    def _maps(self) -> Iterator[Map]:
        pointer: int | None = None
        while pointer := self._library.bpf_object__next_map(self._pointer, pointer):
            yield Map(self._library, pointer)

    def section_map(self, suffix: str) -> Map:
        """The map behind a global data section; libbpf puts a piece of the object's name before it."""
        for name, found in self.maps.items():
            if name.endswith(suffix):
                return found
        raise BpfError(f"the BPF object has no {suffix} section")

    def load(self) -> None:
        """Load every program whose autoload is on; all or nothing. Raises BpfError quoting libbpf."""
        self._library.log.clear()
        try:
            self._library.bpf_object__load(self._pointer)
        except BpfError as error:
            raise BpfError(
                f"the kernel refused the BPF object: {self._library.quote()}", errno=error.errno
            ) from error

    def refused_program(self) -> str | None:
        """Name of the program over which the last load failed, from libbpf's messages."""
        for line in self._library.log:
            if match := _REFUSED.search(line):
                return match[1]
        return None

    def close(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._library.bpf_object__close(pointer)


def kernel_ids(what: str) -> set[int]:
    """Ids of all of a sort (prog, map, link) that the kernel holds, ours or not. Needs CAP_SYS_ADMIN."""
    step = getattr(load(), f"bpf_{what}_get_next_id")
    found: set[int] = set()
    number = ctypes.c_uint32(0)
    while True:
        try:
            step(number.value, ctypes.byref(number))
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return found
            raise
        found.add(number.value)


_MAP_RINGBUF = 27  # enum bpf_map_type


def try_ring_buffer() -> None:
    """Make a ring buffer of one page and free it. Raises BpfError."""
    os.close(load().bpf_map_create(_MAP_RINGBUF, b"iw_try", 0, 0, os.sysconf("SC_PAGE_SIZE"), None))


def enable_stats() -> int:
    """Count every program's run time until the returned descriptor is closed; costs ~45 ns a run."""
    descriptor: int = load().bpf_enable_stats(_STATS_RUN_TIME)
    return descriptor
